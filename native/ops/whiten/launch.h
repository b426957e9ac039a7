// whiten on CUDA. Maths: whiten.h.
#pragma once
#include "ops/whiten/whiten.h"
#include "simt/handles.h"

namespace rft::cuda {

constexpr int64_t kWhitenTile = 4096;  // rows of one partial sum
constexpr int64_t whiten_tiles(int64_t n) { return (n + kWhitenTile - 1) / kWhitenTile; }

// All on the device. partial: workspace (2 * whiten_tiles(n) + 3).
void whiten(int64_t n, const float* x, const int32_t* counts, bool shift_mean, double* partial, float* out,
            simt::Stream);

}  // namespace rft::cuda
