// Softmax statistics of a row of logits, in the one order that every kernel of the head keeps: the fused forward, the
// one that reads stored logits, and what the sampler reports. So their log-probs have the same bits.
//
//   chunk   64 columns. m = max z; l = sum e^(z-m), s = sum e^(z-m) (z-m): lane t of a quad adds columns 8j + 2t and
//           8j + 2t + 1 for j = 0 .. 7, as an accumulator fragment holds them; then (0 + 1) + (2 + 3).
//   stream  chunks c, c + 4, c + 8, .. of a split, merged in order; four streams, merged in order
//   split   a fixed number of tiles of 256 columns, so a function of V alone; splits are merged in index order
//
// Everything is fp32 and never contracted. Columns past V are -inf, not 0. -inf logits have probability 0 and add
// nothing to the entropy; a NaN makes the result NaN; a row of nothing but -inf has max -inf.
#pragma once
#include "ops/kernel.cuh"
#include "ops/token_logp/launch.h"
#include "simt/ptx.h"

namespace rft::cuda {

constexpr float kNever = -INFINITY, kLog2e = 1.4426950408889634f;

struct VocabStats {
  float max, sum, weighted;
};
__device__ __forceinline__ VocabStats no_columns() { return {kNever, 0.0f, 0.0f}; }

__device__ __forceinline__ float exp_of(float x) { return simt::exp2_approx(__fmul_rn(x, kLog2e)); }

__device__ __forceinline__ float quad_max(float x) {
  x = fmaxf(x, __shfl_xor_sync(kFullWarp, x, 1));
  return fmaxf(x, __shfl_xor_sync(kFullWarp, x, 2));
}
__device__ __forceinline__ float quad_sum(float x) {
  x = __fadd_rn(x, __shfl_xor_sync(kFullWarp, x, 1));
  return __fadd_rn(x, __shfl_xor_sync(kFullWarp, x, 2));
}

// A chunk of one row, 16 columns a lane of the quad; all four lanes get the result. The whole warp calls it.
__device__ __forceinline__ VocabStats chunk_stats(const float (&z)[16]) {
  VocabStats c = no_columns();
#pragma unroll
  for (int i = 0; i < 16; ++i) c.max = fmaxf(c.max, z[i]);
  c.max = quad_max(c.max);
#pragma unroll
  for (int i = 0; i < 16; ++i) {
    const float below = __fadd_rn(z[i], -c.max), e = exp_of(below);
    // No maximum: 0, or NaN for a NaN. No probability: no product 0 * -inf.
    c.sum = __fadd_rn(c.sum, c.max == kNever ? (z[i] == kNever ? 0.0f : z[i]) : e);
    c.weighted = c.max == kNever || e == 0.0f ? c.weighted : fmaf(e, below, c.weighted);
  }
  c.sum = quad_sum(c.sum);
  c.weighted = quad_sum(c.weighted);
  return c;
}

__device__ __forceinline__ VocabStats merge(const VocabStats& a, const VocabStats& b) {
  VocabStats c;
  c.max = fmaxf(a.max, b.max);
  if (c.max == kNever) return {kNever, __fadd_rn(a.sum, b.sum), 0.0f};  // the sum is 0 or NaN
  const float below_a = __fadd_rn(a.max, -c.max), below_b = __fadd_rn(b.max, -c.max);
  const float factor_a = exp_of(below_a), factor_b = exp_of(below_b);
  c.sum = fmaf(factor_a, a.sum, __fmul_rn(factor_b, b.sum));
  const float weighted_a = factor_a == 0.0f ? 0.0f : __fmul_rn(factor_a, fmaf(below_a, a.sum, a.weighted));
  const float weighted_b = factor_b == 0.0f ? 0.0f : __fmul_rn(factor_b, fmaf(below_b, b.sum, b.weighted));
  c.weighted = __fadd_rn(weighted_a, weighted_b);
  return c;
}

// The 16 logits of a chunk that this lane holds, at temperature; -inf past V. accumulator(n, i): column 8n + 2t + i.
template <class Accumulator>
__device__ __forceinline__ void logits_of(float (&z)[16], const Accumulator& accumulator, int64_t col0, int64_t V,
                                          float per_temperature) {
#pragma unroll
  for (int i = 0; i < 16; ++i) {
    const int64_t col = col0 + i / 2 * 8 + int(threadIdx.x) % 4 * 2 + i % 2;
    z[i] = col < V ? __fmul_rn(accumulator(i / 2, i % 2), per_temperature) : kNever;
  }
}

// Stores the target's logit when this lane holds it; `local`: target's column within the chunk, or outside of it.
__device__ __forceinline__ void pick_target(const float (&z)[16], int64_t local, float* to) {
#pragma unroll
  for (int i = 0; i < 16; ++i)
    if (local == i / 2 * 8 + int(threadIdx.x) % 4 * 2 + i % 2) *to = z[i];
}

// What is kept of a row (as HeadStats of the CPU): highest logit, ln sum e^(z - max) >= 0, entropy in nats.
struct RowStats {
  float max, log_sum, entropy;
};
__device__ __forceinline__ RowStats row_stats(const VocabStats& v) {
  if (v.sum != v.sum) return {v.sum, v.sum, v.sum};
  if (v.max == kNever) return {kNever, 0.0f, 0.0f};
  const float log_sum = logf(v.sum);
  return {v.max, log_sum, __fadd_rn(log_sum, -v.weighted / v.sum)};
}

// ln softmax of the token with this logit, at most 0; z is at temperature.
__device__ __forceinline__ float logp_of(const RowStats& row, float z) {
  return row.max == kNever ? kNever : __fadd_rn(__fadd_rn(z, -row.max), -row.log_sum);
}

}  // namespace rft::cuda
