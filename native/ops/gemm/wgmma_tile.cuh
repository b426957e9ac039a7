// One tile of a matrix product with the instructions of sm_90a: a warpgroup copies by TMA, Groups others multiply by
// wgmma, 64 rows each. a (rows, k) and b (cols, k) are both K-major: y = x w^T. What is done with the tile is the
// caller's. Compiled to nothing for other architectures.
//
// Order of sums: one chain of wgmma steps of 16 along k, from 0 upwards, in tiles of every width and for either role of
// the operands. So products by wgmma agree with each other to the bit; with mma.sync they need not.
#pragma once
#include "ops/kernel.cuh"
#include "simt/ptx_sm90.h"

#if SIMT_EMULATED || defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define RFT_HAS_WGMMA 1
#else
#define RFT_HAS_WGMMA 0
#endif

namespace rft::cuda {

template <int Groups_, int Cols_, int Stages_>
struct WgmmaTile {
  static constexpr int Groups = Groups_, Rows = 64 * Groups, Cols = Cols_, Stages = Stages_;
  static constexpr int Depth = 64, RowBytes = Depth * 2, Threads = 128 * (Groups + 1);
  static constexpr unsigned StageBytes = (Rows + Cols) * RowBytes;
  // Registers move from the warpgroup that copies to those that multiply when accumulators are many.
  static constexpr bool MovesRegisters = Cols == 256;
  static constexpr int CopierRegisters = 24, MultiplierRegisters = 240;
  static_assert(!MovesRegisters || 128 * (CopierRegisters + Groups * MultiplierRegisters) <= 65536);
  using Accumulators = float[Cols / 2];  // [4n + i]: element i of the fragment of columns 8n to 8n + 7

  __align__(1024) unsigned char a[Stages][Rows * RowBytes];
  __align__(1024) unsigned char b[Stages][Cols * RowBytes];
  uint64_t full[Stages], empty[Stages];

  // By the whole block.
  __device__ void init() {
    if (threadIdx.x == 0) {
      for (int i = 0; i < Stages; ++i) {
        simt::mbarrier_init(&full[i], 1);
        simt::mbarrier_init(&empty[i], Groups);
      }
      simt::fence_mbarrier_init();
    }
    __syncthreads();
  }
};

// Which stage is next, and the parity of its current round.
template <class T>
struct StageCursor {
  int stage = 0;
  unsigned round = 0;
  __device__ void next() {
    if (++stage < T::Stages) return;
    stage = 0;
    round ^= 1;
  }
};

// The copying thread: `tiles` tiles of the same rows of a, one after another along b.
template <class T>
__device__ __forceinline__ void copy_tiles(T& s, const simt::TensorMap* a, const simt::TensorMap* b, int64_t row0,
                                           int64_t col0, int64_t tiles, int steps) {
  StageCursor<T> at;
  for (int64_t tile = 0; tile < tiles; ++tile)
    for (int step = 0; step < steps; ++step, at.next()) {
      simt::mbarrier_wait(&s.empty[at.stage], at.round ^ 1);
      simt::mbarrier_arrive_expect(&s.full[at.stage], T::StageBytes);  // whole boxes, also past the ends
      simt::tma_load_2d(s.a[at.stage], a, step * T::Depth, int(row0), &s.full[at.stage]);
      simt::tma_load_2d(s.b[at.stage], b, step * T::Depth, int(col0 + tile * T::Cols), &s.full[at.stage]);
    }
}

// acc (64, Cols) of this warpgroup = the next tile. steps > 0.
template <class T>
__device__ __forceinline__ void multiply_tile(T& s, StageCursor<T>& at, int steps, int group,
                                              typename T::Accumulators& acc) {
  int last = 0;
  for (int step = 0; step < steps; ++step, at.next()) {
    simt::mbarrier_wait(&s.full[at.stage], at.round);
    simt::wgmma_fence();
#pragma unroll
    for (int kk = 0; kk < T::Depth / 16; ++kk)
      simt::wgmma<T::Cols, false>(acc,
                                  simt::wgmma_descriptor(s.a[at.stage] + group * 64 * T::RowBytes + kk * 32, 16, 1024),
                                  simt::wgmma_descriptor(s.b[at.stage] + kk * 32, 16, 1024), step > 0 || kk > 0);
    simt::wgmma_commit();
    simt::wgmma_wait<1>();  // the step before is done: its stage may be filled again
    if (step > 0 && threadIdx.x % 128 == 0) simt::mbarrier_arrive(&s.empty[last]);
    last = at.stage;
  }
  simt::wgmma_wait<0>();
  if (threadIdx.x % 128 == 0) simt::mbarrier_arrive(&s.empty[last]);
}

// The block's roles: one thread runs copy(), each multiplying warpgroup multiply(group).
template <class T, class Copy, class Multiply>
__device__ __forceinline__ void run_roles(const Copy& copy, const Multiply& multiply) {
  if (threadIdx.x < 128) {
    if constexpr (T::MovesRegisters) simt::setmaxnreg_dec<T::CopierRegisters>();
    if (threadIdx.x == 0) copy();
  } else {
    if constexpr (T::MovesRegisters) simt::setmaxnreg_inc<T::MultiplierRegisters>();
    multiply(int(threadIdx.x) / 128 - 1);
  }
}

}  // namespace rft::cuda
