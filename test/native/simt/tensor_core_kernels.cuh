// Kernels on the instructions of sm_80, correct or with one planted bug.
#pragma once
#include "simt/ptx.h"

namespace rft::test {

using simt::bf16;

enum class Bug { None, NoBarrier, NoWait, ReadsPastTheEnd, SwappedHalves, HalfWarp, Misaligned };

constexpr int kTile = 64, kDepth = 32, kChunks = kDepth / 8;  // a tile is 64 rows of four 16-byte chunks

// Chunks are exchanged by row, so that the eight rows of an ldmatrix lie in different banks.
__device__ __forceinline__ uint4* chunk_at(uint4* tile, int row, int chunk) {
  return tile + row * kChunks + (chunk ^ (row / 2 % kChunks));
}

__device__ __forceinline__ void load_tile(uint4* tile, const bf16* from, int row0, int rows, int k0, int K, Bug bug) {
  for (int i = 0; i < kTile * kChunks / 128; ++i) {
    const int at = i * 128 + int(threadIdx.x), row = at / kChunks, chunk = at % kChunks, k = k0 + chunk * 8;
    const bool row_ok = bug == Bug::ReadsPastTheEnd ? row0 + row <= rows : row0 + row < rows;
    const bool valid = row_ok && k < K;
    const bf16* source = valid ? from + size_t(row0 + row) * size_t(K) + k : from;
    simt::cp_async<16>(chunk_at(tile, row, chunk), source + (bug == Bug::Misaligned ? 1 : 0), valid ? 16 : 0);
  }
}

// c (M, N) = a (M, K) b (N, K)^T, K a multiple of 8. 64 x 64 a block, 16 rows a warp, two stages.
__global__ void __launch_bounds__(128) mma_gemm(const bf16* __restrict__ a, const bf16* __restrict__ b,
                                                float* __restrict__ c, int M, int N, int K, Bug bug) {
  SIMT_SHARED(uint4, tiles, [2][2][kTile * kChunks]);  // stage, operand
  const int warp = int(threadIdx.x) / 32, lane = int(threadIdx.x) % 32;
  const int row0 = int(blockIdx.y) * kTile, col0 = int(blockIdx.x) * kTile, steps = (K + kDepth - 1) / kDepth;
  float acc[kTile / 8][4] = {};

  load_tile(tiles[0][0], a, row0, M, 0, K, bug);
  load_tile(tiles[0][1], b, col0, N, 0, K, bug);
  simt::cp_async_commit();
  for (int step = 0; step < steps; ++step) {
    if (bug != Bug::NoWait) simt::cp_async_wait<0>();
    if (bug != Bug::NoBarrier) __syncthreads();
    const int stage = step % 2;
    if (step + 1 < steps) {
      load_tile(tiles[stage ^ 1][0], a, row0, M, (step + 1) * kDepth, K, bug);
      load_tile(tiles[stage ^ 1][1], b, col0, N, (step + 1) * kDepth, K, bug);
    }
    simt::cp_async_commit();
#pragma unroll
    for (int k = 0; k < kDepth / 16; ++k) {
      uint32_t fa[4];
      simt::ldmatrix(fa, chunk_at(tiles[stage][0], warp * 16 + lane % 16, 2 * k + lane / 16));
#pragma unroll
      for (int n = 0; n < kTile / 16; ++n) {
        uint32_t fb[4];
        simt::ldmatrix(fb, chunk_at(tiles[stage][1], n * 16 + lane % 8 + lane / 16 * 8, 2 * k + lane / 8 % 2));
        const bool swap = bug == Bug::SwappedHalves;
        if (bug == Bug::HalfWarp && lane >= 16) continue;
        simt::mma_m16n8k16(acc[2 * n], fa, fb[0], fb[1]);
        simt::mma_m16n8k16(acc[2 * n + 1], fa, fb[swap ? 3 : 2], fb[swap ? 2 : 3]);
      }
    }
  }
  simt::cp_async_wait<0>();
#pragma unroll
  for (int n = 0; n < kTile / 8; ++n)
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int row = row0 + warp * 16 + lane / 4 + i / 2 * 8, col = col0 + n * 8 + lane % 4 * 2 + i % 2;
      if (row < M && col < N) c[size_t(row) * size_t(N) + col] = acc[n][i];
    }
}

// out (32, 14): what each lane gets from ldmatrix of N = 1, 2, 4 matrices, plain and transposed, of a 32 x 8 tile whose
// element is its own index.
__global__ void __launch_bounds__(32) ldmatrix_layouts(uint32_t* out) {
  SIMT_SHARED(uint4, tile, [32]);
  uint16_t* values = reinterpret_cast<uint16_t*>(tile);
  for (int i = 0; i < 8; ++i) values[threadIdx.x * 8 + i] = uint16_t(threadIdx.x * 8 + i);
  __syncwarp();
  const uint4* row = tile + threadIdx.x;
  uint32_t one[1], two[2], four[4];
  uint32_t* mine = out + threadIdx.x * 14;
  simt::ldmatrix(one, row);
  simt::ldmatrix(two, row);
  simt::ldmatrix(four, row);
  mine[0] = one[0];
  for (int i = 0; i < 2; ++i) mine[1 + i] = two[i];
  for (int i = 0; i < 4; ++i) mine[3 + i] = four[i];
  simt::ldmatrix<true>(one, row);
  simt::ldmatrix<true>(two, row);
  simt::ldmatrix<true>(four, row);
  mine[7] = one[0];
  for (int i = 0; i < 2; ++i) mine[8 + i] = two[i];
  for (int i = 0; i < 4; ++i) mine[10 + i] = four[i];
}

// out (32): sums of what copies of 4, 8 and 16 bytes bring, the last lane's cut short by `missing` bytes.
__global__ void __launch_bounds__(32)
    copy_sizes(const float* __restrict__ in, float* __restrict__ out, int missing, bool wait) {
  SIMT_SHARED(float4, wide, [32]);
  SIMT_SHARED(float2, pair, [32]);
  SIMT_SHARED(float, one, [32]);
  const int t = int(threadIdx.x), cut = t == 31 ? missing : 0;
  simt::cp_async<4>(&one[t], in + t * 4, cut >= 4 ? 0 : 4);
  simt::cp_async<8>(&pair[t], in + t * 4, cut >= 8 ? 0 : 8 - cut);
  simt::cp_async_commit();
  simt::cp_async<16>(&wide[t], in + t * 4, 16 - cut);
  simt::cp_async_commit();
  simt::cp_async_wait<1>();
  const float first = one[t] + pair[t].x + pair[t].y;
  if (wait) simt::cp_async_wait<0>();
  out[t] = first + wide[t].x + wide[t].y + wide[t].z + wide[t].w;
  simt::cp_async_wait<0>();
}

__global__ void __launch_bounds__(32) forget_copy(const float4* __restrict__ in) {
  SIMT_SHARED(float4, s, [32]);
  simt::cp_async<16>(&s[threadIdx.x], in + threadIdx.x);
  simt::cp_async_commit();
}

}  // namespace rft::test
