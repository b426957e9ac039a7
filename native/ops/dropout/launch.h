// dropout on CUDA: the mask of the CPU, element by element.
#pragma once
#include <cstdint>

#include "simt/handles.h"

namespace rft::cuda {

// y_i = u_i < p ? 0 : x_i / (1 - p), u_i the uniform number i of (seed, stream).
template <class T>
struct Dropout {
  const T* x;
  T* y;
  int64_t n;
  double p;
  float kept;  // 1 / (1 - p)
  uint64_t seed, stream;
};
void dropout(const Dropout<float>&, simt::Stream);
void dropout(const Dropout<simt::bf16>&, simt::Stream);

}  // namespace rft::cuda
