// gather_rows: chosen rows; the same row may be chosen more than once (a prompt shared by a group).
//
//   y[n] = x[rows[n]]           x (T,C), rows I32 (N) -> y (N,C)
//   dx[rows[n]] += dy[n]        in the order of n
//
// Kept for backward: rows.
#include "ops/ops.h"
#include "ops/rows.h"
#include "ops/rows/rows_on_cuda.h"

namespace rft::ops {
namespace {

void forward(const Tensor& x, const Tensor& chosen, const Tensor& y) {
  const int64_t C = row_width(x);
  if (x.on_cuda())
    return cuda::by_dtype(x, [&]<class T>(T*) {
      cuda::gather_rows(x.as<T>(), chosen.as<int32_t>(), y.as<T>(), 0.0f, y.rows(), C, cuda::stream());
    });
  const int32_t* rows = chosen.i32();
  const float* in = x.f32();
  float* out = y.f32();
  for_rows(y.rows(), C, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) std::copy_n(in + rows[n] * C, C, out + n * C);
  });
}

void backward(const Tensor& chosen, const Tensor& dy, const GradTarget& dx) {
  const int64_t N = dy.rows(), C = row_width(dy);
  if (dy.on_cuda()) return add_to_rows_on_cuda(dy, chosen, dx);
  zero_if_fresh(dx);
  const int32_t* rows = chosen.i32();
  const float* dout = dy.f32();
  float* grad = dx.grad.f32();
  for_columns(C, [&](int64_t b, int64_t e) {
    for (int64_t n = 0; n < N; ++n) {
      float* to = grad + rows[n] * C;
      simd::add(to + b, dout + n * C + b, to + b, e - b);
    }
  });
}

void check_rows(const Tensor& x, const Tensor& rows) {
  if (rows.on_cuda()) return;  // checked before they were copied there
  const int32_t* row = rows.i32();
  for (int64_t n = 0; n < rows.count(); ++n)
    if (row[n] < 0 || row[n] >= x.rows())
      fail(concat("gather_rows rows[", n, "]"), concat("a row of x ", to_string(x.shape())), row[n]);
}

}  // namespace

Tensor gather_rows(Ctx& ctx, const Tensor& x, const Tensor& rows) {
  if (x.shape().size() != 2) fail("gather_rows x", "shape (T,C)", to_string(x.shape()));
  Tensor y = ctx.empty({rows.count(), x.dim(1)}, x.dtype());
  if (!ctx.meta()) {
    check_rows(x, rows);
    forward(x, rows, y);
  }
  if (ctx.records(x))
    ctx.tape->record({y}, [x = x.slot(), rows, y = y.slot()](Ctx& c) {
      GradTarget dx = grad_target(c, x);
      if (!c.meta()) backward(rows, y.grad(), dx);
    });
  return y;
}

}  // namespace rft::ops
