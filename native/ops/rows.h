// What the row-wise ops share. Work is split by rows into pieces that depend on the row width only, and every row is
// computed alone, so a row has the same bits whatever else is in the batch and however many threads there are.
#pragma once
#include <algorithm>
#include <string>

#include "base/parallel_for.h"
#include "simd/vmath.h"
#include "tensor/ctx.h"

namespace rft::ops {

// Elements of one row; unlike Tensor::columns it also answers for a tensor without rows.
inline int64_t row_width(const Tensor& x) {
  int64_t width = 1;
  for (size_t i = 1; i < x.shape().size(); ++i) width *= x.shape()[i];
  return width;
}

// About 16k elements a task.
inline int64_t row_grain(int64_t width) { return std::max<int64_t>(1, 16384 / std::max<int64_t>(1, width)); }

template <class Body>  // body(begin, end) over rows
void for_rows(int64_t rows, int64_t width, const Body& body) {
  parallel_ranges(rows, row_grain(width), body);
}

template <class Body>  // body(begin, end) over columns, for work whose order along the rows matters
void for_columns(int64_t columns, const Body& body) {
  parallel_ranges(columns, 64, body);
}

// grad = value (beta 0) or grad + value (beta 1), one row.
inline void put_row(const float* value, float beta, float* grad, int64_t n) {
  if (beta == 0.0f) std::copy(value, value + n, grad);
  else simd::add(grad, value, grad, n);
}

// A fresh gradient buffer that scattered rows are about to be added to.
inline void zero_if_fresh(const GradTarget& target) {
  if (target.beta != 0.0f) return;
  float* g = target.grad.f32();
  parallel_ranges(target.grad.count(), 65536, [&](int64_t b, int64_t e) { std::fill(g + b, g + e, 0.0f); });
}

// grad (C) = beta * grad + sum over rows; add_row(row, acc) adds one row's (C) terms to acc. The order depends on the
// row count only: blocks of 64 rows are summed row by row, then the blocks in order.
template <class AddRow>
void add_column_sums(Ctx& ctx, int64_t rows, int64_t columns, const GradTarget& target, const AddRow& add_row) {
  constexpr int64_t kBlock = 64;
  const int64_t blocks = (rows + kBlock - 1) / kBlock;
  Tensor partial = ctx.workspace({blocks, columns});
  if (ctx.meta()) return;
  float* sums = partial.f32();
  parallel_for(blocks, [&](int64_t block) {
    float* acc = sums + block * columns;
    std::fill(acc, acc + columns, 0.0f);
    for (int64_t r = block * kBlock; r < std::min(rows, (block + 1) * kBlock); ++r) add_row(r, acc);
  });
  zero_if_fresh(target);
  float* grad = target.grad.f32();
  for_columns(columns, [&](int64_t b, int64_t e) {
    for (int64_t block = 0; block < blocks; ++block) simd::add(grad + b, sums + block * columns + b, grad + b, e - b);
  });
}

}  // namespace rft::ops
