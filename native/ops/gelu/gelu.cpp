// gelu: Gaussian error linear unit (Hendrycks and Gimpel 2016), three forms that checkpoints ask for.
//
//   Erf    y = x Phi(x), Phi the normal distribution      ("gelu")
//   Tanh   y = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))      ("gelu_pytorch_tanh", "gelu_new")
//   Quick  y = x sigmoid(1.702 x)      ("quick_gelu")
//
// x (T,F) -> y (T,F); dx = dy y'(x). Kept for backward: x.
#include "ops/gelu/launch.h"
#include "ops/ops.h"
#include "ops/rows.h"
#include "tensor/dispatch.h"

namespace rft::ops {
namespace {

cuda::GeluForm form(Gelu kind) {
  return kind == Gelu::Erf ? cuda::GeluForm::Erf : kind == Gelu::Tanh ? cuda::GeluForm::Tanh : cuda::GeluForm::Quick;
}

void forward(const Tensor& x, Gelu kind, const Tensor& y) {
  if (x.on_cuda())
    return cuda::by_dtype(
        x, [&]<class T>(T*) { cuda::gelu(x.as<T>(), y.as<T>(), x.count(), form(kind), cuda::stream()); });
  const auto apply = kind == Gelu::Erf ? simd::gelu_erf : kind == Gelu::Tanh ? simd::gelu_tanh : simd::quick_gelu;
  const int64_t F = row_width(x);
  const float* in = x.f32();
  float* out = y.f32();
  for_rows(x.rows(), F, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) apply(in + t * F, out + t * F, F);
  });
}

void backward(const Tensor& x, Gelu kind, const Tensor& dy, const GradTarget& dx) {
  if (x.on_cuda())
    return cuda::by_dtype(x, [&]<class T>(T*) {
      cuda::gelu_backward(x.as<T>(), dy.as<T>(), dx.grad.as<T>(), dx.beta, x.count(), form(kind), cuda::stream());
    });
  const auto apply = kind == Gelu::Erf    ? simd::gelu_erf_backward
                     : kind == Gelu::Tanh ? simd::gelu_tanh_backward
                                          : simd::quick_gelu_backward;
  const int64_t F = row_width(x);
  const float *in = x.f32(), *dout = dy.f32();
  float* grad = dx.grad.f32();
  for_rows(x.rows(), F, [&](int64_t begin, int64_t end) {
    std::vector<float> row(static_cast<size_t>(F));
    for (int64_t t = begin; t < end; ++t) {
      apply(in + t * F, dout + t * F, row.data(), F);
      put_row(row.data(), dx.beta, grad + t * F, F);
    }
  });
}

}  // namespace

Tensor gelu(Ctx& ctx, const Tensor& x, Gelu kind) {
  Tensor y = ctx.empty(x.shape(), x.dtype());
  if (!ctx.meta()) forward(x, kind, y);
  if (ctx.records(x))
    ctx.tape->record({y}, [x, kind, y = y.slot()](Ctx& c) {
      GradTarget dx = grad_target(c, x);
      if (!c.meta()) backward(x, kind, y.grad(), dx);
    });
  return y;
}

}  // namespace rft::ops
