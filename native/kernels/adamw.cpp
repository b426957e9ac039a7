#include "kernels/adamw.h"

#include <cmath>

#include "ops/adamw/launch.h"
#include "tensor/dispatch.h"
#include "tensor/values.h"

namespace rft::kernels {
namespace {

void on_cuda(const Ctx& ctx, const AdamWTensors& t, const ops::AdamWParams& o, int64_t step, float grad_scale) {
  const int64_t n = t.parameter.count();
  if (n == 0) return;
  const cuda::AdamWEntry entry{.p = t.parameter.raw(),
                               .master = nullptr,
                               .g = t.gradient.raw(),
                               .m = t.m.raw(),
                               .v = t.v.raw(),
                               .n = n,
                               .first_chunk = 0,
                               .decay = float(o.lr * o.weight_decay),
                               .id = 0};
  const Tensor table = ctx.workspace({int64_t(sizeof entry)}, Dtype::U8);
  upload(&entry, table);
  const auto correction = [&](double beta) { return float(1.0 / (1.0 - std::pow(double(float(beta)), double(step)))); };
  const cuda::AdamW call{.table = static_cast<const cuda::AdamWEntry*>(table.raw()),
                         .tensors = 1,
                         .chunks = (n + cuda::kAdamWChunk - 1) / cuda::kAdamWChunk,
                         .lr = float(o.lr),
                         .beta1 = float(o.beta1),
                         .beta2 = float(o.beta2),
                         .eps = float(o.eps),
                         .c1 = correction(o.beta1),
                         .c2 = correction(o.beta2),
                         .grad_scale = grad_scale,
                         .seed = 0,
                         .step = step,
                         .stochastic = false};
  cuda::on_stream(ctx, [&](auto stream) { cuda::adamw(call, {}, stream); });
}

}  // namespace

void adamw(const Ctx& ctx, const AdamWTensors& t, const ops::AdamWParams& params, int64_t step, float grad_scale) {
  expect(step >= 1, "adamw t", "a step count from 1", step);
  if (ctx.cuda()) return on_cuda(ctx, t, params, step, grad_scale);
  ops::adamw_step({{t.parameter.f32(), t.gradient.f32(), t.m.f32(), t.v.f32(), t.parameter.count(), true}}, params,
                  step, grad_scale);
}

}  // namespace rft::kernels
