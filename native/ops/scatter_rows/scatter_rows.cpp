// scatter_rows: some rows replaced (image features put in the place of image tokens).
//
//   y = base, then y[rows[n]] = src[n]        base (T,C), rows I32 (N) all different, src (N,C) -> y (T,C)
//   dbase = dy with those rows 0      dsrc[n] = dy[rows[n]]
//
// Kept for backward: rows.
#include "ops/ops.h"
#include "ops/rows.h"
#include "ops/rows/launch.h"
#include "tensor/dispatch.h"
#include "tensor/values.h"

namespace rft::ops {
namespace {

void forward(const Tensor& base, const Tensor& places, const Tensor& src, const Tensor& y) {
  const int64_t C = row_width(base);
  if (base.on_cuda())
    return cuda::by_dtype(base, [&]<class T>(T*) {
      copy_values(base, y);
      cuda::set_rows(src.as<T>(), places.as<int32_t>(), y.as<T>(), src.rows(), C, cuda::stream());
    });
  const int32_t* rows = places.i32();
  const float *under = base.f32(), *over = src.f32();
  float* out = y.f32();
  for_rows(base.rows(), C, [&](int64_t b, int64_t e) { std::copy(under + b * C, under + e * C, out + b * C); });
  for_rows(src.rows(), C, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) std::copy_n(over + n * C, C, out + rows[n] * C);
  });
}

// `mask` is workspace (T), on CUDA only.
void backward_base(const Tensor& places, const Tensor& mask, const Tensor& dy, const GradTarget& dbase) {
  const int64_t C = row_width(dy), N = places.count();
  if (dy.on_cuda())
    return cuda::by_dtype(dy, [&]<class T>(T*) {
      mask.zero();
      cuda::put_other_rows(dy.as<T>(), places.as<int32_t>(), N, mask.as<int32_t>(), dbase.grad.as<T>(), dbase.beta,
                           dy.rows(), C, cuda::stream());
    });
  const int32_t* rows = places.i32();
  std::vector<uint8_t> replaced(static_cast<size_t>(dy.rows()));
  for (int64_t n = 0; n < N; ++n) replaced[size_t(rows[n])] = 1;
  const float* dout = dy.f32();
  float* grad = dbase.grad.f32();
  for_rows(dy.rows(), C, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      if (!replaced[size_t(t)]) put_row(dout + t * C, dbase.beta, grad + t * C, C);
      else if (dbase.beta == 0.0f) std::fill_n(grad + t * C, C, 0.0f);
    }
  });
}

void backward_src(const Tensor& places, const Tensor& dy, const GradTarget& dsrc) {
  const int64_t C = row_width(dy), N = places.count();
  if (dy.on_cuda())
    return cuda::by_dtype(dy, [&]<class T>(T*) {
      cuda::gather_rows(dy.as<T>(), places.as<int32_t>(), dsrc.grad.as<T>(), dsrc.beta, N, C, cuda::stream());
    });
  const int32_t* rows = places.i32();
  const float* dout = dy.f32();
  float* grad = dsrc.grad.f32();
  for_rows(N, C, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) put_row(dout + rows[n] * C, dsrc.beta, grad + n * C, C);
  });
}

void check_rows(const Tensor& rows, int64_t T) {
  if (rows.on_cuda()) return;  // checked before they were copied there
  std::vector<uint8_t> seen(static_cast<size_t>(T));
  const int32_t* row = rows.i32();
  for (int64_t n = 0; n < rows.count(); ++n) {
    if (row[n] < 0 || row[n] >= T) fail(concat("scatter_rows rows[", n, "]"), concat("a row below ", T), row[n]);
    if (seen[size_t(row[n])])
      fail(concat("scatter_rows rows[", n, "]"), "every row at most once", concat(row[n], " a second time"));
    seen[size_t(row[n])] = 1;
  }
}

}  // namespace

Tensor scatter_rows(Ctx& ctx, const Tensor& base, const Tensor& rows, const Tensor& src) {
  if (base.shape().size() != 2) fail("scatter_rows base", "shape (T,C)", to_string(base.shape()));
  if (src.shape() != Shape{rows.count(), base.dim(1)})
    fail("scatter_rows src",
         concat("shape ", to_string({rows.count(), base.dim(1)}), " for base ", to_string(base.shape())),
         to_string(src.shape()));
  Tensor y = ctx.empty(base.shape(), base.dtype());
  if (!ctx.meta()) {
    check_rows(rows, base.rows());
    forward(base, rows, src, y);
  }
  if (ctx.records(base, src))
    ctx.tape->record({y}, [base = base.slot(), rows, src = src.slot(), y = y.slot()](Ctx& c) {
      if (base.requires_grad()) {
        GradTarget dbase = grad_target(c, base);
        const Tensor mask = c.workspace({base.shape()[0]}, Dtype::I32);
        if (!c.meta()) backward_base(rows, mask, y.grad(), dbase);
      }
      if (src.requires_grad()) {
        GradTarget dsrc = grad_target(c, src);
        if (!c.meta()) backward_src(rows, y.grad(), dsrc);
      }
    });
  return y;
}

}  // namespace rft::ops
