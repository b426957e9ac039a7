// Tiles of rows are summed by a block each, thread t taking rows t, t + 256, .., and the tiles by one block the same
// way: the order depends on the number of rows only. Two passes, in double: the mean, then the squares about it.
#pragma once
#include "ops/kernel.cuh"
#include "ops/whiten/launch.h"

namespace rft::cuda {

struct WhitenMoments {
  double count, mean, factor;
};

__device__ __forceinline__ double whiten_count(const int32_t* counts, int64_t i) {
  return counts != nullptr ? double(counts[i]) : 1.0;
}

// tiles (tiles, 2): count and sum of x; with `moments` sum of squares about its mean in the second.
static __global__ void __launch_bounds__(kThreads)
    whiten_tile_kernel(int64_t n, const float* x, const int32_t* counts, const WhitenMoments* moments, double* tiles) {
  SIMT_SHARED(double, partial, [kThreads / kWarp]);
  const int64_t begin = int64_t(blockIdx.x) * kWhitenTile, end = min(begin + kWhitenTile, n);
  const double mean = moments != nullptr ? moments->mean : 0.0;
  double count = 0.0, sum = 0.0;
  for (int64_t i = begin + threadIdx.x; i < end; i += kThreads) {
    const double weight = whiten_count(counts, i);
    if (weight == 0.0) continue;  // such a row may hold anything
    const double value = double(x[i]) - mean;
    count += weight;
    sum += weight * (moments != nullptr ? value * value : value);
  }
  count = block_sum<int(kThreads)>(count, partial);
  sum = block_sum<int(kThreads)>(sum, partial);
  if (threadIdx.x == 0) {
    tiles[2 * blockIdx.x] = count;
    tiles[2 * blockIdx.x + 1] = sum;
  }
}

// The mean of all tiles, or the factor.
static __global__ void __launch_bounds__(kThreads)
    whiten_moments_kernel(int64_t tiles, const double* sums, bool squares, WhitenMoments* moments) {
  SIMT_SHARED(double, partial, [kThreads / kWarp]);
  double count = 0.0, sum = 0.0;
  for (int64_t i = threadIdx.x; i < tiles; i += kThreads) {
    count += sums[2 * i];
    sum += sums[2 * i + 1];
  }
  count = block_sum<int(kThreads)>(count, partial);
  sum = block_sum<int(kThreads)>(sum, partial);
  if (threadIdx.x != 0) return;
  if (squares) moments->factor = count > 1.0 ? 1.0 / sqrt(sum / (count - 1.0) + ops::kWhitenEps) : 0.0;
  else *moments = {count, count > 0.0 ? sum / count : 0.0, 0.0};
}

static __global__ void __launch_bounds__(kThreads)
    whiten_kernel(int64_t n, const float* x, const int32_t* counts, const WhitenMoments* moments, bool shift_mean,
                  float* out) {
  const int64_t i = item_index();
  if (i >= n) return;
  const double above = (double(x[i]) - moments->mean) * moments->factor;
  out[i] = whiten_count(counts, i) == 0.0 ? 0.0f : float(above + (shift_mean ? 0.0 : moments->mean));
}

}  // namespace rft::cuda
