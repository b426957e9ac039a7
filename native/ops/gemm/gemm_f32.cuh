// The fp32 matrix product: plain fused multiply-adds, one chain per element over k = 0, 1, 2, .. (with accumulation it
// starts from c), then the bias. The same bits as the CPU's simd::gemm; for whole runs in fp32, which check the rest.
#pragma once
#include "ops/gemm/tile.cuh"

namespace rft::cuda {

constexpr int kColsF32 = 64, kDepthF32 = 16, kPadF32 = 4;

struct OperandF32 {
  const float* base;
  int64_t ld, count;
};

// (Count, kDepthF32) of an operand, stored with k outside: tile[k][row].
template <int Count, Major Contiguous>
__device__ __forceinline__ void load_f32(float (&tile)[kDepthF32][Count + kPadF32], const OperandF32& op, int64_t first,
                                         int64_t k0, int64_t K) {
  for (int at = int(threadIdx.x); at < Count * kDepthF32; at += int(blockDim.x)) {
    const int row = Contiguous == Major::K ? at / kDepthF32 : at % Count;
    const int k = Contiguous == Major::K ? at % kDepthF32 : at / Count;
    const bool inside = first + row < op.count && k0 + k < K;
    const int64_t from = Contiguous == Major::K ? (first + row) * op.ld + k0 + k : (k0 + k) * op.ld + first + row;
    tile[k][row] = inside ? op.base[from] : 0.0f;
  }
}

// 16 x 16 threads; a thread owns PerThread rows, 16 apart, of 4 columns, 16 apart.
template <int PerThread, Major MajorA, Major MajorB>
__global__ void __launch_bounds__(256) gemm_f32_kernel(OperandF32 a, OperandF32 b, int64_t K, float* __restrict__ c,
                                                       int64_t ldc, const float* __restrict__ bias, bool accumulate) {
  constexpr int kRows = 16 * PerThread;
  SIMT_SHARED(float, rows, [kDepthF32][kRows + kPadF32]);
  SIMT_SHARED(float, cols, [kDepthF32][kColsF32 + kPadF32]);
  const int64_t row0 = int64_t(blockIdx.x) * kRows, col0 = int64_t(blockIdx.y) * kColsF32;
  const int down = int(threadIdx.x) / 16, across = int(threadIdx.x) % 16;
  float acc[PerThread][4];
#pragma unroll
  for (int i = 0; i < PerThread; ++i)
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const int64_t row = row0 + down + 16 * i, col = col0 + across + 16 * j;
      acc[i][j] = accumulate && row < a.count && col < b.count ? c[row * ldc + col] : 0.0f;
    }
  for (int64_t k0 = 0; k0 < K; k0 += kDepthF32) {
    load_f32<kRows, MajorA>(rows, a, row0, k0, K);
    load_f32<kColsF32, MajorB>(cols, b, col0, k0, K);
    __syncthreads();
    const int depth = K - k0 < kDepthF32 ? int(K - k0) : kDepthF32;  // no zeros added: they would turn -0 into 0
    for (int k = 0; k < depth; ++k) {
      float x[PerThread], y[4];
#pragma unroll
      for (int i = 0; i < PerThread; ++i) x[i] = rows[k][down + 16 * i];
#pragma unroll
      for (int j = 0; j < 4; ++j) y[j] = cols[k][across + 16 * j];
#pragma unroll
      for (int i = 0; i < PerThread; ++i)
#pragma unroll
        for (int j = 0; j < 4; ++j) acc[i][j] = fmaf(x[i], y[j], acc[i][j]);
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < PerThread; ++i)
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const int64_t row = row0 + down + 16 * i, col = col0 + across + 16 * j;
      if (row < a.count && col < b.count) c[row * ldc + col] = bias != nullptr ? acc[i][j] + bias[col] : acc[i][j];
    }
}

}  // namespace rft::cuda
