// One pack or one element a thread.
#pragma once
#include "ops/gelu/launch.h"
#include "ops/kernel.cuh"

namespace rft::cuda {

// Value and derivative.
struct GeluPoint {
  float y, slope;
};

template <GeluForm Form>
__device__ __forceinline__ GeluPoint gelu_point(float x) {
  if constexpr (Form == GeluForm::Erf) {
    const float cdf = 0.5f * erfcf(-x * 0.70710678f);
    return {x * cdf, cdf + x * 0.39894228f * expf(-0.5f * x * x)};
  } else if constexpr (Form == GeluForm::Tanh) {
    constexpr float kScale = 0.79788456f, kCube = 0.044715f;
    const float t = tanhf(kScale * (x + kCube * x * x * x));
    const float inner = kScale * (1.0f + 3.0f * kCube * x * x);
    return {0.5f * x * (1.0f + t), 0.5f * (1.0f + t) + 0.5f * x * (1.0f - t) * (1.0f + t) * inner};
  } else {
    const float s = 1.0f / (1.0f + expf(-1.702f * x));
    return {x * s, s + 1.702f * x * s * (1.0f - s)};
  }
}

template <class T, GeluForm Form, bool Packed>
__global__ void __launch_bounds__(256) gelu_kernel(const T* x, T* y, int64_t n) {
  constexpr int N = Packed ? kLanes<T> : 1;
  const int64_t i = item_index() * N;
  if (i >= n) return;
  float v[N];
  load<T, N>(x + i, v);
#pragma unroll
  for (int j = 0; j < N; ++j) v[j] = gelu_point<Form>(v[j]).y;
  store<T, N>(y + i, v);
}

template <class T, GeluForm Form, bool Packed>
__global__ void __launch_bounds__(256) gelu_backward_kernel(const T* x, const T* dy, T* dx, float beta, int64_t n) {
  constexpr int N = Packed ? kLanes<T> : 1;
  const int64_t i = item_index() * N;
  if (i >= n) return;
  float v[N], g[N];
  load<T, N>(x + i, v);
  load<T, N>(dy + i, g);
#pragma unroll
  for (int j = 0; j < N; ++j) g[j] *= gelu_point<Form>(v[j]).slope;
  put<T, N>(dx + i, g, beta);
}

}  // namespace rft::cuda
