// One thread rotates N neighbouring pairs of one head of one token.
#pragma once
#include "ops/kernel.cuh"
#include "ops/rope/launch.h"

namespace rft::cuda {

template <class T, bool Packed>
__global__ void __launch_bounds__(256) rope_kernel(Rope<T> a) {
  constexpr int N = Packed ? kLanes<T> : 1;
  const int64_t per_head = a.half / N, item = item_index();
  if (item >= a.rows * a.heads * per_head) return;
  const int64_t i = item % per_head * N, head = item / per_head, row = head / a.heads;
  const T* x = a.x + head * 2 * a.half + i;
  T* y = a.y + head * 2 * a.half + i;
  float low[N], high[N], out_low[N], out_high[N];
  load<T, N>(x, low);
  load<T, N>(x + a.half, high);
#pragma unroll
  for (int j = 0; j < N; ++j) {
    const float c = a.cos[row * a.half + i + j], s = a.sign * a.sin[row * a.half + i + j];
    out_low[j] = low[j] * c - high[j] * s;
    out_high[j] = high[j] * c + low[j] * s;
  }
  put<T, N>(y, out_low, a.beta);
  put<T, N>(y + a.half, out_high, a.beta);
}

}  // namespace rft::cuda
