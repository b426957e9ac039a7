// Elementwise kernels that tensors themselves need.
#pragma once
#include <cstdint>

#include "simt/handles.h"

namespace rft::cuda {

// y = a + b, n elements; y may be a or b.
void add(const float* a, const float* b, float* y, int64_t n, simt::Stream);
void add(const simt::bf16* a, const simt::bf16* b, simt::bf16* y, int64_t n, simt::Stream);

// y += x, to nearest even.
void add_rounded(const float* x, simt::bf16* y, int64_t n, simt::Stream);

// own = share x other + (1 - share) x own
void mix(const float* other, float share, float* own, int64_t n, simt::Stream);
void mix(const simt::bf16* other, float share, simt::bf16* own, int64_t n, simt::Stream);

// y = x in the other storage, to nearest even.
void convert(const float* x, simt::bf16* y, int64_t n, simt::Stream);
void convert(const simt::bf16* x, float* y, int64_t n, simt::Stream);

// y = the low byte of x: flags of kernels, which write words.
void to_bytes(const int32_t* x, int64_t n, uint8_t* y, simt::Stream);

}  // namespace rft::cuda
