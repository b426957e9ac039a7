// layer_norm on CUDA. Rows of C values; statistics and weight gradients are float.
#pragma once
#include <cstdint>

#include "simt/handles.h"

namespace rft::cuda {

// y = (x - mean) rstd w + b, stats (rows, 2) = mean, rstd. With `residual`: sum = x + residual is stored and
// normalised.
template <class T>
struct LayerNorm {
  const T* x;
  const T* residual;  // or nullptr
  const T *w, *b;     // (C)
  T* sum;             // (rows, C), with a residual
  T* y;               // (rows, C)
  float* stats;       // (rows, 2)
  int64_t rows, C;
  float eps;
};
void layer_norm(const LayerNorm<float>&, simt::Stream);
void layer_norm(const LayerNorm<simt::bf16>&, simt::Stream);

// dx = beta dx + rstd (g - mean(g) - h mean(g h)), g = w dy, h = (x - mean) rstd
template <class T>
struct LayerNormBackward {
  const T *x, *w;
  const float* stats;
  const T* dy;
  T* dx;
  float beta;
  int64_t rows, C;
};
void layer_norm_backward(const LayerNormBackward<float>&, simt::Stream);
void layer_norm_backward(const LayerNormBackward<simt::bf16>&, simt::Stream);

}  // namespace rft::cuda
