// One block of 256 threads a row. Mean, then variance, then output: the row comes from cache after its first reading.
#pragma once
#include "ops/kernel.cuh"
#include "ops/layer_norm/launch.h"

namespace rft::cuda {

template <class T, bool Packed>
__global__ void __launch_bounds__(256) layer_norm_kernel(LayerNorm<T> a) {
  constexpr int N = Packed ? kLanes<T> : 1, kStep = 256 * N;
  SIMT_SHARED(float, partial, [8]);
  const int64_t row = blockIdx.x, first = int64_t(threadIdx.x) * N;
  const T* x = a.x + row * a.C;
  float v[N], sum = 0.0f, squares = 0.0f;
  if (a.residual != nullptr) {
    for (int64_t c = first; c < a.C; c += kStep) {
      float r[N];
      load<T, N>(x + c, v);
      load<T, N>(a.residual + row * a.C + c, r);
#pragma unroll
      for (int i = 0; i < N; ++i) v[i] += r[i];
      store<T, N>(a.sum + row * a.C + c, v);
    }
    x = a.sum + row * a.C;  // each thread reads what it wrote
  }
  for (int64_t c = first; c < a.C; c += kStep) {
    load<T, N>(x + c, v);
#pragma unroll
    for (int i = 0; i < N; ++i) sum += v[i];
  }
  const float mean = block_sum<256>(sum, partial) / float(a.C);
  for (int64_t c = first; c < a.C; c += kStep) {
    load<T, N>(x + c, v);
#pragma unroll
    for (int i = 0; i < N; ++i) squares = fmaf(v[i] - mean, v[i] - mean, squares);
  }
  const float rstd = 1.0f / sqrtf(block_sum<256>(squares, partial) / float(a.C) + a.eps);
  if (threadIdx.x == 0) {
    a.stats[2 * row] = mean;
    a.stats[2 * row + 1] = rstd;
  }
  for (int64_t c = first; c < a.C; c += kStep) {
    float w[N], b[N];
    load<T, N>(x + c, v);
    load<T, N>(a.w + c, w);
    load<T, N>(a.b + c, b);
#pragma unroll
    for (int i = 0; i < N; ++i) v[i] = (v[i] - mean) * rstd * w[i] + b[i];
    store<T, N>(a.y + row * a.C + c, v);
  }
}

template <class T, bool Packed>
__global__ void __launch_bounds__(256) layer_norm_backward_kernel(LayerNormBackward<T> a) {
  constexpr int N = Packed ? kLanes<T> : 1, kStep = 256 * N;
  SIMT_SHARED(float, partial, [8]);
  const int64_t row = blockIdx.x, first = int64_t(threadIdx.x) * N;
  const T *x = a.x + row * a.C, *dy = a.dy + row * a.C;
  const float mean = a.stats[2 * row], rstd = a.stats[2 * row + 1];
  float v[N], w[N], g[N], sum_g = 0.0f, sum_gh = 0.0f;
  const auto read = [&](int64_t c) {  // v = h, g = w dy
    load<T, N>(x + c, v);
    load<T, N>(a.w + c, w);
    load<T, N>(dy + c, g);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      v[i] = (v[i] - mean) * rstd;
      g[i] *= w[i];
    }
  };
  for (int64_t c = first; c < a.C; c += kStep) {
    read(c);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      sum_g += g[i];
      sum_gh = fmaf(g[i], v[i], sum_gh);
    }
  }
  const float mean_g = block_sum<256>(sum_g, partial) / float(a.C);
  const float mean_gh = block_sum<256>(sum_gh, partial) / float(a.C);
  for (int64_t c = first; c < a.C; c += kStep) {
    read(c);
#pragma unroll
    for (int i = 0; i < N; ++i) g[i] = rstd * (g[i] - mean_g - v[i] * mean_gh);
    put<T, N>(a.dx + row * a.C + c, g, a.beta);
  }
}

}  // namespace rft::cuda
