// One pack or one element a thread.
#pragma once
#include "ops/kernel.cuh"
#include "ops/silu_mul/launch.h"

namespace rft::cuda {

__device__ __forceinline__ float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

template <class T, bool Packed>
__global__ void __launch_bounds__(256) silu_mul_kernel(const T* gate, const T* up, T* y, int64_t n) {
  constexpr int N = Packed ? kLanes<T> : 1;
  const int64_t i = item_index() * N;
  if (i >= n) return;
  float g[N], u[N];
  load<T, N>(gate + i, g);
  load<T, N>(up + i, u);
#pragma unroll
  for (int j = 0; j < N; ++j) u[j] *= g[j] * sigmoid(g[j]);
  store<T, N>(y + i, u);
}

template <class T, bool Packed>
__global__ void __launch_bounds__(256) silu_mul_backward_kernel(SiluMulBackward<T> a) {
  constexpr int N = Packed ? kLanes<T> : 1;
  const int64_t i = item_index() * N;
  if (i >= a.n) return;
  float g[N], u[N], dy[N];
  load<T, N>(a.gate + i, g);
  load<T, N>(a.up + i, u);
  load<T, N>(a.dy + i, dy);
#pragma unroll
  for (int j = 0; j < N; ++j) {
    const float s = sigmoid(g[j]), silu = g[j] * s;
    g[j] = dy[j] * u[j] * (s + silu * (1.0f - s));
    u[j] = dy[j] * silu;
  }
  if (a.dgate != nullptr) put<T, N>(a.dgate + i, g, a.beta_gate);
  if (a.dup != nullptr) put<T, N>(a.dup + i, u, a.beta_up);
}

}  // namespace rft::cuda
