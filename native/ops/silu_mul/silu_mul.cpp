// silu_mul: the gate of a SwiGLU block (Shazeer 2020).
//
//   y = silu(gate) up          silu(x) = x sigmoid(x)
//   dgate = dy up sigmoid(gate) (1 + gate (1 - sigmoid(gate)))      dup = dy silu(gate)
//
// gate, up (T,F) -> y (T,F). Kept for backward: gate, up; the sigmoid is computed again.
#include "ops/ops.h"
#include "ops/rows.h"
#include "ops/silu_mul/launch.h"
#include "tensor/dispatch.h"

namespace rft::ops {
namespace {

void forward(const Tensor& gate, const Tensor& up, const Tensor& y) {
  if (gate.on_cuda())
    return cuda::by_dtype(
        gate, [&]<class T>(T*) { cuda::silu_mul(gate.as<T>(), up.as<T>(), y.as<T>(), y.count(), cuda::stream()); });
  const int64_t F = row_width(gate);
  const float *g = gate.f32(), *u = up.f32();
  float* out = y.f32();
  for_rows(gate.rows(), F, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) simd::silu_mul(g + t * F, u + t * F, out + t * F, F);
  });
}

// Either target may be absent.
void backward(const Tensor& gate, const Tensor& up, const Tensor& dy, const GradTarget& dgate, const GradTarget& dup) {
  if (gate.on_cuda())
    return cuda::by_dtype(gate, [&]<class T>(T*) {
      const cuda::SiluMulBackward<T> args{.gate = gate.as<T>(),
                                          .up = up.as<T>(),
                                          .dy = dy.as<T>(),
                                          .dgate = dgate.grad ? dgate.grad.as<T>() : nullptr,
                                          .beta_gate = dgate.beta,
                                          .dup = dup.grad ? dup.grad.as<T>() : nullptr,
                                          .beta_up = dup.beta,
                                          .n = gate.count()};
      cuda::silu_mul_backward(args, cuda::stream());
    });
  const int64_t F = row_width(gate);
  const float *g = gate.f32(), *u = up.f32(), *dout = dy.f32();
  float* to_gate = dgate.grad ? dgate.grad.f32() : nullptr;
  float* to_up = dup.grad ? dup.grad.f32() : nullptr;
  for_rows(gate.rows(), F, [&](int64_t begin, int64_t end) {
    std::vector<float> dg(static_cast<size_t>(F)), du(static_cast<size_t>(F));
    for (int64_t t = begin; t < end; ++t) {
      simd::silu_mul_backward(g + t * F, u + t * F, dout + t * F, dg.data(), du.data(), F);
      if (to_gate) put_row(dg.data(), dgate.beta, to_gate + t * F, F);
      if (to_up) put_row(du.data(), dup.beta, to_up + t * F, F);
    }
  });
}

}  // namespace

Tensor silu_mul(Ctx& ctx, const Tensor& gate, const Tensor& up) {
  if (gate.shape() != up.shape()) fail("silu_mul up", concat("shape ", to_string(gate.shape())), to_string(up.shape()));
  Tensor y = ctx.empty(gate.shape(), gate.dtype());
  if (!ctx.meta()) forward(gate, up, y);
  if (ctx.records(gate, up))
    ctx.tape->record({y}, [gate, up, y = y.slot()](Ctx& c) {
      GradTarget dgate{}, dup{};
      if (gate.requires_grad()) dgate = grad_target(c, gate);
      if (up.requires_grad()) dup = grad_target(c, up);
      if (!c.meta()) backward(gate, up, y.grad(), dgate, dup);
    });
  return y;
}

}  // namespace rft::ops
