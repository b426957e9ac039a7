// scale on CUDA.
#pragma once
#include <cstdint>

#include "simt/handles.h"

namespace rft::cuda {

// y = factor x, n elements.
void scale(const float* x, float factor, float* y, int64_t n, simt::Stream);
void scale(const simt::bf16* x, float factor, simt::bf16* y, int64_t n, simt::Stream);

}  // namespace rft::cuda
