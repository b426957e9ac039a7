// grad_norm on CUDA.
#pragma once
#include <cstdint>

#include "simt/handles.h"

namespace rft::cuda {

// partial[i] = sum of squares of elements [4096 i, 4096 (i + 1)) of g.
void sum_squares(const float* g, int64_t n, float* partial, simt::Stream);
void sum_squares(const simt::bf16* g, int64_t n, float* partial, simt::Stream);
constexpr int64_t kSquaresChunk = 4096;
constexpr int64_t sum_squares_chunks(int64_t n) { return (n + kSquaresChunk - 1) / kSquaresChunk; }
// *total = the sum of n partials, in double and in a fixed order.
void sum_partials(const float* partial, int64_t n, double* total, simt::Stream);

}  // namespace rft::cuda
