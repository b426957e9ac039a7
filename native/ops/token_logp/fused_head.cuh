// The head without logits: a block multiplies 128 rows by the weights of one split of the vocabulary, tile after tile,
// and reduces each tile of fp32 logits where it is, in the accumulators. They are never rounded nor stored.
//
//   x (N, C) bf16, w (V, C) bf16, targets (N) -> partial (splits, N) statistics, target_logits (N)
#pragma once
#include "ops/gemm/tile.cuh"
#include "ops/token_logp/vocab_stats.cuh"

namespace rft::cuda {

using HeadTile = Tile<128, kVocabTile, 32, 4, 64, kVocabChunk>;  // 8 warps of 64 x 64, 96 KB
static_assert(HeadTile::M == 4 && HeadTile::WarpsAcross == kVocabStreams);

// Merges the streams of each row in order: thread r < 128 does row r. `streams` is (kVocabStreams, 128).
__device__ __forceinline__ void merge_streams(const VocabStats* streams, VocabStats* partial, int64_t rows_left) {
  const int r = int(threadIdx.x);
  if (r >= HeadTile::Rows || r >= rows_left) return;
  VocabStats all = streams[r];
#pragma unroll
  for (int s = 1; s < kVocabStreams; ++s) all = merge(all, streams[s * HeadTile::Rows + r]);
  partial[r] = all;
}

__global__ void __launch_bounds__(HeadTile::Threads, 1)
    fused_head_kernel(Operand x, Operand w, int64_t C, const int32_t* __restrict__ targets, float per_temperature,
                      VocabStats* __restrict__ partial, float* __restrict__ target_logits) {
  SIMT_DYN_SHARED(shared);
  const VocabSplits splits = vocab_splits(w.count);
  const int64_t row0 = int64_t(blockIdx.x) * HeadTile::Rows, first_tile = int64_t(blockIdx.y) * splits.tiles_each;
  const int64_t all_tiles = ceil_div<int64_t>(w.count, kVocabTile), left = all_tiles - first_tile;
  const int64_t tiles = left < splits.tiles_each ? left : splits.tiles_each;
  using Stream = TileStream<HeadTile, Major::K, Major::K, true>;
  Stream stream(shared, x, w, C, row0, first_tile * kVocabTile, tiles);
  const int lane = int(threadIdx.x) % 32, first_row = Stream::warp_row() + lane / 4;
  VocabStats stats[2] = {no_columns(),
                         no_columns()};  // of this warp's stream: lane t of a quad keeps rows 16t and 16t + 8
  for (int64_t tile = 0; tile < tiles; ++tile) {
    HeadTile::Accumulators acc;
    stream.tile(acc);
    const int64_t col0 = (first_tile + tile) * kVocabTile + Stream::warp_col();
#pragma unroll
    for (int m = 0; m < HeadTile::M; ++m)
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        float z[16];
        logits_of(
            z, [&](int n, int i) { return acc[m][n][2 * half + i]; }, col0, w.count, per_temperature);
        const VocabStats chunk = chunk_stats(z);
        if (lane % 4 == m) stats[half] = merge(stats[half], chunk);
        const int64_t row = row0 + first_row + m * 16 + half * 8;
        if (row < x.count) pick_target(z, targets[row] - col0, target_logits + row);
      }
  }
  stream.finish();
  VocabStats* streams = reinterpret_cast<VocabStats*>(shared);
#pragma unroll
  for (int half = 0; half < 2; ++half)
    streams[Stream::warp_col() / kVocabChunk * HeadTile::Rows + first_row + lane % 4 * 16 + half * 8] = stats[half];
  __syncthreads();
  merge_streams(streams, partial + int64_t(blockIdx.y) * x.count + row0, x.count - row0);
}

// One thread a row: merges its splits in order. A target outside the vocabulary has logp -inf.
__global__ void __launch_bounds__(128)
    merge_splits_kernel(const VocabStats* __restrict__ partial, int splits, int64_t N, int64_t V,
                        const int32_t* __restrict__ targets, const float* __restrict__ target_logits,
                        RowStats* __restrict__ stats, float* __restrict__ logp, float* __restrict__ entropy) {
  const int64_t n = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (n >= N) return;
  VocabStats all = partial[n];
  for (int s = 1; s < splits; ++s) all = merge(all, partial[s * N + n]);
  const RowStats row = row_stats(all);
  stats[n] = row;
  entropy[n] = row.entropy;
  const bool known = targets[n] >= 0 && targets[n] < V;
  logp[n] = known ? logp_of(row, target_logits[n]) : kNever;
}

}  // namespace rft::cuda
