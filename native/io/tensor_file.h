// Tensors between device memory and files. Headers are made and checked in TypeScript; this reads and writes the
// numbers behind them.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tensor/ctx.h"

namespace rft {

enum class StorageDtype { F32, BF16, F16, U8 };
size_t size_of(StorageDtype dtype);

struct TensorSource {
  std::string name, file;
  int64_t offset = 0;  // bytes from the start of the file
  StorageDtype dtype = StorageDtype::F32;
  Shape shape;
};

struct TensorSink {
  std::string name;
  StorageDtype dtype = StorageDtype::F32;
};

using FindTensor = std::function<Tensor(const std::string& name)>;

// Reads each source into the tensor of its name, F32 or BF16 whatever the source, U8 from U8. Throws when a file is
// short, unreadable or a shape differs.
void read_tensors(const Ctx& ctx, const std::vector<TensorSource>& sources, const FindTensor& find);

// Writes `header`, then the tensors in order. The bytes may still be in the system's cache: whoever needs them to be
// durable syncs the file, which then does not hold up the device thread. Throws with the system's reason (for example a
// full disk) and removes the incomplete file.
void write_tensors(const Ctx& ctx, const std::string& file, const std::vector<uint8_t>& header,
                   const std::vector<TensorSink>& sinks, const FindTensor& find);

}  // namespace rft
