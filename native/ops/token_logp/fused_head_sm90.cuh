// fused_head.cuh with the instructions of sm_90a: TMA brings the tiles, wgmma multiplies them, and the statistics are
// taken from its accumulators, which have the layout of mma.sync's. Three warpgroups: one copies, two own 64 rows each.
// The order over the vocabulary is the same; that of a logit's own sum is the tensor core's, so bits may differ from
// mma.sync's in the last place.
#pragma once
#include "ops/gemm/wgmma_tile.cuh"
#include "ops/token_logp/vocab_stats.cuh"

namespace rft::cuda {

using WgmmaHeadTile = WgmmaTile<2, kVocabTile, 4>;

// The streams of a row, one in each lane of a quad, merged in order; all lanes get the result.
__device__ __forceinline__ VocabStats merge_quad(const VocabStats& mine) {
  VocabStats all = mine;
#pragma unroll
  for (int stream = 0; stream < kVocabStreams; ++stream) {
    const int from = int(threadIdx.x) % 32 / 4 * 4 + stream;
    const VocabStats one{__shfl_sync(kFullWarp, mine.max, from), __shfl_sync(kFullWarp, mine.sum, from),
                         __shfl_sync(kFullWarp, mine.weighted, from)};
    all = stream == 0 ? one : merge(all, one);
  }
  return all;
}

__global__ void __launch_bounds__(WgmmaHeadTile::Threads, 1)
    fused_head_sm90_kernel(const __grid_constant__ simt::TensorMap x, const __grid_constant__ simt::TensorMap w,
                           int64_t N, int64_t C, int64_t V, const int32_t* __restrict__ targets, float per_temperature,
                           VocabStats* __restrict__ partial, float* __restrict__ target_logits) {
#if RFT_HAS_WGMMA
  SIMT_DYN_SHARED(shared);
  using T = WgmmaHeadTile;
  T& s = *reinterpret_cast<T*>(shared);
  const int64_t each = vocab_splits(V).tiles_each, first_tile = int64_t(blockIdx.y) * each;
  const int64_t left = ceil_div<int64_t>(V, kVocabTile) - first_tile, tiles = left < each ? left : each;
  const int64_t row0 = int64_t(blockIdx.x) * T::Rows;
  const int steps = int(ceil_div<int64_t>(C, T::Depth));
  s.init();
  const auto multiply = [&](int group) {
    const int lane = int(threadIdx.x) % 32;
    const int64_t first_row = row0 + group * 64 + int(threadIdx.x) / 32 % 4 * 16 + lane / 4;
    VocabStats stats[2] = {no_columns(), no_columns()};  // of rows r and r + 8: lane t of a quad keeps stream t
    StageCursor<T> at;
    T::Accumulators acc;
    for (int64_t tile = 0; tile < tiles; ++tile) {
      multiply_tile(s, at, steps, group, acc);
#pragma unroll
      for (int stream = 0; stream < kVocabStreams; ++stream)
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          const int64_t col0 = (first_tile + tile) * kVocabTile + stream * kVocabChunk, row = first_row + half * 8;
          float z[16];
          logits_of(
              z, [&](int n, int i) { return acc[(stream * 8 + n) * 4 + 2 * half + i]; }, col0, V, per_temperature);
          const VocabStats chunk = chunk_stats(z);
          if (lane % 4 == stream) stats[half] = merge(stats[half], chunk);
          if (row < N) pick_target(z, targets[row] - col0, target_logits + row);
        }
    }
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const VocabStats all = merge_quad(stats[half]);
      const int64_t row = first_row + half * 8;
      if (lane % 4 == 0 && row < N) partial[int64_t(blockIdx.y) * N + row] = all;
    }
  };
  run_roles<T>([&] { copy_tiles(s, &x, &w, row0, first_tile * kVocabTile, tiles, steps); }, multiply);
#endif
}

}  // namespace rft::cuda
