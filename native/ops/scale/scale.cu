#include "ops/kernel.cuh"
#include "ops/scale/launch.h"

namespace rft::cuda {
namespace {

template <class T, bool Packed>
__global__ void __launch_bounds__(256) scale_kernel(const T* x, float factor, T* y, int64_t n) {
  constexpr int N = Packed ? kLanes<T> : 1;
  const int64_t i = item_index() * N;
  if (i >= n) return;
  float v[N];
  load<T, N>(x + i, v);
#pragma unroll
  for (int j = 0; j < N; ++j) v[j] *= factor;
  store<T, N>(y + i, v);
}

template <class T>
void run(const T* x, float factor, T* y, int64_t n, Stream stream) {
  if (n == 0) return;
  with_packing(packable(n, sizeof(T), x, y), [&](auto packed) {
    launch(over_items("scale", packed ? n / kLanes<T> : n, stream), scale_kernel<T, packed()>, x, factor, y, n);
  });
}

}  // namespace

void scale(const float* x, float factor, float* y, int64_t n, Stream stream) { run(x, factor, y, n, stream); }
void scale(const bf16* x, float factor, bf16* y, int64_t n, Stream stream) { run(x, factor, y, n, stream); }

}  // namespace rft::cuda
