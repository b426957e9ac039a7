// linear: a dense layer, weights stored as checkpoints do: one row per output.
//
//   y  = x w^T + bias           x (T,K), w (N,K), bias (N) or none -> y (T,N)
//   dx = dy w      dw += dy^T x      dbias += column sums of dy
//
// The bias is added after the product, so y[t] depends on x[t] alone, bit for bit.
// Kept for backward: x when w is trained; w.
#include "ops/column_sums/column_sums.h"
#include "ops/gemm/product.h"
#include "ops/ops.h"
#include "ops/rows.h"
#include "simd/gemm.h"

namespace rft::ops {
namespace {

using simd::Trans;

void forward(const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& y) {
  const int64_t T = x.rows(), N = w.dim(0), K = w.dim(1);
  if (x.on_cuda())
    return cuda::by_dtype(x, [&]<class S>(S*) {
      const S* b = bias ? bias.as<S>() : nullptr;
      cuda::forward_product({cuda::Form::NT, T, N, K, K, K, N}, x.as<S>(), w.as<S>(), b, y.as<S>(), cuda::stream());
    });
  float* out = y.f32();
  simd::gemm(Trans::No, Trans::Yes, T, N, K, x.f32(), K, w.f32(), K, 0.0f, out, N);
  if (!bias) return;
  const float* b = bias.f32();
  for_rows(T, N, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) simd::add(out + t * N, b, out + t * N, N);
  });
}

// x and w of the storage S; the weight's gradient is float.
void backward_on_cuda(Ctx& ctx, const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& dy) {
  const int64_t T = dy.rows(), N = w.dim(0), K = w.dim(1);
  const GradTarget dx = x.requires_grad() ? grad_target(ctx, x) : GradTarget{};
  const GradTarget dw = w.requires_grad() ? grad_target(ctx, w) : GradTarget{};
  {
    const Tensor workspace = cuda::gradient_workspace(ctx, dy.dtype());
    cuda::by_dtype(dy, [&]<class S>(S*) {
      if (dx.grad)
        cuda::gradient_product({cuda::Form::NN, T, K, N, N, K, K, dx.beta != 0.0f}, dy.as<S>(), w.as<S>(),
                               dx.grad.as<S>(), workspace, cuda::stream());
      if (dw.grad && T == 0 && dw.beta == 0.0f) dw.grad.zero();
      if (dw.grad)
        cuda::gradient_product({cuda::Form::TN, N, K, T, N, K, K, dw.beta != 0.0f}, dy.as<S>(), x.as<S>(),
                               dw.grad.as<float>(), workspace, cuda::stream());
    });
  }
  if (bias.requires_grad()) sum_columns_on_cuda(ctx, {dy, {}, {}, T, N}, grad_target(ctx, bias));
}

void backward(Ctx& ctx, const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& dy) {
  if (ctx.cuda()) return backward_on_cuda(ctx, x, w, bias, dy);
  const int64_t T = dy.rows(), N = w.dim(0), K = w.dim(1);
  const float* dout = dy.f32();
  if (x.requires_grad()) {
    GradTarget dx = grad_target(ctx, x);
    if (!ctx.meta()) simd::gemm(Trans::No, Trans::No, T, K, N, dout, N, w.f32(), K, dx.beta, dx.grad.f32(), K);
  }
  if (w.requires_grad()) {
    GradTarget dw = grad_target(ctx, w);
    if (!ctx.meta()) simd::gemm(Trans::Yes, Trans::No, N, K, T, dout, N, x.f32(), K, dw.beta, dw.grad.f32(), K);
  }
  if (bias.requires_grad())
    add_column_sums(ctx, T, N, grad_target(ctx, bias),
                    [&](int64_t t, float* acc) { simd::add(acc, dout + t * N, acc, N); });
}

}  // namespace

Tensor linear(Ctx& ctx, const Tensor& x, const Tensor& w, const Tensor& bias) {
  if (w.shape().size() != 2) fail("linear w", "shape (N,K)", to_string(w.shape()));
  if (row_width(x) != w.dim(1))
    fail("linear x", concat("shape (T,", w.dim(1), ") for w ", to_string(w.shape())), to_string(x.shape()));
  if (bias && bias.count() != w.dim(0))
    fail("linear bias", concat("shape (", w.dim(0), ") for w ", to_string(w.shape())), to_string(bias.shape()));
  Tensor y = ctx.empty({x.rows(), w.dim(0)}, x.dtype());
  if (!ctx.meta()) forward(x, w, bias, y);
  if (ctx.records(x, w, bias))
    ctx.tape->record({y}, [x = w.requires_grad() ? x : x.slot(), w, bias = bias.slot(), y = y.slot()](Ctx& c) {
      backward(c, x, w, bias, y.grad());
    });
  return y;
}

}  // namespace rft::ops
