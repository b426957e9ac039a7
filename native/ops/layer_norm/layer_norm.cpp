// layer_norm: zero mean, unit variance per row (Ba et al. 2016).
//
//   mean = sum(x) / C     rstd = 1 / sqrt(sum((x - mean)^2) / C + eps)     h = (x - mean) rstd     y = h w + b
//   g = w dy      dx = rstd (g - mean(g) - h mean(g h))      dw += sum over rows of dy h      db += sum of dy
//
// x (T,C), w (C), b (C) -> y (T,C). Two passes for the variance: x^2 - mean^2 would cancel.
// Kept for backward: x, (mean, rstd) per row, w.
#include <cmath>

#include "ops/column_sums/column_sums.h"
#include "ops/layer_norm/launch.h"
#include "ops/ops.h"
#include "ops/rows.h"

namespace rft::ops {
namespace {

void forward(const Tensor& x, const Tensor& w, const Tensor& b, float eps, const Tensor& y, const Tensor& stats) {
  const int64_t C = w.count();
  if (x.on_cuda())
    return cuda::by_dtype(x, [&]<class T>(T*) {
      const cuda::LayerNorm<T> args{.x = x.as<T>(),
                                    .residual = nullptr,
                                    .w = w.as<T>(),
                                    .b = b.as<T>(),
                                    .sum = nullptr,
                                    .y = y.as<T>(),
                                    .stats = stats.as<float>(),
                                    .rows = x.rows(),
                                    .C = C,
                                    .eps = eps};
      cuda::layer_norm(args, cuda::stream());
    });
  const float *in = x.f32(), *gain = w.f32(), *shift = b.f32();
  float *out = y.f32(), *stat = stats.f32();
  for_rows(x.rows(), C, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const float* xr = in + r * C;
      float* yr = out + r * C;
      const float mean = simd::sum(xr, C) / float(C);
      for (int64_t c = 0; c < C; ++c) yr[c] = xr[c] - mean;
      const float rstd = 1.0f / std::sqrt(simd::sum_squares(yr, C) / float(C) + eps);
      for (int64_t c = 0; c < C; ++c) yr[c] = yr[c] * rstd * gain[c] + shift[c];
      stat[2 * r] = mean;
      stat[2 * r + 1] = rstd;
    }
  });
}

void backward_x(const Tensor& x, const Tensor& w, const Tensor& stats, const Tensor& dy, const GradTarget& dx) {
  const int64_t C = w.count();
  if (x.on_cuda())
    return cuda::by_dtype(x, [&]<class T>(T*) {
      const cuda::LayerNormBackward<T> args{.x = x.as<T>(),
                                            .w = w.as<T>(),
                                            .stats = stats.as<float>(),
                                            .dy = dy.as<T>(),
                                            .dx = dx.grad.as<T>(),
                                            .beta = dx.beta,
                                            .rows = x.rows(),
                                            .C = C};
      cuda::layer_norm_backward(args, cuda::stream());
    });
  const float *in = x.f32(), *gain = w.f32(), *stat = stats.f32(), *dout = dy.f32();
  float* grad = dx.grad.f32();
  for_rows(x.rows(), C, [&](int64_t begin, int64_t end) {
    std::vector<float> g(static_cast<size_t>(C)), h(static_cast<size_t>(C));
    for (int64_t r = begin; r < end; ++r) {
      const float mean = stat[2 * r], rstd = stat[2 * r + 1];
      simd::mul(gain, dout + r * C, g.data(), C);
      for (size_t c = 0; c < size_t(C); ++c) h[c] = (in[r * C + int64_t(c)] - mean) * rstd;
      const float mean_g = simd::sum(g.data(), C) / float(C);
      const float mean_gh = simd::dot(g.data(), h.data(), C) / float(C);
      for (size_t c = 0; c < size_t(C); ++c) g[c] = rstd * (g[c] - mean_g - h[c] * mean_gh);
      put_row(g.data(), dx.beta, grad + r * C, C);
    }
  });
}

void backward(Ctx& ctx, const Tensor& x, const Tensor& w, const Tensor& b, const Tensor& stats, const Tensor& dy) {
  if (x.requires_grad()) {
    GradTarget dx = grad_target(ctx, x);
    if (!ctx.meta()) backward_x(x, w, stats, dy, dx);
  }
  const int64_t C = w.count();
  if (ctx.cuda()) {
    if (w.requires_grad()) sum_columns_on_cuda(ctx, {dy, x, stats, x.rows(), C}, grad_target(ctx, w));
    if (b.requires_grad()) sum_columns_on_cuda(ctx, {dy, {}, {}, x.rows(), C}, grad_target(ctx, b));
    return;
  }
  const float *in = x.f32(), *stat = stats.f32(), *dout = dy.f32();
  if (w.requires_grad())
    add_column_sums(ctx, x.rows(), C, grad_target(ctx, w), [&](int64_t r, float* acc) {
      const float *xr = in + r * C, *dr = dout + r * C, mean = stat[2 * r], rstd = stat[2 * r + 1];
      for (int64_t c = 0; c < C; ++c) acc[c] += dr[c] * ((xr[c] - mean) * rstd);
    });
  if (b.requires_grad())
    add_column_sums(ctx, x.rows(), C, grad_target(ctx, b),
                    [&](int64_t r, float* acc) { simd::add(acc, dout + r * C, acc, C); });
}

}  // namespace

Tensor layer_norm(Ctx& ctx, const Tensor& x, const Tensor& w, const Tensor& b, float eps) {
  if (w.count() == 0 || row_width(x) != w.count())
    fail("layer_norm x", concat("shape (T,", w.count(), ") for w ", to_string(w.shape())), to_string(x.shape()));
  if (b.count() != w.count()) fail("layer_norm b", concat("shape ", to_string(w.shape())), to_string(b.shape()));
  Tensor y = ctx.empty(x.shape(), x.dtype());
  Tensor stats = ctx.empty({x.rows(), 2});
  if (!ctx.meta()) forward(x, w, b, eps, y, stats);
  if (ctx.records(x, w, b))
    ctx.tape->record({y}, [x, w, b = b.slot(), stats, y = y.slot()](Ctx& c) { backward(c, x, w, b, stats, y.grad()); });
  return y;
}

}  // namespace rft::ops
