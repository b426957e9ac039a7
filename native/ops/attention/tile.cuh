// Tiles of rows in shared memory and how they get there.
//
// A tile's rows are D elements (the head size, filled up with zeros to a size there is a kernel for) and 16 bytes apart
// from each other: the pitch is an odd number of 16-byte vectors, so the eight rows that ldmatrix reads at a time lie
// in different banks for every D.
#pragma once
#include "ops/attention/device_plan.h"
#include "ops/kernel.cuh"
#include "simt/ptx.h"

namespace rft::cuda::attention {

constexpr int kWarpRows = 16;                                               // of an mma
constexpr int kWarps = kTileRows / kWarpRows, kBlockThreads = 32 * kWarps;  // of a block, where a kernel says no other
// Of a block where shared memory is little (99 KB on compute capability 8.6, 8.9 and 12.0), for head size 128.
template <class T>
constexpr int kFewWarps = sizeof(T) == 2 ? 2 : 1;
// Blocks that share a tile of kTileRows rows.
template <int Warps>
constexpr int kParts = Warps < kWarps ? kWarps / Warps : 1;

template <class T, int D>
constexpr int kPitch = D + kLanes<T>;
template <class T, int D>
constexpr size_t tile_bytes(int rows) {
  return size_t(rows) * kPitch<T, D> * sizeof(T);
}

__device__ __forceinline__ int lane_id() { return int(threadIdx.x) % 32; }
__device__ __forceinline__ int warp_id() { return int(threadIdx.x) / 32; }

// Starts copying Rows rows into a tile. row(i): the first element of row i in global memory, nullptr for zeros.
// `somewhere` is any valid address, for copies that read nothing.
template <class T, int D, int Rows, int Threads = kBlockThreads, class Row>
__device__ __forceinline__ void copy_rows(T* tile, int head_dim, const T* somewhere, Row row) {
  constexpr int kRowVectors = D / kLanes<T>, kTotal = Rows * kRowVectors, kSteps = (kTotal + Threads - 1) / Threads;
#pragma unroll(kSteps > 16 ? 8 : kSteps)  // a single warp has no registers for more
  for (int i = 0; i < kSteps; ++i) {
    const int at = i * Threads + int(threadIdx.x), r = at / kRowVectors, column = at % kRowVectors * kLanes<T>;
    if (kTotal % Threads != 0 && at >= kTotal) break;
    const T* from = row(r);
    const bool valid = from != nullptr && column < head_dim;
    simt::cp_async<16>(tile + r * kPitch<T, D> + column, valid ? from + column : somewhere, valid ? 16 : 0);
  }
}

__device__ __forceinline__ void store_pair(float* p, float a, float b) {
  *reinterpret_cast<float2*>(p) = make_float2(a, b);
}
__device__ __forceinline__ void store_pair(bf16* p, float a, float b) {
  *reinterpret_cast<uint32_t*>(p) = simt::pack_bf16(a, b);
}

// Writes the columns of two rows of C fragments that exist; nullptr: no such row.
template <class T, int N>
__device__ __forceinline__ void store_rows(T* const (&rows)[2], const float (&c)[N][4], const float (&factor)[2],
                                           int head_dim) {
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    if (rows[h] == nullptr) continue;
#pragma unroll
    for (int n = 0; n < N; ++n)
      if (n * 8 < head_dim)
        store_pair(rows[h] + n * 8 + lane_id() % 4 * 2, c[n][2 * h] * factor[h], c[n][2 * h + 1] * factor[h]);
  }
}

}  // namespace rft::cuda::attention
