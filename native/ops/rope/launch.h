// rope on CUDA.
#pragma once
#include <cstdint>

#include "simt/handles.h"

namespace rft::cuda {

// y = beta y + x rotated by `sign` times the angles; x, y (rows, heads, 2 half), cos and sin (rows, half).
template <class T>
struct Rope {
  const T* x;
  const float *cos, *sin;
  float sign;  // -1 rotates back
  T* y;
  float beta;
  int64_t rows, heads, half;
};
void rope(const Rope<float>&, simt::Stream);
void rope(const Rope<simt::bf16>&, simt::Stream);

}  // namespace rft::cuda
