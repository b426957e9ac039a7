// fused_head.cuh with the instructions of sm_90a: TMA brings the tiles, wgmma multiplies them, and the statistics are
// taken from its accumulators, which have the layout of mma.sync's. Three warpgroups: one copies, two own 64 rows each.
// The order over the vocabulary is the same; that of a logit's own sum is the tensor core's, so bits may differ from
// mma.sync's in the last place.
#pragma once
#include "ops/token_logp/vocab_stats.cuh"
#include "simt/ptx_sm90.h"

namespace rft::cuda {

struct HeadStages {
  static constexpr int kRows = 128, kDepth = 64, kCount = 4, kThreads = 384;
  static constexpr unsigned kRowBytes = kDepth * 2, kBytes = (kRows + kVocabTile) * kRowBytes;
  __align__(1024) unsigned char x[kCount][kRows * kRowBytes];
  __align__(1024) unsigned char w[kCount][kVocabTile * kRowBytes];
  uint64_t full[kCount], empty[kCount];

  __device__ void init() {
    for (int i = 0; i < kCount; ++i) {
      simt::mbarrier_init(&full[i], 1);
      simt::mbarrier_init(&empty[i], 2);  // one arrival for each warpgroup that multiplies
    }
    simt::fence_mbarrier_init();
  }
};

// Which stage is next, and the parity of its current round.
struct StageCursor {
  int stage = 0;
  unsigned round = 0;
  __device__ void next() {
    if (++stage < HeadStages::kCount) return;
    stage = 0;
    round ^= 1;
  }
};

// The tiles of one block: steps along k of each vocabulary tile.
struct HeadWork {
  int64_t row0, first_tile, tiles;
  int steps;
};
__device__ __forceinline__ HeadWork head_work(int64_t C, int64_t V) {
  const int64_t each = vocab_splits(V).tiles_each, first = int64_t(blockIdx.y) * each;
  const int64_t left = ceil_div<int64_t>(V, kVocabTile) - first;
  return {int64_t(blockIdx.x) * HeadStages::kRows, first, left < each ? left : each,
          int(ceil_div<int64_t>(C, HeadStages::kDepth))};
}

__device__ __forceinline__ void copy_head_tiles(HeadStages& s, const simt::TensorMap* x, const simt::TensorMap* w,
                                                const HeadWork& work) {
  StageCursor at;
  for (int64_t tile = 0; tile < work.tiles; ++tile)
    for (int step = 0; step < work.steps; ++step, at.next()) {
      simt::mbarrier_wait(&s.empty[at.stage], at.round ^ 1);
      simt::mbarrier_arrive_expect(&s.full[at.stage], HeadStages::kBytes);  // whole boxes, also past the ends
      simt::tma_load_2d(s.x[at.stage], x, step * HeadStages::kDepth, int(work.row0), &s.full[at.stage]);
      simt::tma_load_2d(s.w[at.stage], w, step * HeadStages::kDepth, int((work.first_tile + tile) * kVocabTile),
                        &s.full[at.stage]);
    }
}

// acc (64, 256) of this warpgroup = x w^T of one tile.
__device__ __forceinline__ void multiply_head_tile(HeadStages& s, StageCursor& at, int steps, int group,
                                                   float (&acc)[128]) {
  int last = 0;
  for (int step = 0; step < steps; ++step, at.next()) {
    simt::mbarrier_wait(&s.full[at.stage], at.round);
    simt::wgmma_fence();
#pragma unroll
    for (int kk = 0; kk < HeadStages::kDepth / 16; ++kk)
      simt::wgmma<kVocabTile, false>(
          acc, simt::wgmma_descriptor(s.x[at.stage] + group * 64 * HeadStages::kRowBytes + kk * 32, 16, 1024),
          simt::wgmma_descriptor(s.w[at.stage] + kk * 32, 16, 1024), step > 0 || kk > 0);
    simt::wgmma_commit();
    simt::wgmma_wait<1>();  // the step before is done: its stage may be filled again
    if (step > 0 && threadIdx.x % 128 == 0) simt::mbarrier_arrive(&s.empty[last]);
    last = at.stage;
  }
  simt::wgmma_wait<0>();
  if (threadIdx.x % 128 == 0) simt::mbarrier_arrive(&s.empty[last]);
}

__global__ void __launch_bounds__(HeadStages::kThreads, 1)
    fused_head_sm90_kernel(const __grid_constant__ simt::TensorMap x, const __grid_constant__ simt::TensorMap w,
                           int64_t N, int64_t C, int64_t V, const int32_t* __restrict__ targets, float per_temperature,
                           VocabStats* __restrict__ partial, float* __restrict__ target_logits) {
#if SIMT_EMULATED || defined(__CUDA_ARCH_FEAT_SM90_ALL)
  SIMT_DYN_SHARED(shared);
  HeadStages& s = *reinterpret_cast<HeadStages*>(shared);
  const HeadWork work = head_work(C, V);
  if (threadIdx.x == 0) s.init();
  __syncthreads();
  if (threadIdx.x < 128) {
    simt::setmaxnreg_dec<24>();
    if (threadIdx.x == 0) copy_head_tiles(s, &x, &w, work);
  } else {
    simt::setmaxnreg_inc<240>();
    const int group = int(threadIdx.x) / 128 - 1, lane = int(threadIdx.x) % 32;
    const int64_t first_row = work.row0 + group * 64 + int(threadIdx.x) / 32 % 4 * 16 + lane / 4;
    VocabStats stats[2] = {no_columns(), no_columns()};  // of rows r and r + 8: lane t of a quad keeps stream t
    StageCursor at;
    float acc[128];
    for (int64_t tile = 0; tile < work.tiles; ++tile) {
      multiply_head_tile(s, at, work.steps, group, acc);
#pragma unroll
      for (int stream = 0; stream < kVocabStreams; ++stream)
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          const int64_t col0 = (work.first_tile + tile) * kVocabTile + stream * kVocabChunk;
          const int64_t row = first_row + half * 8;
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
      VocabStats all = stats[half];
#pragma unroll
      for (int stream = 0; stream < kVocabStreams; ++stream) {
        const int from = lane / 4 * 4 + stream;
        const VocabStats one{__shfl_sync(kFullWarp, stats[half].max, from),
                             __shfl_sync(kFullWarp, stats[half].sum, from),
                             __shfl_sync(kFullWarp, stats[half].weighted, from)};
        all = stream == 0 ? one : merge(all, one);
      }
      const int64_t row = first_row + half * 8;
      if (lane % 4 == 0 && row < N) partial[int64_t(blockIdx.y) * N + row] = all;
    }
  }
#endif
}

}  // namespace rft::cuda
