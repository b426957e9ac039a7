#include "ops/add/add.cuh"

#include "ops/add/launch.h"

namespace rft::cuda {
namespace {

template <class T>
void run(const T* a, const T* b, T* y, int64_t n, Stream stream) {
  if (n == 0) return;
  const bool packed = packable(n, sizeof(T), a, b, y);
  const int64_t items = packed ? n / kLanes<T> : n;
  const Launch l{"add", dim3(unsigned(ceil_div<int64_t>(items, 256))), dim3(256), 0, stream};
  if (packed) launch(l, add_kernel<T, true>, a, b, y, n);
  else launch(l, add_kernel<T, false>, a, b, y, n);
}

}  // namespace

void add(const float* a, const float* b, float* y, int64_t n, Stream stream) { run(a, b, y, n, stream); }
void add(const bf16* a, const bf16* b, bf16* y, int64_t n, Stream stream) { run(a, b, y, n, stream); }

}  // namespace rft::cuda
