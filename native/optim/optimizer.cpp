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

namespace {

Dtype dtype_of_state(ops::StateFormat format) {
  if (format == ops::StateFormat::F32) return Dtype::F32;
  return format == ops::StateFormat::BF16 ? Dtype::BF16 : Dtype::U8;
}

}  // namespace

Optimizer::Optimizer(Model& model, const OptimizerOptions& options) : model_(model), options_(options) {
  state_pool_ = options.offload_piece > 0 ? host_pool_beside(*model.pool()) : model.pool();
  const bool in_place = options.stochastic_rounding;
  model.weights().set_gradient_dtype(options.gradients);
  for (auto& p : model.weights().all()) {
    if (!p.trainable) continue;
    const bool bf16 = p.value.dtype() == Dtype::BF16;
    expect(bf16 || !in_place, "optimizer stochastic rounding", "BF16 weights", "F32");
    const bool small = options.state == ops::StateFormat::Bits8 && p.value.count() < kMin8BitSize;
    const ops::StateFormat format = small ? ops::StateFormat::F32 : options.state;
    const auto& no = options.no_decay;
    State s{p.name,
            format,
            make_moment(p.value, format),
            make_moment(p.value, format),
            {},
            std::find(no.begin(), no.end(), p.name) == no.end(),
            p.name.starts_with("value_head.") ? options.head_lr_factor : 1.0f};
    if (bf16 && !in_place) {
      s.master = Tensor(state_pool_, p.value.shape(), Dtype::F32, Purpose::Optimizer);
      if (options.offload_piece > 0) read_floats(p.value, 0, p.value.count(), static_cast<float*>(s.master.raw()));
      else copy_values(p.value, s.master);
    }
    states_.push_back(std::move(s));
  }
}

// Zeros: every code is 0 where the scale is.
Optimizer::Stored Optimizer::make_moment(const Tensor& parameter, ops::StateFormat format) const {
  Stored out{Tensor(state_pool_, parameter.shape(), dtype_of_state(format), Purpose::Optimizer), {}};
  out.values.zero();
  if (format != ops::StateFormat::Bits8) return out;
  out.scales = Tensor(state_pool_, {ops::state_blocks(parameter.count())}, Dtype::F32, Purpose::Optimizer);
  out.scales.zero();
  return out;
}

ops::Moment Optimizer::Stored::moment() const {
  const Dtype dtype = values.dtype();
  const auto format = dtype == Dtype::F32    ? ops::StateFormat::F32
                      : dtype == Dtype::BF16 ? ops::StateFormat::BF16
                                             : ops::StateFormat::Bits8;
  return {format, values.raw(), scales ? scales.f32() : nullptr};
}

OptimizerStep Optimizer::step(float lr, float max_grad_norm) {
  Ctx ctx = model_.context();
  model_.finish_backward(ctx);
  const double norm = grad_norm(ctx);
  const OptimizerStep out{norm, !std::isfinite(norm)};
  if (!out.skipped) {
    ++steps_;
    const float scale = ops::clip_coefficient(norm, max_grad_norm);
    if (options_.offload_piece > 0) update_offloaded(ctx, lr, scale);
    else if (ctx.cuda()) update_on_cuda(ctx, lr, scale);
    else update(ctx, lr, scale);
  }
  model_.weights().zero_grad();
  if (!out.skipped) model_.weights_changed();
  return out;
}

double Optimizer::grad_norm(Ctx& ctx) const {
  std::vector<Tensor> grads;
  for (const auto& s : states_)
    if (const Tensor& g = model_.weights().at(s.name).value.grad()) grads.push_back(g);
  if (!ctx.cuda()) {
    std::vector<ops::GradSpan> spans;
    for (const Tensor& g : grads) {
      const bool bf16 = g.dtype() == Dtype::BF16;
      if (!ctx.meta()) spans.push_back({bf16 ? nullptr : g.f32(), g.count(), bf16 ? g.bf16() : nullptr});
    }
    return ops::grad_norm(spans);
  }
  double sum = 0.0;
  int64_t chunks = 0;
  for (const Tensor& g : grads) chunks += cuda::sum_squares_chunks(g.count());
  const Tensor partial = ctx.workspace({chunks}), total = ctx.workspace({int64_t(sizeof(double))}, Dtype::U8);
  cuda::on_stream(ctx, [&](auto stream) {
    float* to = partial.as<float>();
    for (const Tensor& g : grads) {
      cuda::by_dtype(g, [&]<class T>(T*) { cuda::sum_squares(g.as<T>(), g.count(), to, stream); });
      to += cuda::sum_squares_chunks(g.count());
    }
    cuda::sum_partials(partial.as<float>(), chunks, reinterpret_cast<double*>(total.as<uint8_t>()), stream);
    device::to_host(&sum, total.raw(), sizeof sum);
  });
  return std::sqrt(sum);
}

void Optimizer::update(Ctx& ctx, float lr, float scale) {
  if (ctx.meta()) return;
  std::map<float, std::vector<ops::AdamWTensor>> tensors;  // by learning rate factor
  for (size_t i = 0; i < states_.size(); ++i) {
    const State& s = states_[i];
    const Tensor &p = model_.weights().at(s.name).value, &g = p.grad();
    if (!g) continue;
    const bool bf16 = g.dtype() == Dtype::BF16;
    tensors[s.lr_factor].push_back({.p = p.f32(),
                                    .g = bf16 ? nullptr : g.f32(),
                                    .m = s.m.moment(),
                                    .v = s.v.moment(),
                                    .n = p.count(),
                                    .decay = s.decay,
                                    .id = uint32_t(i),
                                    .g_bf16 = bf16 ? g.bf16() : nullptr});
  }
  ops::AdamWParams params = options_.adamw;
  for (const auto& [factor, own] : tensors) {
    params.lr = lr * factor;
    ops::adamw_step(own, params, steps_, scale);
  }
}

void Optimizer::update_on_cuda(Ctx& ctx, float lr, float scale) {
  launch_on_cuda(ctx, options_.state, lr, scale);
  if (options_.state == ops::StateFormat::Bits8) launch_on_cuda(ctx, ops::StateFormat::F32, lr, scale);
}

bool Optimizer::has_work(const State& s) const {
  const Tensor& p = model_.weights().at(s.name).value;
  return p.grad() && p.count() > 0;
}

// With the state where it lives.
cuda::AdamWEntry Optimizer::entry(size_t state, float lr) const {
  const State& s = states_[state];
  const Tensor& p = model_.weights().at(s.name).value;
  const auto floats = [](const Tensor& t) { return t ? static_cast<float*>(t.raw()) : nullptr; };
  return {.p = p.raw(),
          .master = floats(s.master),
          .g = p.grad().raw(),
          .m = s.m.values.raw(),
          .v = s.v.values.raw(),
          .n = p.count(),
          .first_chunk = 0,
          .decay = s.decay ? float(double(lr * s.lr_factor) * options_.adamw.weight_decay) : 0.0f,
          .id = uint32_t(state),
          .lr_factor = s.lr_factor,
          .m_scales = floats(s.m.scales),
          .v_scales = floats(s.v.scales)};
}

// Without its table.
cuda::AdamW Optimizer::call(float lr, float scale, const Tensor& maps) const {
  const ops::AdamWParams& o = options_.adamw;
  const auto correction = [&](float beta) { return float(1.0 / (1.0 - std::pow(double(beta), double(steps_)))); };
  const float beta1 = float(o.beta1), beta2 = float(o.beta2);
  return {.table = nullptr,
          .tensors = 0,
          .chunks = 0,
          .lr = lr,
          .beta1 = beta1,
          .beta2 = beta2,
          .eps = float(o.eps),
          .c1 = correction(beta1),
          .c2 = correction(beta2),
          .grad_scale = scale,
          .seed = o.seed,
          .step = steps_,
          .stochastic = options_.stochastic_rounding,
          .maps = maps ? static_cast<const ops::DynamicMaps*>(maps.raw()) : nullptr};
}

// On this thread's stream.
void Optimizer::launch(const cuda::AdamW& call, ops::StateFormat format) const {
  if constexpr (kCudaBuilt) {
    const bool bf16 = model_.decoder().head_weight().dtype() == Dtype::BF16;
    cuda::adamw(call, {bf16, options_.gradients == Dtype::BF16, format}, cuda::stream());
  }
}

// What 8-bit codes stand for; nothing for other formats.
Tensor Optimizer::upload_maps(Ctx& ctx) const {
  if (options_.state != ops::StateFormat::Bits8) return {};
  const Tensor maps = ctx.workspace({int64_t(sizeof ops::kDynamicMaps)}, Dtype::U8);
  upload(&ops::kDynamicMaps, maps);
  return maps;
}

// The parameters whose moments have this format.
void Optimizer::launch_on_cuda(Ctx& ctx, ops::StateFormat format, float lr, float scale) {
  std::vector<cuda::AdamWEntry> table;
  int64_t chunks = 0;
  for (size_t i = 0; i < states_.size(); ++i) {
    if (states_[i].format != format || !has_work(states_[i])) continue;
    table.push_back(entry(i, lr));
    table.back().first_chunk = chunks;
    chunks += (table.back().n + cuda::kAdamWChunk - 1) / cuda::kAdamWChunk;
  }
  if (table.empty()) return;
  const Tensor entries = ctx.workspace({int64_t(table.size() * sizeof(table[0]))}, Dtype::U8);
  upload(table.data(), entries);
  const Tensor maps = upload_maps(ctx);
  if (ctx.meta()) return;
  cuda::AdamW all = call(lr, scale, maps);
  all.table = static_cast<const cuda::AdamWEntry*>(entries.raw());
  all.tensors = int32_t(table.size());
  all.chunks = chunks;
  launch(all, format);
}

std::vector<NamedTensor> Optimizer::states() const {
  std::vector<NamedTensor> out;
  for (const State& s : states_) {
    out.push_back({"m." + s.name, s.m.values});
    out.push_back({"v." + s.name, s.v.values});
    if (s.m.scales) out.push_back({"m_scales." + s.name, s.m.scales});
    if (s.v.scales) out.push_back({"v_scales." + s.name, s.v.scales});
    if (s.master) out.push_back({"master." + s.name, s.master});
  }
  return out;
}

Tensor Optimizer::state(const std::string& name) const {
  for (const NamedTensor& s : states())
    if (s.name == name) return s.value;
  fail("optimizer", "the name of a state tensor (m.<parameter> or v.<parameter>)", name);
}

}  // namespace rft
