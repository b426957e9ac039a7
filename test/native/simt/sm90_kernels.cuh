// Kernels on the instructions of sm_90a, correct or with one planted bug.
#pragma once
#include "simt/ptx_sm90.h"

namespace rft::test {

using simt::bf16;
using simt::TensorMap;

enum class Bug {
  None,
  IgnoresEmpty,    // the producer does not wait for the consumers
  ReleasesEarly,   // a stage is given back before the wgmma that reads it is done
  NoFence,         // no wgmma.fence
  NoBarrierFence,  // no fence.mbarrier_init
  ExpectsHalf,     // expect_tx of half of what arrives
  WrongStride,     // in a descriptor
  ReadsEarly,      // accumulators before the wait
  NoProxyFence,
  TooManyRegisters,
  NoStoreWait,
};

constexpr int kM = 128, kN = 128, kK = 64, kStages = 2, kTileBytes = 128 * kK * 2;

__device__ __forceinline__ uint32_t swizzle_128(uint32_t offset) { return offset ^ ((offset >> 3) & 0x70); }

struct GemmShared {
  __align__(1024) unsigned char a[kStages][kTileBytes];
  __align__(1024) unsigned char b[kStages][kTileBytes];
  uint64_t full[kStages], empty[kStages];
};

template <bool TransB>
__device__ void produce(GemmShared& s, const TensorMap* map_a, const TensorMap* map_b, int steps, Bug bug) {
  const int row0 = int(blockIdx.y) * kM, col0 = int(blockIdx.x) * kN;
  for (int i = 0; i < steps; ++i) {
    const int stage = i % kStages, round = i / kStages;
    if (bug != Bug::IgnoresEmpty) simt::mbarrier_wait(&s.empty[stage], unsigned(round & 1) ^ 1);
    simt::mbarrier_arrive_expect(&s.full[stage], bug == Bug::ExpectsHalf ? kTileBytes : 2 * kTileBytes);
    simt::tma_load_2d(s.a[stage], map_a, i * kK, row0, &s.full[stage]);
    if (TransB) {
      simt::tma_load_2d(s.b[stage], map_b, col0, i * kK, &s.full[stage]);
      simt::tma_load_2d(s.b[stage] + kTileBytes / 2, map_b, col0 + 64, i * kK, &s.full[stage]);
    } else {
      simt::tma_load_2d(s.b[stage], map_b, i * kK, col0, &s.full[stage]);
    }
  }
}

// c (m, n) = a (m, k) b, b (n, k) or with TransB (k, n). One producer and two consumer warpgroups.
template <bool TransB>
__global__ void __launch_bounds__(384, 1)
    wgmma_gemm(const __grid_constant__ TensorMap map_a, const __grid_constant__ TensorMap map_b, float* __restrict__ c,
               int m, int n, int k, Bug bug) {
  SIMT_DYN_SHARED(smem);
  GemmShared& s = *reinterpret_cast<GemmShared*>(smem);
  const int steps = (k + kK - 1) / kK, group = int(threadIdx.x) / 128;
  if (threadIdx.x == 0) {
    for (int i = 0; i < kStages; ++i) {
      simt::mbarrier_init(&s.full[i], 1);
      simt::mbarrier_init(&s.empty[i], 2);  // one arrival a consumer warpgroup
    }
    if (bug != Bug::NoBarrierFence) simt::fence_mbarrier_init();
  }
  __syncthreads();

  if (group == 0) {
    simt::setmaxnreg_dec<24>();
    if (threadIdx.x == 0) produce<TransB>(s, &map_a, &map_b, steps, bug);
    return;
  }
  if (bug == Bug::TooManyRegisters) simt::setmaxnreg_inc<248>();
  else simt::setmaxnreg_inc<240>();
  const int half = group - 1;
  const bool leader = threadIdx.x % 128 == 0;
  float acc[64];
  for (int i = 0; i < steps; ++i) {
    const int stage = i % kStages, round = i / kStages;
    simt::mbarrier_wait(&s.full[stage], unsigned(round & 1));
    if (bug != Bug::NoFence) simt::wgmma_fence();
#pragma unroll
    for (int kk = 0; kk < kK / 16; ++kk) {
      const uint64_t a =
          simt::wgmma_descriptor(s.a[stage] + half * 8192 + kk * 32, 16, bug == Bug::WrongStride ? 512 : 1024);
      const uint64_t b = TransB ? simt::wgmma_descriptor(s.b[stage] + kk * 2048, kTileBytes / 2, 1024)
                                : simt::wgmma_descriptor(s.b[stage] + kk * 32, 16, 1024);
      simt::wgmma<kN, TransB>(acc, a, b, i > 0 || kk > 0);
    }
    simt::wgmma_commit();
    if (bug == Bug::ReleasesEarly && leader) simt::mbarrier_arrive(&s.empty[stage]);
    simt::wgmma_wait<1>();  // the step before is done: give its stage back
    if (bug != Bug::ReleasesEarly && i > 0 && leader) simt::mbarrier_arrive(&s.empty[(i - 1) % kStages]);
  }
  if (bug != Bug::ReadsEarly) simt::wgmma_wait<0>();

  const int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32 % 4;
#pragma unroll
  for (int i = 0; i < 64; ++i) {
    const int row = int(blockIdx.y) * kM + half * 64 + warp * 16 + lane / 4 + i / 2 % 2 * 8;
    const int col = int(blockIdx.x) * kN + i / 4 * 8 + lane % 4 * 2 + i % 2;
    if (row < m && col < n) c[size_t(row) * size_t(n) + col] = acc[i];
  }
}

// c (64, N) = a (64, 16) b (N, 16)^T from operands that ordinary stores put into shared memory.
template <int N>
__global__ void __launch_bounds__(128)
    stored_operands(const bf16* __restrict__ a, const bf16* __restrict__ b, float* __restrict__ c, Bug bug) {
  SIMT_DYN_SHARED(smem);
  for (int i = int(threadIdx.x); i < (64 + N) * 16; i += 128) {  // rows of 128 bytes, of which 32 are used
    const int row = i / 16, k = i % 16;
    *reinterpret_cast<bf16*>(smem + swizzle_128(uint32_t(row * 128 + k * 2))) = row < 64 ? a[i] : b[i - 64 * 16];
  }
  if (bug != Bug::NoProxyFence) simt::fence_proxy_async();
  __syncthreads();
  float acc[N / 2];
  simt::wgmma_fence();
  simt::wgmma<N, false>(acc, simt::wgmma_descriptor(smem, 16, 1024), simt::wgmma_descriptor(smem + 64 * 128, 16, 1024),
                        false);
  simt::wgmma_commit();
  simt::wgmma_wait<0>();
  const int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32;
#pragma unroll
  for (int i = 0; i < N / 2; ++i)
    c[(warp * 16 + lane / 4 + i / 2 % 2 * 8) * N + i / 4 * 8 + lane % 4 * 2 + i % 2] = acc[i];
}

// The core of a Hopper attention: o = bf16(q k^T / 8) v for 64 queries a block, 128 keys, D = 128. The accumulators of
// the first product are the register operand of the second; v is an N-major operand; o leaves by TMA.
struct CoreShared {
  __align__(1024) unsigned char q[2][64 * 128];  // [64 rows][64 columns], two halves of D
  __align__(1024) unsigned char k[2][128 * 128];
  __align__(1024) unsigned char v[2][128 * 128];
  uint64_t full;
};
__global__ void __launch_bounds__(128)
    attention_core(const __grid_constant__ TensorMap map_q, const __grid_constant__ TensorMap map_k,
                   const __grid_constant__ TensorMap map_v, const __grid_constant__ TensorMap map_o, Bug bug) {
  SIMT_DYN_SHARED(smem);
  CoreShared& s = *reinterpret_cast<CoreShared*>(smem);
  const int row0 = int(blockIdx.x) * 64;
  if (threadIdx.x == 0) {
    simt::mbarrier_init(&s.full, 1);
    simt::fence_mbarrier_init();
    simt::mbarrier_arrive_expect(&s.full, sizeof s.q + sizeof s.k + sizeof s.v);
    for (int h = 0; h < 2; ++h) {
      simt::tma_load_2d(s.q[h], &map_q, h * 64, row0, &s.full);
      simt::tma_load_2d(s.k[h], &map_k, h * 64, 0, &s.full);
      simt::tma_load_2d(s.v[h], &map_v, h * 64, 0, &s.full);
    }
  }
  __syncthreads();
  simt::mbarrier_wait(&s.full, 0);
  float scores[64], out[64];
  simt::wgmma_fence();
#pragma unroll
  for (int i = 0; i < 8; ++i)
    simt::wgmma<128, false>(scores, simt::wgmma_descriptor(s.q[i / 4] + i % 4 * 32, 16, 1024),
                            simt::wgmma_descriptor(s.k[i / 4] + i % 4 * 32, 16, 1024), i > 0);
  simt::wgmma_commit();
  simt::wgmma_wait<0>();
  uint32_t p[8][4];
#pragma unroll
  for (int i = 0; i < 32; ++i) p[i / 4][i % 4] = simt::pack_bf16(scores[2 * i] * 0.125f, scores[2 * i + 1] * 0.125f);
  simt::wgmma_fence();
#pragma unroll
  for (int i = 0; i < 8; ++i)
    simt::wgmma_rs<128, true>(out, p[i], simt::wgmma_descriptor(s.v[0] + i * 2048, 128 * 128, 1024), i > 0);
  simt::wgmma_commit();
  simt::wgmma_wait<0>();

  const int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32;  // o through q's memory
#pragma unroll
  for (int i = 0; i < 32; ++i) {
    const int row = warp * 16 + lane / 4 + i % 2 * 8, col = i / 2 * 8 + lane % 4 * 2;
    const uint32_t at = swizzle_128(uint32_t(row * 128 + col % 64 * 2));
    *reinterpret_cast<uint32_t*>(s.q[col / 64] + at) = simt::pack_bf16(out[2 * i], out[2 * i + 1]);
  }
  if (bug != Bug::NoProxyFence) simt::fence_proxy_async();
  __syncthreads();
  if (threadIdx.x == 0) {
    simt::tma_store_2d(&map_o, s.q[0], 0, row0);
    simt::tma_store_2d(&map_o, s.q[1], 64, row0);
    simt::tma_store_commit();
    if (bug != Bug::NoStoreWait) simt::tma_store_wait<0>();
  }
}

}  // namespace rft::test
