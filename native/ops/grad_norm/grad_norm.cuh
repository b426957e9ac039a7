// Chunks of 4096 by one block each, then all chunks of all tensors by one block: no atomics, the same order always.
#pragma once
#include "ops/grad_norm/launch.h"
#include "ops/kernel.cuh"

namespace rft::cuda {

template <class T>
__global__ void __launch_bounds__(256) sum_squares_kernel(const T* g, int64_t n, float* partial) {
  constexpr int kEach = kLanes<T>;
  SIMT_SHARED(float, shared, [8]);
  const int64_t begin = int64_t(blockIdx.x) * kSquaresChunk, end = min(begin + kSquaresChunk, n);
  float sum = 0.0f;
  int64_t i = begin + int64_t(threadIdx.x) * kEach;
  for (; i + kEach <= end; i += 256 * kEach) {  // tensors start at whole packs
    float v[kEach];
    load_pack(g + i, v);
#pragma unroll
    for (int j = 0; j < kEach; ++j) sum = fmaf(v[j], v[j], sum);
  }
  for (; i < end; ++i) sum = fmaf(to_float(g[i]), to_float(g[i]), sum);  // the last pack, of one thread
  sum = block_sum<256>(sum, shared);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

static __global__ void __launch_bounds__(1024) sum_partials_kernel(const float* partial, int64_t n, double* total) {
  SIMT_SHARED(double, shared, [1024]);
  double sum = 0.0;
  for (int64_t i = threadIdx.x; i < n; i += 1024) sum += double(partial[i]);
  shared[threadIdx.x] = sum;
  for (unsigned d = 512; d > 0; d /= 2) {
    __syncthreads();
    if (threadIdx.x < d) shared[threadIdx.x] += shared[threadIdx.x + d];
  }
  if (threadIdx.x == 0) *total = shared[0];
}

}  // namespace rft::cuda
