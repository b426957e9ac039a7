#include "optim/optimizer.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "ops/grad_norm/grad_norm.h"

namespace rft {

Optimizer::Optimizer(Model& model, const OptimizerOptions& options) : model_(model), options_(options) {
  for (auto& p : model.weights().all()) {
    if (!p.trainable) continue;
    const auto& no = options.no_decay;
    Moments s{p.name, Tensor(model.pool(), p.value.shape(), Dtype::F32, Purpose::Optimizer),
              Tensor(model.pool(), p.value.shape(), Dtype::F32, Purpose::Optimizer),
              std::find(no.begin(), no.end(), p.name) == no.end(),
              p.name.starts_with("value_head.") ? options.head_lr_factor : 1.0f};
    s.m.zero();
    s.v.zero();
    moments_.push_back(std::move(s));
  }
}

OptimizerStep Optimizer::step(float lr, float max_grad_norm) {
  Ctx ctx = model_.context();
  model_.finish_backward(ctx);
  std::map<float, std::vector<ops::AdamWTensor>> tensors;  // by learning rate factor
  std::vector<ops::GradSpan> grads;
  for (auto& s : moments_) {
    const Tensor& p = model_.weights().at(s.name).value;
    if (!p.grad() || !p.raw()) continue;
    tensors[s.lr_factor].push_back({p.f32(), p.grad().f32(), s.m.f32(), s.v.f32(), p.count(), s.decay});
    grads.push_back({p.grad().f32(), p.count()});
  }
  const double norm = ops::grad_norm(grads);
  OptimizerStep out{norm, !std::isfinite(norm)};
  if (!out.skipped) {
    ops::AdamWParams params = options_.adamw;
    ++steps_;
    for (const auto& [factor, own] : tensors) {
      params.lr = lr * factor;
      ops::adamw_step(own, params, steps_, ops::clip_coefficient(norm, max_grad_norm));
    }
  }
  model_.weights().zero_grad();
  if (!out.skipped) model_.weights_changed();
  return out;
}

Tensor Optimizer::state(const std::string& name) const {
  for (const auto& s : moments_) {
    if (name == "m." + s.name) return s.m;
    if (name == "v." + s.name) return s.v;
  }
  fail("optimizer", "the name of a state tensor (m.<parameter> or v.<parameter>)", name);
}

}  // namespace rft
