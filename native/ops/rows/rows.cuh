// One thread moves N neighbouring values of one row.
#pragma once
#include "ops/kernel.cuh"
#include "ops/rows/launch.h"

namespace rft::cuda {

template <class T, bool Packed>
__global__ void __launch_bounds__(256)
    gather_rows_kernel(const T* x, const int32_t* rows, T* y, float beta, int64_t count, int64_t C) {
  constexpr int N = Packed ? kLanes<T> : 1;
  const int64_t item = item_index(), per_row = C / N;
  if (item >= count * per_row) return;
  const int64_t n = item / per_row, c = item % per_row * N;
  float v[N];
  load<T, N>(x + int64_t(rows[n]) * C + c, v);
  put<T, N>(y + n * C + c, v, beta);
}

template <class T, bool Packed>
__global__ void __launch_bounds__(256)
    set_rows_kernel(const T* src, const int32_t* rows, T* y, int64_t count, int64_t C) {
  constexpr int N = Packed ? kLanes<T> : 1;
  const int64_t item = item_index(), per_row = C / N;
  if (item >= count * per_row) return;
  const int64_t n = item / per_row, c = item % per_row * N;
  float v[N];
  load<T, N>(src + n * C + c, v);
  store<T, N>(y + int64_t(rows[n]) * C + c, v);
}

// The lanes of a warp look at 32 of the row numbers at once.
__device__ __forceinline__ unsigned equal_rows(const int32_t* rows, int64_t first, int64_t end, int32_t row) {
  const int64_t n = first + threadIdx.x % kWarp;
  return __ballot_sync(kFullWarp, n < end && rows[n] == row);
}

// A row of the sum belongs to the warps (one a 32 * N columns) of the first n that names it: they add all others in
// order, in registers. The search reads N^2 / 2 numbers from cache, which is little beside the rows themselves.
template <class T, class S, bool Packed>
__global__ void __launch_bounds__(256)
    add_to_rows_kernel(const T* dy, const int32_t* rows, S* sum, int64_t count, int64_t C) {
  constexpr int N = Packed ? kLanes<T> : 1;
  const int64_t first = blockIdx.x;
  const int64_t c = (int64_t(blockIdx.y) * blockDim.x + threadIdx.x) * N;
  const int32_t row = rows[first];
  for (int64_t n = 0; n < first; n += kWarp)
    if (equal_rows(rows, n, first, row) != 0) return;  // the whole warp
  float total[N], v[N];
  if (c < C) {
#pragma unroll
    for (int i = 0; i < N; ++i) total[i] = to_float(sum[int64_t(row) * C + c + i]);
  }
  for (int64_t n = first; n < count; n += kWarp)
    for (unsigned equal = equal_rows(rows, n, count, row); equal != 0; equal &= equal - 1) {
      if (c >= C) continue;
      load<T, N>(dy + (n + __ffs(int(equal)) - 1) * C + c, v);
#pragma unroll
      for (int i = 0; i < N; ++i) total[i] += v[i];
    }
  if (c >= C) return;
#pragma unroll
  for (int i = 0; i < N; ++i) sum[int64_t(row) * C + c + i] = from_float<S>(total[i]);
}

static __global__ void __launch_bounds__(256) mark_rows_kernel(const int32_t* rows, int32_t* mask, int64_t count) {
  const int64_t n = item_index();
  if (n < count) mask[rows[n]] = 1;
}

template <class T, bool Packed>
__global__ void __launch_bounds__(256)
    put_other_rows_kernel(const T* x, const int32_t* mask, T* y, float beta, int64_t rows, int64_t C) {
  constexpr int N = Packed ? kLanes<T> : 1;
  const int64_t item = item_index(), per_row = C / N;
  if (item >= rows * per_row) return;
  float v[N] = {};
  if (!mask[item / per_row]) load<T, N>(x + item * N, v);
  put<T, N>(y + item * N, v, beta);
}

template <class T, bool Packed>
__global__ void __launch_bounds__(256) put_columns_kernel(Columns<T> a) {
  constexpr int N = Packed ? kLanes<T> : 1;
  const int64_t item = item_index(), per_row = a.width / N;
  if (item >= a.rows * per_row) return;
  const int64_t t = item / per_row, c = item % per_row * N;
  float v[N] = {};
  if (a.x != nullptr) load<T, N>(a.x + t * a.x_stride + c, v);
  put<T, N>(a.y + t * a.y_stride + c, v, a.beta);
}

}  // namespace rft::cuda
