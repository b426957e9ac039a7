#include "model/weights.h"

#include <cmath>

#include "base/parallel_for.h"
#include "base/philox.h"
#include "tensor/values.h"

namespace rft {

Weights::Weights(std::shared_ptr<Pool> pool, const std::optional<LoraSpec>& lora, Dtype dtype)
    : pool_(std::move(pool)), dtype_(dtype) {
  if (!lora) return;
  expect(lora->dropout >= 0.0f && lora->dropout < 1.0f, "lora.dropout", "a share in [0,1)", lora->dropout);
  dropout_ = lora->dropout;
  for (const auto& target : lora->targets) {
    expect(target.rank > 0, "lora " + target.linear, "a rank of at least 1", target.rank);
    expect(adapters_.emplace(target.linear, target).second, "lora", "each linear once", target.linear + " twice");
  }
}

const LoraSpec::Target* Weights::adapter(const std::string& linear) const {
  const auto found = adapters_.find(linear);
  return found == adapters_.end() ? nullptr : &found->second;
}

Tensor Weights::add(const std::string& name, Shape shape) {
  Tensor value(pool_, std::move(shape), dtype_, Purpose::Weights);
  value.set_requires_grad(true);
  index_[name] = parameters_.size();
  parameters_.push_back({name, value});
  return value;
}

Parameter& Weights::at(const std::string& name) {
  auto found = index_.find(name);
  expect(found != index_.end(), "model", "the name of a parameter", name);
  return parameters_[found->second];
}

namespace {

bool ends_with(const std::string& text, const std::string& tail) {
  return text.size() >= tail.size() && text.compare(text.size() - tail.size(), tail.size(), tail) == 0;
}

// Box-Muller on counter-based uniforms.
float normal(uint64_t seed, uint64_t stream, uint64_t i) {
  const double u = 1.0 - philox_uniform(seed, stream, 2 * i);
  const double v = philox_uniform(seed, stream, 2 * i + 1);
  return float(std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * M_PI * v));
}

// Standard deviation of a matrix's first values: 1 / sqrt(inputs), so that activations keep their size from layer to
// layer; less for the projections that write into the residual stream, and a small embedding beside them. Image
// features begin larger than what the decoder's layers add to them: small ones were first blown up along their
// strongest direction (colour, in drawn shapes), which hid everything else they said.
float spread(const Parameter& p) {
  if (p.name == "decoder.embed.weight") return 0.05f;
  const float even = 1.0f / std::sqrt(float(p.value.columns()));
  if (p.name == "vision.merger.fc2.weight") return 6.0f * even;
  const bool into_residual =
      ends_with(p.name, ".o.weight") || ends_with(p.name, ".down.weight") || ends_with(p.name, ".proj.weight");
  return into_residual ? 0.4f * even : even;
}

bool is_adapter(const Parameter& p) { return ends_with(p.name, kLoraA) || ends_with(p.name, kLoraB); }

}  // namespace

uint64_t fnv1a(const std::string& text) {
  uint64_t h = 1469598103934665603ull;
  for (unsigned char c : text) h = (h ^ c) * 1099511628211ull;
  return h;
}

void Weights::init_random(uint64_t seed) {
  init_adapters(seed);
  for (auto& p : parameters_) {
    if (p.value.device() == Device::Meta || is_adapter(p)) continue;
    const int64_t n = p.value.count();
    std::vector<float> data(static_cast<size_t>(n));
    const bool bias = ends_with(p.name, ".bias");
    const bool norm = p.value.shape().size() == 1 && !bias;
    const uint64_t stream = fnv1a(p.name);
    const float std = norm || bias ? 0.0f : spread(p);
    parallel_ranges(n, 4096, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) data[size_t(i)] = norm ? 1.0f : bias ? 0.0f : std * normal(seed, stream, i);
    });
    write_floats(p.value, 0, n, data.data());
  }
}

void Weights::init_adapters(uint64_t seed) {
  for (auto& p : parameters_) {
    if (p.value.device() == Device::Meta || !is_adapter(p)) continue;
    const bool first = ends_with(p.name, kLoraA);
    const float bound = 1.0f / std::sqrt(float(p.value.columns()));
    const uint64_t stream = fnv1a(p.name);
    std::vector<float> data(static_cast<size_t>(p.value.count()));
    parallel_ranges(p.value.count(), 4096, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        data[size_t(i)] = first ? bound * float(2.0 * philox_uniform(seed, stream, uint64_t(i)) - 1.0) : 0.0f;
    });
    write_floats(p.value, 0, p.value.count(), data.data());
  }
}

void Weights::set_trainable(const std::string& name, bool on) {
  Parameter& p = at(name);
  p.trainable = on;
  p.value.set_requires_grad(on);
  if (!on) p.value.set_grad({});
}

void Weights::set_gradient_dtype(Dtype dtype) {
  for (auto& p : parameters_) {
    if (p.value.grad_dtype() == dtype) continue;
    p.value.set_grad_dtype(dtype);
    p.value.set_grad({});
  }
}

void Weights::zero_grad() {
  for (auto& p : parameters_) {
    if (!p.trainable) continue;
    const Tensor& x = p.value;
    if (!x.grad()) x.set_grad(Tensor(pool_, x.shape(), x.grad_dtype(), Purpose::Gradients));
    p.value.grad().zero();
  }
}

}  // namespace rft
