// rms_norm on CUDA. Rows of C values; statistics and weight gradients are float.
#pragma once
#include <cstdint>

#include "simt/handles.h"

namespace rft::cuda {

// y = x rstd w, rstd (rows). With `residual`: sum = x + residual is stored and normalised.
template <class T>
struct RmsNorm {
  const T* x;
  const T* residual;  // or nullptr
  const T* w;         // (C)
  T* sum;             // (rows, C), with a residual
  T* y;               // (rows, C)
  float* rstd;        // (rows)
  int64_t rows, C;
  float eps;
};
void rms_norm(const RmsNorm<float>&, simt::Stream);
void rms_norm(const RmsNorm<simt::bf16>&, simt::Stream);

// dx = beta dx + rstd g - x rstd^3 dot(g, x) / C, g = w dy
template <class T>
struct RmsNormBackward {
  const T *x, *w;
  const float* rstd;
  const T* dy;
  T* dx;
  float beta;
  int64_t rows, C;
};
void rms_norm_backward(const RmsNormBackward<float>&, simt::Stream);
void rms_norm_backward(const RmsNormBackward<simt::bf16>&, simt::Stream);

}  // namespace rft::cuda
