// The head on stored fp32 logits: statistics of a row (the sampler's, and of fp32 models), and the gradient of a chunk
// of rows, written over the logits.
#pragma once
#include "ops/token_logp/vocab_stats.cuh"

namespace rft::cuda {

// A quad of lanes a stream, all splits of a row in one block.
constexpr int kStoredThreads = 4 * kVocabStreams * kMaxSplits;

// logits (N, ldz) fp32, not yet at temperature -> stats (N). One block a row.
__global__ void __launch_bounds__(kStoredThreads)
    row_stats_kernel(const float* __restrict__ logits, int64_t ldz, int64_t V, float per_temperature,
                     RowStats* __restrict__ stats) {
  SIMT_SHARED(VocabStats, shared, [kVocabStreams * kMaxSplits]);
  const VocabSplits splits = vocab_splits(V);
  const int quad = int(threadIdx.x) / 4, lane = int(threadIdx.x) % 4;
  const int split = quad / kVocabStreams, stream = quad % kVocabStreams;
  const float* row = logits + int64_t(blockIdx.x) * ldz;
  VocabStats mine = no_columns();
  for (int tile = 0; tile < splits.tiles_each; ++tile) {
    const int64_t col0 = (int64_t(split) * splits.tiles_each + tile) * kVocabTile + stream * kVocabChunk;
    float z[16];
    const auto logit = [&](int n, int i) { return row[col0 + n * 8 + lane * 2 + i]; };
    logits_of(z, logit, col0, V, per_temperature);
    mine = merge(mine, chunk_stats(z));
  }
  if (lane == 0) shared[quad] = mine;
  __syncthreads();
  if (int(threadIdx.x) >= splits.count) return;
  VocabStats* streams = shared + threadIdx.x * kVocabStreams;
  VocabStats all = streams[0];
#pragma unroll
  for (int s = 1; s < kVocabStreams; ++s) all = merge(all, streams[s]);
  streams[0] = all;
  __syncwarp((1u << splits.count) - 1u);
  if (threadIdx.x != 0) return;
  for (int s = 1; s < splits.count; ++s) all = merge(all, shared[s * kVocabStreams]);
  stats[blockIdx.x] = row_stats(all);
}

// One thread a row.
__global__ void __launch_bounds__(128)
    stored_logp_kernel(const float* __restrict__ logits, int64_t ldz, int64_t N, int64_t V, float per_temperature,
                       const int32_t* __restrict__ targets, const RowStats* __restrict__ stats,
                       float* __restrict__ logp, float* __restrict__ entropy) {
  const int64_t n = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (n >= N) return;
  const bool known = targets[n] >= 0 && targets[n] < V;
  logp[n] = known ? logp_of(stats[n], __fmul_rn(logits[n * ldz + targets[n]], per_temperature)) : kNever;
  entropy[n] = stats[n].entropy;
}

// dL/d(x w^T) of one logit, p = softmax(z):  (g (1[target] - p) - h p (ln p + H)) / T
__device__ __forceinline__ float logit_gradient(float logit, const RowStats& row, bool target, float g, float h,
                                                float per_temperature, float per_sum) {
  const float below = __fadd_rn(__fmul_rn(logit, per_temperature), -row.max), e = exp_of(below);
  const float p = e * per_sum;
  const float through_p = e == 0.0f ? 0.0f : p * (g + h * (below - row.log_sum + row.entropy));
  return ((target ? g : 0.0f) - through_p) * per_temperature;
}

__device__ __forceinline__ void load_floats(const float* from, float (&d)[8]) {
#pragma unroll
  for (int i = 0; i < 8; i += 4) {
    const float4 v = *reinterpret_cast<const float4*>(from + i);
    d[i] = v.x;
    d[i + 1] = v.y;
    d[i + 2] = v.z;
    d[i + 3] = v.w;
  }
}
__device__ __forceinline__ void store_floats(float* to, const float (&d)[8]) {
#pragma unroll
  for (int i = 0; i < 8; i += 4) *reinterpret_cast<float4*>(to + i) = make_float4(d[i], d[i + 1], d[i + 2], d[i + 3]);
}
__device__ __forceinline__ void store_floats(bf16* to, const float (&d)[8]) { store_pack(to, d); }

// logits (N, ldz) fp32 -> their gradient, in place: row n of Out (V) begins where row n of logits did, so the stride
// becomes ldz * 4 / sizeof(Out) elements. A block goes along a row in steps; in each, all read before any writes, and
// since Out is not larger than fp32 nothing unread is overwritten. ldz is a multiple of 8.
template <class Out>
__global__ void __launch_bounds__(512)
    logit_gradient_kernel(float* logits, int64_t ldz, int64_t V, float per_temperature,
                          const int32_t* __restrict__ targets, const RowStats* __restrict__ stats,
                          const float* __restrict__ dlogp, const float* __restrict__ dentropy) {
  const int64_t n = blockIdx.x, target = targets[n];
  const float* row = logits + n * ldz;
  Out* out = reinterpret_cast<Out*>(logits + n * ldz);
  const RowStats s = stats[n];
  const float g = dlogp != nullptr ? dlogp[n] : 0.0f, h = dentropy != nullptr ? dentropy[n] : 0.0f;
  const float per_sum = expf(-s.log_sum);
  for (int64_t begin = 0; begin < V; begin += 8 * blockDim.x) {
    const int64_t col = begin + 8 * threadIdx.x;
    const int here = V - col < 8 ? int(V - col) : 8;  // may be negative
    float d[8];
    if (here == 8) {
      load_floats(row + col, d);
    } else {
#pragma unroll
      for (int i = 0; i < 8; ++i) d[i] = i < here ? row[col + i] : 0.0f;
    }
#pragma unroll
    for (int i = 0; i < 8; ++i) d[i] = logit_gradient(d[i], s, col + i == target, g, h, per_temperature, per_sum);
    __syncthreads();
    if (here == 8) {
      store_floats(out + col, d);
    } else {
#pragma unroll
      for (int i = 0; i < 8; ++i)
        if (i < here) out[col + i] = from_float<Out>(d[i]);
    }
  }
}

}  // namespace rft::cuda
