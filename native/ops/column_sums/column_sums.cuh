// Two steps without atomics, in an order that the number of rows alone decides: blocks of kSummedRows rows are summed
// row by row, then the blocks in order.
#pragma once
#include "ops/column_sums/launch.h"
#include "ops/kernel.cuh"

namespace rft::cuda {

// One thread a column, blockIdx.y a block of rows.
template <class T>
__global__ void __launch_bounds__(256) column_sums_kernel(ColumnSums<T> a) {
  const int64_t c = item_index();
  if (c >= a.C) return;
  const int64_t begin = int64_t(blockIdx.y) * kSummedRows, end = min(begin + kSummedRows, a.rows);
  float sum = 0.0f;
  for (int64_t r = begin; r < end; ++r) {
    float term = to_float(a.dy[r * a.C + c]);
    if (a.x != nullptr) {
      const float mean = a.mean != nullptr ? a.mean[r * a.stat_stride] : 0.0f;
      term *= (to_float(a.x[r * a.C + c]) - mean) * a.rstd[r * a.stat_stride];
    }
    sum += term;
  }
  a.partial[int64_t(blockIdx.y) * a.C + c] = sum;
}

static __global__ void __launch_bounds__(256)
    sum_blocks_kernel(const float* partial, int64_t blocks, int64_t C, float* grad, float beta) {
  const int64_t c = item_index();
  if (c >= C) return;
  float sum = beta != 0.0f ? grad[c] : 0.0f;
  for (int64_t b = 0; b < blocks; ++b) sum += partial[b * C + c];
  grad[c] = sum;
}

}  // namespace rft::cuda
