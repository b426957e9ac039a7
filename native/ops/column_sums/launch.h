// Sums over rows: the gradients of norm weights and biases.
#pragma once
#include <cstdint>

#include "simt/handles.h"

namespace rft::cuda {

// grad (C) = beta grad + sum over rows of
//   dy                       x == nullptr: of a bias
//   dy x rstd                mean == nullptr: of rms_norm's weight
//   dy (x - mean) rstd       of layer_norm's weight
// mean and rstd: one value a row, `stat_stride` apart.
template <class T>
struct ColumnSums {
  const T *dy, *x;
  const float *mean, *rstd;
  int64_t stat_stride;
  int64_t rows, C;
  float* partial;  // workspace (column_sum_blocks(rows), C)
  float* grad;     // (C)
  float beta;
};
constexpr int64_t kSummedRows = 64;  // by a block
constexpr int64_t column_sum_blocks(int64_t rows) { return (rows + kSummedRows - 1) / kSummedRows; }
void column_sums(const ColumnSums<float>&, simt::Stream);
void column_sums(const ColumnSums<simt::bf16>&, simt::Stream);

}  // namespace rft::cuda
