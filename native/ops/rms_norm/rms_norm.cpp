// rms_norm: root mean square normalisation (Zhang and Sennrich 2019), as in Llama and Qwen.
//
//   rstd = 1 / sqrt(mean(x^2) + eps)        y = x rstd w
//   g = w dy      dx = rstd g - x rstd^3 dot(g, x) / C      dw += sum over rows of dy x rstd
//
// x (T,C), w (C) -> y (T,C). A row of x may hold several groups of C values (heads), each normalised alone with the
// same w: x (T,H*D), w (D). Kept for backward: x, rstd (one per group), w.
#include <cmath>

#include "ops/column_sums/column_sums.h"
#include "ops/ops.h"
#include "ops/rms_norm/launch.h"
#include "ops/rows.h"

namespace rft::ops {
namespace {

// With a residual: sum = x + residual, and y is of the sum (CUDA only).
void forward_on_cuda(const Tensor& x, const Tensor& residual, const Tensor& w, float eps, const Tensor& sum,
                     const Tensor& y, const Tensor& rstd) {
  cuda::by_dtype(x, [&]<class T>(T*) {
    const cuda::RmsNorm<T> args{.x = x.as<T>(),
                                .residual = residual ? residual.as<T>() : nullptr,
                                .w = w.as<T>(),
                                .sum = sum ? sum.as<T>() : nullptr,
                                .y = y.as<T>(),
                                .rstd = rstd.as<float>(),
                                .rows = rstd.count(),
                                .C = w.count(),
                                .eps = eps};
    cuda::rms_norm(args, cuda::stream());
  });
}

void forward(const Tensor& x, const Tensor& w, float eps, const Tensor& y, const Tensor& rstd) {
  if (x.on_cuda()) return forward_on_cuda(x, {}, w, eps, {}, y, rstd);
  const int64_t C = w.count();
  const float *in = x.f32(), *gain = w.f32();
  float *out = y.f32(), *scale = rstd.f32();
  for_rows(rstd.count(), C, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const float* xr = in + r * C;
      float* yr = out + r * C;
      const float s = 1.0f / std::sqrt(simd::sum_squares(xr, C) / float(C) + eps);
      scale[r] = s;
      for (int64_t c = 0; c < C; ++c) yr[c] = xr[c] * s * gain[c];
    }
  });
}

void backward_x(const Tensor& x, const Tensor& w, const Tensor& rstd, const Tensor& dy, const GradTarget& dx) {
  const int64_t C = w.count();
  if (x.on_cuda())
    return cuda::by_dtype(x, [&]<class T>(T*) {
      const cuda::RmsNormBackward<T> args{.x = x.as<T>(),
                                          .w = w.as<T>(),
                                          .rstd = rstd.as<float>(),
                                          .dy = dy.as<T>(),
                                          .dx = dx.grad.as<T>(),
                                          .beta = dx.beta,
                                          .rows = rstd.count(),
                                          .C = C};
      cuda::rms_norm_backward(args, cuda::stream());
    });
  const float *in = x.f32(), *gain = w.f32(), *scale = rstd.f32(), *dout = dy.f32();
  float* grad = dx.grad.f32();
  for_rows(rstd.count(), C, [&](int64_t begin, int64_t end) {
    std::vector<float> g(static_cast<size_t>(C));
    for (int64_t r = begin; r < end; ++r) {
      const float* xr = in + r * C;
      simd::mul(gain, dout + r * C, g.data(), C);
      const float s = scale[r];
      const float k = simd::dot(g.data(), xr, C) * s * s * s / float(C);
      for (int64_t c = 0; c < C; ++c) g[size_t(c)] = s * g[size_t(c)] - k * xr[c];
      put_row(g.data(), dx.beta, grad + r * C, C);
    }
  });
}

void backward(Ctx& ctx, const Tensor& x, const Tensor& w, const Tensor& rstd, const Tensor& dy) {
  if (x.requires_grad()) {
    GradTarget dx = grad_target(ctx, x);
    if (!ctx.meta()) backward_x(x, w, rstd, dy, dx);
  }
  if (!w.requires_grad()) return;
  const int64_t C = w.count();
  const GradTarget dw = grad_target(ctx, w);
  if (ctx.cuda()) return sum_columns_on_cuda(ctx, {dy, x, rstd, rstd.count(), C}, dw);
  const float *in = x.f32(), *scale = rstd.f32(), *dout = dy.f32();
  add_column_sums(ctx, rstd.count(), C, dw, [&](int64_t r, float* acc) {
    const float *xr = in + r * C, *dr = dout + r * C;
    for (int64_t c = 0; c < C; ++c) acc[c] += dr[c] * (xr[c] * scale[r]);
  });
}

void check(const Tensor& x, const Tensor& w) {
  if (w.count() == 0 || row_width(x) % w.count() != 0)
    fail("rms_norm x", concat("rows of a multiple of ", w.count(), " values for w ", to_string(w.shape())),
         to_string(x.shape()));
}

void record(Ctx& ctx, const Tensor& x, const Tensor& w, const Tensor& rstd, const Tensor& y) {
  if (ctx.records(x, w))
    ctx.tape->record({y}, [x, w, rstd, y = y.slot()](Ctx& c) { backward(c, x, w, rstd, y.grad()); });
}

}  // namespace

Tensor rms_norm(Ctx& ctx, const Tensor& x, const Tensor& w, float eps) {
  check(x, w);
  Tensor y = ctx.empty(x.shape(), x.dtype());
  Tensor rstd = ctx.empty({x.count() / w.count()});
  if (!ctx.meta()) forward(x, w, eps, y, rstd);
  record(ctx, x, w, rstd, y);
  return y;
}

// Two ops in one pass over memory where there is a kernel for it; the tape sees the two.
AddRmsNorm add_rms_norm(Ctx& ctx, const Tensor& x, const Tensor& residual, const Tensor& w, float eps) {
  if (!ctx.cuda()) {
    const Tensor sum = add(ctx, x, residual);
    return {sum, rms_norm(ctx, sum, w, eps)};
  }
  if (x.shape() != residual.shape())
    fail("add_rms_norm residual", concat("shape ", to_string(x.shape())), to_string(residual.shape()));
  check(x, w);
  const Tensor sum = ctx.empty(x.shape(), x.dtype()), y = ctx.empty(x.shape(), x.dtype());
  const Tensor rstd = ctx.empty({x.count() / w.count()});
  forward_on_cuda(x, residual, w, eps, sum, y, rstd);
  record_add(ctx, x, residual, sum);
  record(ctx, sum, w, rstd, y);
  return {sum, y};
}

}  // namespace rft::ops
