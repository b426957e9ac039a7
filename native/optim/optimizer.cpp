#include "optim/optimizer.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "ops/adamw/launch.h"
#include "ops/grad_norm/grad_norm.h"
#include "ops/grad_norm/launch.h"
#include "tensor/dispatch.h"
#include "tensor/values.h"

namespace rft {

Optimizer::Optimizer(Model& model, const OptimizerOptions& options) : model_(model), options_(options) {
  for (auto& p : model.weights().all()) {
    if (!p.trainable) continue;
    const auto& no = options.no_decay;
    const auto state = [&] { return Tensor(model.pool(), p.value.shape(), Dtype::F32, Purpose::Optimizer); };
    Moments s{p.name,
              state(),
              state(),
              {},
              std::find(no.begin(), no.end(), p.name) == no.end(),
              p.name.starts_with("value_head.") ? options.head_lr_factor : 1.0f};
    s.m.zero();
    s.v.zero();
    if (p.value.dtype() == Dtype::BF16) {
      s.master = state();
      copy_values(p.value, s.master);
    }
    moments_.push_back(std::move(s));
  }
}

OptimizerStep Optimizer::step(float lr, float max_grad_norm) {
  Ctx ctx = model_.context();
  model_.finish_backward(ctx);
  const double norm = grad_norm(ctx);
  const OptimizerStep out{norm, !std::isfinite(norm)};
  if (!out.skipped) {
    ++steps_;
    const float scale = ops::clip_coefficient(norm, max_grad_norm);
    if (ctx.cuda()) update_on_cuda(ctx, lr, scale);
    else update(ctx, lr, scale);
  }
  model_.weights().zero_grad();
  if (!out.skipped) model_.weights_changed();
  return out;
}

double Optimizer::grad_norm(Ctx& ctx) const {
  std::vector<Tensor> grads;
  for (const auto& s : moments_)
    if (const Tensor& g = model_.weights().at(s.name).value.grad()) grads.push_back(g);
  if (!ctx.cuda()) {
    std::vector<ops::GradSpan> spans;
    for (const Tensor& g : grads)
      if (!ctx.meta()) spans.push_back({g.f32(), g.count()});
    return ops::grad_norm(spans);
  }
  double sum = 0.0;
  int64_t chunks = 0;
  for (const Tensor& g : grads) chunks += cuda::sum_squares_chunks(g.count());
  const Tensor partial = ctx.workspace({chunks}), total = ctx.workspace({int64_t(sizeof(double))}, Dtype::U8);
  cuda::on_stream(ctx, [&](auto stream) {
    float* to = partial.as<float>();
    for (const Tensor& g : grads) {
      cuda::sum_squares(g.as<float>(), g.count(), to, stream);
      to += cuda::sum_squares_chunks(g.count());
    }
    cuda::sum_partials(partial.as<float>(), chunks, reinterpret_cast<double*>(total.as<uint8_t>()), stream);
    device::to_host(&sum, total.raw(), sizeof sum);
  });
  return std::sqrt(sum);
}

void Optimizer::update(Ctx& ctx, float lr, float scale) {
  std::map<float, std::vector<ops::AdamWTensor>> tensors;  // by learning rate factor
  for (auto& s : moments_) {
    const Tensor& p = model_.weights().at(s.name).value;
    if (p.grad() && !ctx.meta())
      tensors[s.lr_factor].push_back({p.f32(), p.grad().f32(), s.m.f32(), s.v.f32(), p.count(), s.decay});
  }
  ops::AdamWParams params = options_.adamw;
  for (const auto& [factor, own] : tensors) {
    params.lr = lr * factor;
    ops::adamw_step(own, params, steps_, scale);
  }
}

void Optimizer::update_on_cuda(Ctx& ctx, float lr, float scale) {
  const ops::AdamWParams& o = options_.adamw;
  std::vector<cuda::AdamWEntry> table;
  int64_t chunks = 0;
  for (size_t i = 0; i < moments_.size(); ++i) {
    const Moments& s = moments_[i];
    const Tensor& p = model_.weights().at(s.name).value;
    if (!p.grad() || p.count() == 0) continue;
    table.push_back({.p = p.raw(),
                     .master = s.master ? s.master.as<float>() : nullptr,
                     .g = p.grad().as<float>(),
                     .m = s.m.as<float>(),
                     .v = s.v.as<float>(),
                     .n = p.count(),
                     .first_chunk = chunks,
                     .decay = s.decay ? float(double(lr * s.lr_factor) * o.weight_decay) : 0.0f,
                     .id = uint32_t(i),
                     .lr_factor = s.lr_factor});
    chunks += (p.count() + cuda::kAdamWChunk - 1) / cuda::kAdamWChunk;
  }
  if (table.empty()) return;
  const Tensor entries = ctx.workspace({int64_t(table.size() * sizeof(table[0]))}, Dtype::U8);
  upload(table.data(), entries);
  cuda::on_stream(ctx, [&](auto stream) {
    const auto correction = [&](float beta) { return float(1.0 / (1.0 - std::pow(double(beta), double(steps_)))); };
    const float beta1 = float(o.beta1), beta2 = float(o.beta2);
    const cuda::AdamW call{.table = reinterpret_cast<const cuda::AdamWEntry*>(entries.as<uint8_t>()),
                           .tensors = int32_t(table.size()),
                           .chunks = chunks,
                           .lr = lr,
                           .beta1 = beta1,
                           .beta2 = beta2,
                           .eps = float(o.eps),
                           .c1 = correction(beta1),
                           .c2 = correction(beta2),
                           .grad_scale = scale,
                           .seed = 0,
                           .step = steps_,
                           .stochastic = false};
    if (model_.decoder().head_weight().dtype() == Dtype::BF16) cuda::adamw_bf16(call, stream);
    else cuda::adamw_f32(call, stream);
  });
}

Tensor Optimizer::state(const std::string& name) const {
  for (const auto& s : moments_) {
    if (name == "m." + s.name) return s.m;
    if (name == "v." + s.name) return s.v;
    if (s.master && name == "master." + s.name) return s.master;
  }
  fail("optimizer", "the name of a state tensor (m.<parameter> or v.<parameter>)", name);
}

}  // namespace rft
