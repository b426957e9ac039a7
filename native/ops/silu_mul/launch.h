// silu_mul on CUDA.
#pragma once
#include <cstdint>

#include "simt/handles.h"

namespace rft::cuda {

// y = silu(gate) up, n elements.
void silu_mul(const float* gate, const float* up, float* y, int64_t n, simt::Stream);
void silu_mul(const simt::bf16* gate, const simt::bf16* up, simt::bf16* y, int64_t n, simt::Stream);

// dgate and dup may each be nullptr.
template <class T>
struct SiluMulBackward {
  const T *gate, *up, *dy;
  T* dgate;
  float beta_gate;
  T* dup;
  float beta_up;
  int64_t n;
};
void silu_mul_backward(const SiluMulBackward<float>&, simt::Stream);
void silu_mul_backward(const SiluMulBackward<simt::bf16>&, simt::Stream);

}  // namespace rft::cuda
