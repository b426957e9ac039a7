// The two matrix products of attention for one warp's 16 rows, on C fragments (ptx.h): element c[n][2h + i] of lane
// (g, t) is row g + 8h, column 8n + 2t + i. bf16 goes through the tensor cores; fp32 is plain FMA, in order.
//
//   scores   c (16, 8N) = a (16, D) b (8N, D)^T        a and b are tiles
//   mix      c (16, D) += p (16, 8N) b (8N, D)         p is a C fragment; bf16: rounded to bf16
//
// An element depends on its own row of a or p and on b alone, and sums run in the order of b's rows: an output row's
// bits do not depend on the other rows of the tile nor on where in the tile it lies.
#pragma once
#include "ops/attention/tile.cuh"

namespace rft::cuda::attention {

// Rows of the left operand of scores(): read from shared memory at each use, or once into registers.
template <class T, int D>
struct SharedRows {
  const T* rows;
  __device__ __forceinline__ explicit SharedRows(const T* warp_rows) : rows(warp_rows) {}
  __device__ __forceinline__ void fragment(int k, uint32_t (&a)[4]) const {
    simt::ldmatrix(a, rows + lane_id() % 16 * kPitch<T, D> + k * 16 + lane_id() / 16 * 8);
  }
};
template <int D>
struct RegisterRows {
  uint32_t a[D / 16][4];
  __device__ __forceinline__ explicit RegisterRows(const bf16* warp_rows) {
    const SharedRows<bf16, D> shared(warp_rows);
#pragma unroll
    for (int k = 0; k < D / 16; ++k) shared.fragment(k, a[k]);
  }
  __device__ __forceinline__ void fragment(int k, uint32_t (&out)[4]) const {
#pragma unroll
    for (int i = 0; i < 4; ++i) out[i] = a[k][i];
  }
};

template <int D, int N, class Rows>
__device__ __forceinline__ void scores(float (&c)[N][4], const Rows& a, const bf16* b) {
  static_assert(D % 16 == 0 && N % 2 == 0);
  const bf16* mine = b + (lane_id() % 8 + lane_id() / 16 * 8) * kPitch<bf16, D> + lane_id() / 8 % 2 * 8;
#pragma unroll
  for (int n = 0; n < N; ++n)
#pragma unroll
    for (int i = 0; i < 4; ++i) c[n][i] = 0.0f;
#pragma unroll
  for (int k = 0; k < D / 16; ++k) {
    uint32_t fa[4];
    a.fragment(k, fa);
#pragma unroll
    for (int n = 0; n < N / 2; ++n) {
      uint32_t fb[4];
      simt::ldmatrix(fb, mine + n * 16 * kPitch<bf16, D> + k * 16);
      simt::mma_m16n8k16(c[2 * n], fa, fb[0], fb[1]);
      simt::mma_m16n8k16(c[2 * n + 1], fa, fb[2], fb[3]);
    }
  }
}

template <int D, int N>
__device__ __forceinline__ void mix(float (&c)[D / 8][4], const float (&p)[N][4], const bf16* b, float*) {
  const bf16* mine = b + lane_id() % 16 * kPitch<bf16, D> + lane_id() / 16 * 8;
#pragma unroll
  for (int k = 0; k < N / 2; ++k) {
    const uint32_t fp[4] = {simt::pack_bf16(p[2 * k][0], p[2 * k][1]), simt::pack_bf16(p[2 * k][2], p[2 * k][3]),
                            simt::pack_bf16(p[2 * k + 1][0], p[2 * k + 1][1]),
                            simt::pack_bf16(p[2 * k + 1][2], p[2 * k + 1][3])};
#pragma unroll
    for (int n = 0; n < D / 16; ++n) {
      uint32_t fb[4];
      simt::ldmatrix<true>(fb, mine + k * 16 * kPitch<bf16, D> + n * 16);
      simt::mma_m16n8k16(c[2 * n], fp, fb[0], fb[1]);
      simt::mma_m16n8k16(c[2 * n + 1], fp, fb[2], fb[3]);
    }
  }
}

// ---- fp32
// ------------------------------------------------------------------------------------------------------------
template <int D, int N>
__device__ __forceinline__ void scores(float (&c)[N][4], const SharedRows<float, D>& a, const float* b) {
  const float* row0 = a.rows + lane_id() / 4 * kPitch<float, D>;
  const float* row1 = row0 + 8 * kPitch<float, D>;
  const float* mine = b + lane_id() % 4 * 2 * kPitch<float, D>;
#pragma unroll
  for (int n = 0; n < N; ++n)
#pragma unroll
    for (int i = 0; i < 4; ++i) c[n][i] = 0.0f;
#pragma unroll 4
  for (int k = 0; k < D; ++k) {
    const float a0 = row0[k], a1 = row1[k];
#pragma unroll
    for (int n = 0; n < N; ++n)
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const float x = mine[(n * 8 + i) * kPitch<float, D> + k];
        c[n][i] = fmaf(a0, x, c[n][i]);
        c[n][2 + i] = fmaf(a1, x, c[n][2 + i]);
      }
  }
}

template <int N>
constexpr int kScratchPitch = N * 8 + 4;
// Floats of shared memory that mix() needs for a block of so many rows.
template <class T, int N>
constexpr int scratch_floats(int rows) {
  return sizeof(T) == 4 ? rows * kScratchPitch<N> : 0;
}

template <int D, int N>
__device__ __forceinline__ void mix(float (&c)[D / 8][4], const float (&p)[N][4], const float* b, float* scratch) {
  float* rows = scratch + (warp_id() * kWarpRows + lane_id() / 4) * kScratchPitch<N>;
  __syncwarp();  // the last call's reads are over
#pragma unroll
  for (int n = 0; n < N; ++n)
#pragma unroll
    for (int h = 0; h < 2; ++h)
      store_pair(rows + 8 * h * kScratchPitch<N> + n * 8 + lane_id() % 4 * 2, p[n][2 * h], p[n][2 * h + 1]);
  __syncwarp();
  const float* mine = b + lane_id() % 4 * 2;
#pragma unroll 4
  for (int k = 0; k < N * 8; ++k) {
    const float p0 = rows[k], p1 = rows[8 * kScratchPitch<N> + k];
#pragma unroll
    for (int n = 0; n < D / 8; ++n)
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const float x = mine[k * kPitch<float, D> + n * 8 + i];
        c[n][i] = fmaf(p0, x, c[n][i]);
        c[n][2 + i] = fmaf(p1, x, c[n][2 + i]);
      }
  }
}

}  // namespace rft::cuda::attention
