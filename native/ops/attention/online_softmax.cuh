// Softmax over keys that arrive tile by tile, and the one order in which every kernel adds them up.
//
// A query's logical keys (region 0, then region 1) are cut at multiples of kChunkKeys into chunks, and a chunk at
// multiples of the tile size into tiles. A chunk starts from nothing and takes its tiles in order, as in
// FlashAttention:
//   m' = max(m, tile)    l = l w(m, m') + sum_j p_j    o = o w(m, m') + p v    p_j = 2^(c s_j - c m')
// and the row's total takes its chunks in order:
//   M' = max(M, m)       L = L w(M, M') + l w(m, M')   O = O w(M, M') + o w(m, M')
// with w(x, y) = 2^(c (x - y)), exactly 1 for x = y, and c = scale log2(e).
//
// The training pass walks over all chunks in one block; the decode gives each chunk to a block of its own and adds up
// the totals in a second kernel. Both call the functions below, so a row gets the same bits from either, whatever else
// is in the batch, and wherever its keys lie: in one sequence, a shared prompt or a cache. Keys past the end of a
// row's own (masked, p = 0) change no bits: they add 0 and rescale by 1.
#pragma once
#include "ops/attention/tile.cuh"

namespace rft::cuda::attention {

constexpr float kLog2e = 1.4426950408889634f, kLn2 = 0.6931471805599453f;

// Of one warp's 16 rows: o is a C fragment, m and l belong to the lane's rows g and g + 8. Until whole(), l covers only
// the lane's own columns.
template <int D>
struct Sums {
  float o[D / 8][4], m[2], l[2];

  __device__ __forceinline__ void reset() {
#pragma unroll
    for (int n = 0; n < D / 8; ++n)
#pragma unroll
      for (int i = 0; i < 4; ++i) o[n][i] = 0.0f;
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      m[h] = -INFINITY;
      l[h] = 0.0f;
    }
  }
  __device__ __forceinline__ void whole() {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      l[h] += __shfl_xor_sync(kFullWarp, l[h], 1);
      l[h] += __shfl_xor_sync(kFullWarp, l[h], 2);
    }
  }
};

__device__ __forceinline__ float rescale(float m, float new_m, float c) {
  return m == new_m ? 1.0f : simt::exp2_approx((m - new_m) * c);
}

// The scores of a tile, masked ones -inf, become p; m becomes the new maximum, l is added to; w: what older sums o have
// yet to be rescaled by.
template <int N>
__device__ __forceinline__ void softmax_tile(float (&s)[N][4], float (&old_m)[2], float (&l)[2], float c,
                                             float (&w)[2]) {
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    float m = old_m[h];
#pragma unroll
    for (int n = 0; n < N; ++n) m = fmaxf(m, fmaxf(s[n][2 * h], s[n][2 * h + 1]));
    m = fmaxf(m, __shfl_xor_sync(kFullWarp, m, 1));
    m = fmaxf(m, __shfl_xor_sync(kFullWarp, m, 2));
    w[h] = rescale(old_m[h], m, c);
    const float base = m == -INFINITY ? 0.0f : -m * c;
    float sum = 0.0f;
#pragma unroll
    for (int n = 0; n < N; ++n)
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        s[n][2 * h + i] = simt::exp2_approx(fmaf(s[n][2 * h + i], c, base));
        sum += s[n][2 * h + i];
      }
    old_m[h] = m;
    l[h] = fmaf(l[h], w[h], sum);
  }
}

template <int N>
__device__ __forceinline__ void rescale(float (&o)[N][4], const float (&w)[2]) {
#pragma unroll
  for (int n = 0; n < N; ++n)
#pragma unroll
    for (int i = 0; i < 4; ++i) o[n][i] *= w[i / 2];
}

// Factors of a row's total so far and of the next chunk.
struct Merge {
  float m, total, chunk;
  __device__ __forceinline__ Merge(float total_m, float chunk_m, float c) : m(fmaxf(total_m, chunk_m)) {
    total = rescale(total_m, m, c);
    chunk = rescale(chunk_m, m, c);
  }
  __device__ __forceinline__ float operator()(float total_x, float chunk_x) const {
    return fmaf(total_x, total, chunk_x * chunk);
  }
};

// A row that has seen no key gives 0 and -inf.
__device__ __forceinline__ float inverse_sum(float l) { return l == 0.0f ? 0.0f : 1.0f / l; }
__device__ __forceinline__ float log_sum_exp(float m, float l, float scale) {
  return l == 0.0f ? -INFINITY : fmaf(m, scale, logf(l));
}

}  // namespace rft::cuda::attention
