// gelu on CUDA.
#pragma once
#include <cstdint>

#include "simt/handles.h"

namespace rft::cuda {

enum class GeluForm { Erf, Tanh, Quick };

// y = gelu(x), n elements.
void gelu(const float* x, float* y, int64_t n, GeluForm, simt::Stream);
void gelu(const simt::bf16* x, simt::bf16* y, int64_t n, GeluForm, simt::Stream);

// dx = beta dx + dy gelu'(x)
void gelu_backward(const float* x, const float* dy, float* dx, float beta, int64_t n, GeluForm, simt::Stream);
void gelu_backward(const simt::bf16* x, const simt::bf16* dy, simt::bf16* dx, float beta, int64_t n, GeluForm,
                   simt::Stream);

}  // namespace rft::cuda
