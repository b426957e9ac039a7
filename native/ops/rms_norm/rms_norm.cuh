// A row is summed by Threads threads: one warp for short rows (heads), a block for long ones; the width alone decides.
// The row is read again from cache for the second step, so width has no limit.
#pragma once
#include "ops/kernel.cuh"
#include "ops/rms_norm/launch.h"

namespace rft::cuda {

constexpr int64_t kWarpRow = 1024;  // widths up to this take one warp a row

// threadIdx.y: rows of a block.
__device__ __forceinline__ int64_t row_index() { return int64_t(blockIdx.x) * blockDim.y + threadIdx.y; }

template <class T, int Threads, bool Packed>
__global__ void __launch_bounds__(256) rms_norm_kernel(RmsNorm<T> a) {
  constexpr int N = Packed ? kLanes<T> : 1;
  SIMT_SHARED(float, partial, [8]);
  const int64_t row = row_index();
  if (row >= a.rows) return;
  const T* x = a.x + row * a.C;
  if (a.residual != nullptr) {
    T* sum = a.sum + row * a.C;
    for (int64_t c = int64_t(threadIdx.x) * N; c < a.C; c += Threads * N) {
      float v[N], r[N];
      load<T, N>(x + c, v);
      load<T, N>(a.residual + row * a.C + c, r);
#pragma unroll
      for (int i = 0; i < N; ++i) v[i] += r[i];
      store<T, N>(sum + c, v);
    }
    x = sum;  // each thread reads what it wrote
  }
  float squares = 0.0f;
  for (int64_t c = int64_t(threadIdx.x) * N; c < a.C; c += Threads * N) {
    float v[N];
    load<T, N>(x + c, v);
#pragma unroll
    for (int i = 0; i < N; ++i) squares = fmaf(v[i], v[i], squares);
  }
  const float rstd = 1.0f / sqrtf(block_sum<Threads>(squares, partial) / float(a.C) + a.eps);
  if (threadIdx.x == 0) a.rstd[row] = rstd;
  for (int64_t c = int64_t(threadIdx.x) * N; c < a.C; c += Threads * N) {
    float v[N], w[N];
    load<T, N>(x + c, v);
    load<T, N>(a.w + c, w);
#pragma unroll
    for (int i = 0; i < N; ++i) v[i] = v[i] * rstd * w[i];
    store<T, N>(a.y + row * a.C + c, v);
  }
}

template <class T, int Threads, bool Packed>
__global__ void __launch_bounds__(256) rms_norm_backward_kernel(RmsNormBackward<T> a) {
  constexpr int N = Packed ? kLanes<T> : 1;
  SIMT_SHARED(float, partial, [8]);
  const int64_t row = row_index();
  if (row >= a.rows) return;
  const T *x = a.x + row * a.C, *dy = a.dy + row * a.C;
  float dot = 0.0f;
  for (int64_t c = int64_t(threadIdx.x) * N; c < a.C; c += Threads * N) {
    float v[N], w[N], g[N];
    load<T, N>(x + c, v);
    load<T, N>(a.w + c, w);
    load<T, N>(dy + c, g);
#pragma unroll
    for (int i = 0; i < N; ++i) dot = fmaf(w[i] * g[i], v[i], dot);
  }
  const float s = a.rstd[row], k = block_sum<Threads>(dot, partial) * s * s * s / float(a.C);
  for (int64_t c = int64_t(threadIdx.x) * N; c < a.C; c += Threads * N) {
    float v[N], w[N], g[N];
    load<T, N>(x + c, v);
    load<T, N>(a.w + c, w);
    load<T, N>(dy + c, g);
#pragma unroll
    for (int i = 0; i < N; ++i) g[i] = s * (w[i] * g[i]) - k * v[i];
    put<T, N>(a.dx + row * a.C + c, g, a.beta);
  }
}

}  // namespace rft::cuda
