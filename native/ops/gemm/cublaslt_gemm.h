// Matrix products through cublasLt.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <tuple>

#include "ops/gemm/cublaslt_library.h"
#include "ops/gemm/launch.h"

namespace rft::cublaslt {

// One handle of the library. Its algorithm for a product is chosen once per shape of the weights, for many rows, and
// kept whatever the number of rows is; algorithms that split k are ruled out. So a row's bits do not vary with the
// batch as long as all its products take this way (they differ from our own kernels' bits by rounding).
class Products {
 public:
  static constexpr size_t kWorkspaceBytes = size_t(32) << 20;

  // Throws when the library cannot be used on this machine.
  explicit Products(const Library&);
  ~Products();
  Products(const Products&) = delete;
  Products& operator=(const Products&) = delete;

  // bf16 operands and bias; c is bf16 or fp32. Pointers are the device's and aligned to 16 bytes, as every row is.
  struct Call {
    cuda::Gemm gemm;
    DataType out;
    const void *a, *b, *bias;  // bias (n) or nullptr
    void* c;
    void* workspace;  // kWorkspaceBytes
    Stream stream;
  };
  static bool aligned(const Call&);
  // False when the library has no algorithm for the shape: nothing was launched.
  bool multiply(const Call&);

 private:
  using Key = std::tuple<int, int64_t, int64_t, DataType, bool, bool>;
  std::optional<Algorithm> algorithm_for(const Call&);
  void expect_success(Status, const char* what) const;

  Functions call_;
  Handle handle_ = nullptr;
  std::map<Key, std::optional<Algorithm>> algorithms_;
};

}  // namespace rft::cublaslt
