// embed: rows of a table.
//
//   y[t] = w[ids[t]]            ids I32 (T), w (V,C) -> y (T,C)
//   dw[ids[t]] += dy[t]         in token order, so a repeated id always adds up in the same order
//
// Kept for backward: ids.
#include "ops/ops.h"
#include "ops/rows.h"
#include "ops/rows/rows_on_cuda.h"

namespace rft::ops {
namespace {

void forward(const Tensor& tokens, const Tensor& w, const Tensor& y) {
  const int64_t C = row_width(w);
  if (w.on_cuda())
    return cuda::by_dtype(w, [&]<class T>(T*) {
      cuda::gather_rows(w.as<T>(), tokens.as<int32_t>(), y.as<T>(), 0.0f, y.rows(), C, cuda::stream());
    });
  const int32_t* ids = tokens.i32();
  const float* table = w.f32();
  float* out = y.f32();
  for_rows(y.rows(), C, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) std::copy_n(table + ids[t] * C, C, out + t * C);
  });
}

void backward(const Tensor& tokens, const Tensor& dy, const GradTarget& dw) {
  const int64_t T = dy.rows(), C = row_width(dy);
  if (dy.on_cuda()) return add_to_rows_on_cuda(dy, tokens, dw);
  zero_if_fresh(dw);
  const int32_t* ids = tokens.i32();
  const float* from = dy.f32();
  float* table = dw.grad.f32();
  for_columns(C, [&](int64_t b, int64_t e) {
    for (int64_t t = 0; t < T; ++t) {
      float* row = table + ids[t] * C;
      simd::add(row + b, from + t * C + b, row + b, e - b);
    }
  });
}

void check_ids(const Tensor& ids, int64_t V) {
  if (ids.on_cuda()) return;  // checked before they were copied there
  const int32_t* id = ids.i32();
  for (int64_t t = 0; t < ids.count(); ++t)
    if (id[t] < 0 || id[t] >= V) fail(concat("embed ids[", t, "]"), concat("a token id in [0, ", V, ")"), id[t]);
}

}  // namespace

Tensor embed(Ctx& ctx, const Tensor& ids, const Tensor& w) {
  if (w.shape().size() != 2) fail("embed w", "shape (V,C)", to_string(w.shape()));
  if (ids.shape().size() != 1) fail("embed ids", "shape (T)", to_string(ids.shape()));
  Tensor y = ctx.empty({ids.count(), w.dim(1)}, w.dtype());
  if (!ctx.meta()) {
    check_ids(ids, w.dim(0));
    forward(ids, w, y);
  }
  if (ctx.records(w))
    ctx.tape->record({y}, [ids, w = w.slot(), y = y.slot()](Ctx& c) {
      GradTarget dw = grad_target(c, w);
      if (!c.meta()) backward(ids, y.grad(), dw);
    });
  return y;
}

}  // namespace rft::ops
