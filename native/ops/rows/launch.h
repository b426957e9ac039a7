// Moving rows and columns on CUDA: what embed, gather_rows, scatter_rows and split_columns are made of. `rows` holds
// row numbers on the device; they were checked before they were copied there.
#pragma once
#include <cstdint>

#include "simt/handles.h"

namespace rft::cuda {

// y[n] = beta y[n] + x[rows[n]]; N rows of C values.
void gather_rows(const float* x, const int32_t* rows, float* y, float beta, int64_t N, int64_t C, simt::Stream);
void gather_rows(const simt::bf16* x, const int32_t* rows, simt::bf16* y, float beta, int64_t N, int64_t C,
                 simt::Stream);

// y[rows[n]] = src[n]; rows are distinct.
void set_rows(const float* src, const int32_t* rows, float* y, int64_t N, int64_t C, simt::Stream);
void set_rows(const simt::bf16* src, const int32_t* rows, simt::bf16* y, int64_t N, int64_t C, simt::Stream);

// sum[rows[n]] += dy[n]; rows may repeat, and repeated ones are added in the order of n.
void add_to_rows(const float* dy, const int32_t* rows, float* sum, int64_t N, int64_t C, simt::Stream);
void add_to_rows(const simt::bf16* dy, const int32_t* rows, float* sum, int64_t N, int64_t C, simt::Stream);
void add_to_rows(const simt::bf16* dy, const int32_t* rows, simt::bf16* sum, int64_t N, int64_t C, simt::Stream);

// y[t] = beta y[t] + (t is one of the N rows ? 0 : x[t]) for T rows; `mask` is workspace of T zeros.
void put_other_rows(const float* x, const int32_t* rows, int64_t N, int32_t* mask, float* y, float beta, int64_t T,
                    int64_t C, simt::Stream);
void put_other_rows(const simt::bf16* x, const int32_t* rows, int64_t N, int32_t* mask, simt::bf16* y, float beta,
                    int64_t T, int64_t C, simt::Stream);

// y[t][c] = beta y[t][c] + x[t][c], c < width; x == nullptr: zeros. Rows are x_stride and y_stride values apart.
template <class T>
struct Columns {
  const T* x;
  int64_t x_stride;
  T* y;
  int64_t y_stride;
  float beta;
  int64_t rows, width;
};
void put_columns(const Columns<float>&, simt::Stream);
void put_columns(const Columns<simt::bf16>&, simt::Stream);

}  // namespace rft::cuda
