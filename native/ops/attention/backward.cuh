// Gradients of attention. With p = e^(s - lse) and delta = sum_d dO_d O_d:
//   dS = p * (dO V^T - delta)    dV = p^T dO    dK = scale dS^T Q    dQ = scale dS K
//
// Three kernels, no atomics, every sum in a fixed order: delta; dK and dV with a block per key tile, which visits all
// rows that see it (segments in order, the heads of the group, queries); dQ with a block per row tile. p is computed
// again in both. In the second kernel everything is transposed, a warp's 16 rows are keys, so that p and dS go from
// one product to the next in registers in both.
#pragma once
#include "ops/attention/online_softmax.cuh"
#include "ops/attention/products.cuh"
#include "ops/attention/rows.cuh"

namespace rft::cuda::attention {

constexpr int kStreamRows = 32;  // of the side that is copied tile by tile; the other side's stay, 16 a warp

template <class T>
struct BackwardParams {
  const T *q, *k, *v, *out, *dout;
  const float* lse;
  float* delta;     // (heads, query_rows)
  T *dq, *dk, *dv;  // nullptr: not wanted
  PlanView plan;
  HeadSizes sizes;
  float scale;
};

// Exponent of p: the row's -lse in base 2. A row without keys is masked throughout, any finite number will do.
__device__ __forceinline__ float exponent_base(float lse) { return lse == -INFINITY ? 0.0f : -lse * kLog2e; }

// A warp per query and head.
template <class T>
__global__ void __launch_bounds__(kBlockThreads) attention_delta_kernel(const BackwardParams<T> p) {
  const int query = int(blockIdx.x), head = int(blockIdx.y) * kWarps + warp_id(), D = p.sizes.head_dim;
  if (head >= p.sizes.heads) return;
  const size_t at = (size_t(query) * size_t(p.sizes.heads) + size_t(head)) * size_t(D);
  float sum = 0.0f;
  for (int d = lane_id(); d < D; d += 32)
    sum = fmaf(to_float(p.out[at + size_t(d)]), to_float(p.dout[at + size_t(d)]), sum);
  sum = warp_sum(sum);
  if (lane_id() == 0) p.delta[size_t(head) * size_t(p.sizes.query_rows) + size_t(query)] = sum;
}

// Shared memory: the two tiles that stay, two stages of two streamed tiles, statistics of streamed rows, scratch.
template <class T, int D, int Warps>
struct BackwardMemory {
  static constexpr int kRows = Warps * kWarpRows, kThreads = 32 * Warps;
  static constexpr size_t kStay = tile_bytes<T, D>(kRows), kStream = tile_bytes<T, D>(kStreamRows);
  static constexpr size_t kStatistics = sizeof(float) * 3 * kStreamRows;
  static constexpr size_t kBytes =
      2 * kStay + 4 * kStream + 2 * kStatistics + sizeof(float) * size_t(scratch_floats<T, kStreamRows / 8>(kRows));

  unsigned char* base;
  __device__ __forceinline__ T* stay(int i) const { return reinterpret_cast<T*>(base + size_t(i) * kStay); }
  __device__ __forceinline__ const T* warp_rows(int i) const { return stay(i) + warp_id() * kWarpRows * kPitch<T, D>; }
  __device__ __forceinline__ T* stream(int stage, int i) const {
    return reinterpret_cast<T*>(base + 2 * kStay + size_t(2 * stage + i) * kStream);
  }
  __device__ __forceinline__ float* statistics(int stage, int i) const {
    return reinterpret_cast<float*>(base + 2 * kStay + 4 * kStream + size_t(stage) * kStatistics) + i * kStreamRows;
  }
  __device__ __forceinline__ float* scratch() const {
    return reinterpret_cast<float*>(base + 2 * kStay + 4 * kStream + 2 * kStatistics);
  }
};

}  // namespace rft::cuda::attention
