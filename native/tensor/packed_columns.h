// Host columns of several types that reach the device as one copy.
//
//   const PackedColumns columns(ctx, logp, flags);   // std::vectors; an empty one is absent
//   kernel(columns.at(logp), columns.at(flags));     // nullptr where absent
//
// Columns are told apart by their memory, so they must outlive the object unchanged. On META it only counts.
#pragma once
#include <algorithm>
#include <cstring>
#include <vector>

#include "tensor/ctx.h"
#include "tensor/values.h"

namespace rft {

class PackedColumns {
 public:
  template <class... T>
  explicit PackedColumns(const Ctx& ctx, const std::vector<T>&... columns) {
    std::vector<uint8_t> bytes;
    (pack(columns, bytes), ...);
    packed_ = ctx.workspace({int64_t(bytes.size())}, Dtype::U8);
    upload(bytes.data(), packed_);
  }

  template <class T>
  const T* at(const std::vector<T>& column) const {
    if (column.empty()) return nullptr;
    const auto same = [&](const Place& p) { return p.host == column.data(); };
    const auto place = std::find_if(places_.begin(), places_.end(), same);
    expect(place != places_.end(), "packed columns", "one of the columns that were packed", "another");
    const auto* memory = static_cast<const uint8_t*>(packed_.raw());
    return memory == nullptr ? nullptr : reinterpret_cast<const T*>(memory + place->offset);
  }

 private:
  struct Place {
    const void* host;
    size_t offset;
  };
  static constexpr size_t kAlignment = 16;

  template <class T>
  void pack(const std::vector<T>& column, std::vector<uint8_t>& bytes) {
    if (column.empty()) return;
    const size_t offset = (bytes.size() + kAlignment - 1) / kAlignment * kAlignment, size = column.size() * sizeof(T);
    bytes.resize(offset + size);
    std::memcpy(bytes.data() + offset, column.data(), size);
    places_.push_back({column.data(), offset});
  }

  std::vector<Place> places_;
  Tensor packed_;
};

}  // namespace rft
