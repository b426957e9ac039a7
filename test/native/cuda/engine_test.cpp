// A whole GRPO and PPO step of a tiny vision-language model on the CUDA device and on the CPU: generate, score, losses
// of policy and critic, optimizer. In fp32 both agree within 1e-4; in bf16 within what bf16 rounding allows, against a
// CPU model with the rounded weights. The sampler's log-probs are the trainer's to the bit.
#include <algorithm>
#include <cmath>
#include <memory>

#include "engine/generate.h"
#include "engine/loss.h"
#include "engine/training.h"
#include "harness.h"
#include "optim/optimizer.h"
#include "simd/vmath.h"
#include "tiny_model.h"

using namespace rft;
using namespace rft::test;

namespace {

ModelSpec tiny_spec() {
  ModelSpec spec = tiny_text_spec();
  spec.decoder.mrope_section = std::array<int, 3>{2, 3, 3};
  spec.vision = VisionSpec{.patch_dim = 24,
                           .hidden = 32,
                           .layers = 2,
                           .heads = 2,
                           .ffn = 40,
                           .norm_eps = 1e-6f,
                           .rope_theta = 10000,
                           .merge = 2,
                           .patch_size = 14,
                           .window_size = 56,
                           .full_blocks = {1},
                           .out_hidden = 32};
  spec.value_head = true;
  return spec;
}

// A prompt of 13 tokens, six of which are an image of 4 x 6 patches.
GenerateRequest make_request(uint64_t seed, int samples) {
  constexpr int kTokens = 13;
  Random random(seed);
  GenerateRequest r;
  for (int i = 0; i < kTokens; ++i) r.tokens.push_back(int32_t(random.below(61)));
  for (int axis = 0; axis < 3; ++axis)
    for (int i = 0; i < kTokens; ++i)
      r.positions.push_back(i < 3 || i >= 9 || axis == 0 ? std::min(i, 9) : i % 3 + axis);
  VisionInput image;
  image.keys = {concat("image ", seed)};
  image.grids = {1, 4, 6};
  image.patches = {std::make_shared<const Floats>(Random(seed + 50).normals(24 * 24))};
  for (int i = 0; i < 6; ++i) image.rows.push_back(3 + i), image.features.push_back(i);
  r.vision = image;
  r.next_position = 10;
  r.samples = samples;
  r.stream = seed * 100;
  return r;
}

GenerateOptions sampling() {
  GenerateOptions o;
  o.max_new_tokens = 7;
  o.sampling = {.temperature = 0.8f, .top_k = 0, .top_p = 0.98f, .min_p = 0.0f, .greedy = false};
  o.seed = 5;
  o.stop_tokens = {7};
  o.forbidden_tokens = {0, 1};
  o.max_sequences = 4;
  return o;
}

// [prompt][completion 1] .. [completion G], the prompt shared.
struct Batch {
  Pack pack;
  HeadRows head;
  std::vector<int32_t> sequences = {0};
};
Batch make_batch(const GenerateRequest& request, const std::vector<Generated>& group) {
  Batch b;
  const int32_t P = int32_t(request.tokens.size());
  b.pack.tokens = request.tokens;
  b.pack.segments.push_back({0, P, 0, 0, 0, P, 1});
  b.pack.vision = request.vision;
  b.head.temperature = sampling().sampling.temperature;
  std::vector<int32_t> completion_positions;
  for (const Generated& g : group) {
    const int32_t begin = int32_t(b.pack.tokens.size()), n = int32_t(g.tokens.size());
    b.pack.segments.push_back({begin, n, 0, P, begin, n, 1});
    for (int32_t j = 0; j < n; ++j) {
      b.pack.tokens.push_back(g.tokens[size_t(j)]);
      completion_positions.push_back(request.next_position + j);
      b.head.rows.push_back(j == 0 ? P - 1 : begin + j - 1);
      b.head.targets.push_back(g.tokens[size_t(j)]);
    }
  }
  for (const Generated& g : group) b.sequences.push_back(b.sequences.back() + int32_t(g.tokens.size()));
  for (int axis = 0; axis < 3; ++axis) {
    const auto from = request.positions.begin() + axis * P;
    b.pack.positions.insert(b.pack.positions.end(), from, from + P);
    b.pack.positions.insert(b.pack.positions.end(), completion_positions.begin(), completion_positions.end());
  }
  return b;
}

void round_weights(Model& model) {
  for (auto& p : model.weights().all()) {
    std::vector<float> values = to_floats(p.value);
    std::vector<uint16_t> half(values.size());
    simd::f32_to_bf16(values.data(), half.data(), int64_t(half.size()));
    simd::bf16_to_f32(half.data(), values.data(), int64_t(half.size()));
    write_floats(p.value, 0, p.value.count(), values.data());
  }
}

// GRPO with everything a token can carry, and the value loss of a critic on the same backbone.
LossInput make_loss(const Batch& batch, const Floats& old_logp) {
  const int64_t n = int64_t(old_logp.size());
  PolicyLossInput policy;
  policy.advantages = Random(9).normals(n);
  policy.weights = Floats(size_t(n), 1.0f / float(n));
  policy.sequences = batch.sequences;
  policy.sampled_logp = old_logp;
  policy.importance = Floats(size_t(n), 0.9f);
  policy.kl_coef = Floats(size_t(n), 0.1f);
  policy.entropy_weights = Floats(size_t(n), -0.01f / float(n));
  const Floats noise = Random(10).normals(n, 0.3), drift = Random(11).normals(n, 0.1);
  for (size_t i = 0; i < size_t(n); ++i) {
    policy.old_logp.push_back(old_logp[i] + drift[i]);
    policy.ref_logp.push_back(old_logp[i] + noise[i]);
    policy.keep.push_back(i % 7 != 3);
  }
  policy.params.off_policy_threshold = 0.5;
  ValueLossInput value{Random(12).normals(n), Random(13).normals(n, 0.2), policy.weights, 0.2};
  return {policy, value, {}};
}

struct Step {
  std::vector<float> logp, entropy;
  PolicyLossReport policy;
  ops::ValueLossSums value{};
  std::vector<Floats> gradients, weights;
  double norm = 0;
};

std::vector<Floats> gradients_of(Model& model) {
  Ctx ctx = model.context();
  model.finish_backward(ctx);
  std::vector<Floats> out;
  for (const auto& p : model.weights().all())
    out.push_back(p.value.grad() ? to_floats(p.value.grad()) : Floats(size_t(p.value.count()), 0.0f));
  return out;
}

// One optimizer step.
Step train(Model& model, const Batch& batch, const LossInput& loss) {
  Step out;
  model.weights().zero_grad();
  const ScoreOutput scored = score(model, model.context(), batch.pack, batch.head);
  const LossOutput result = forward_backward(model, model.context(), batch.pack, batch.head, false, loss);
  out.gradients = gradients_of(model);
  out.logp = scored.logp;
  out.entropy = scored.entropy;
  out.policy = *result.policy;
  out.value = *result.value;
  OptimizerOptions options;
  options.adamw = {.lr = 0, .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-6, .weight_decay = 0.01};
  Optimizer optimizer(model, options);
  out.norm = optimizer.step(1e-3f, 1.0f).grad_norm;
  for (const auto& p : model.weights().all()) out.weights.push_back(to_floats(p.value));
  return out;
}

// Relative norm of the difference over a whole tensor.
std::string near(const std::string& what, const Floats& got, const Floats& wanted, double tolerance) {
  return compare(what, got, Array(wanted.begin(), wanted.end()), int64_t(got.size()), tolerance);
}

// The sums that metrics are made of; counts are the same to the row.
std::string check_sums(const Step& got, const Step& wanted, double tolerance) {
  const auto list = [](const Step& s) {
    const ops::PolicyLossSums& p = s.policy.total;
    return Floats{float(p.loss),    float(p.bonus),          float(p.kl),
                  float(p.entropy), float(s.value.weighted), float(s.value.loss)};
  };
  const Floats a = list(got), b = list(wanted);
  for (size_t i = 0; i < a.size(); ++i)
    if (!(std::abs(a[i] - b[i]) <= tolerance * (1 + std::abs(b[i]))))
      return concat("sum ", i, " is ", a[i], ", expected ", b[i]);
  const ops::PolicyLossSums &p = got.policy.total, &q = wanted.policy.total;
  if (got.policy.low.size() != 4 || p.entropy_rows != q.entropy_rows || got.value.rows != wanted.value.rows)
    return concat(got.policy.low.size(), " completions, ", p.entropy_rows, " and ", got.value.rows, " rows");
  return "";
}

// AdamW's first step from `before` along the gradients at hand, clipped to norm 1: p - lr (g / (|g| + eps) + decay p).
std::string check_update(const std::vector<Floats>& before, const Step& step, double tolerance) {
  const double scale = std::min(1.0, 1.0 / (step.norm + 1e-6));
  for (size_t i = 0; i < before.size(); ++i) {
    Array wanted;
    for (size_t k = 0; k < before[i].size(); ++k) {
      const double p = before[i][k], g = double(step.gradients[i][k]) * scale;
      wanted.push_back(p - 1e-3 * (g / (std::abs(g) + 1e-6) + 0.01 * p));
    }
    const auto detail = compare(concat("parameter ", i), step.weights[i], wanted, int64_t(wanted.size()), tolerance);
    if (!detail.empty()) return detail;
  }
  return "";
}

// The gradients as one vector, and each tensor alone; a tensor that is small beside the whole is all rounding (the bias
// of keys has gradient 0: it shifts every score of a row alike).
std::string check_gradients(const Step& got, const Step& wanted, double tolerance) {
  double error = 0, total = 0;
  std::vector<std::pair<double, double>> each;
  for (size_t i = 0; i < wanted.gradients.size(); ++i) {
    double e = 0, n = 0;
    for (size_t k = 0; k < wanted.gradients[i].size(); ++k) {
      e += std::pow(double(got.gradients[i][k]) - wanted.gradients[i][k], 2);
      n += std::pow(double(wanted.gradients[i][k]), 2);
    }
    each.emplace_back(std::sqrt(e), std::sqrt(n));
    error += e;
    total += n;
  }
  error = std::sqrt(error);
  total = std::sqrt(total);
  if (!(error <= tolerance * total)) return concat("relative error ", error / total, ", expected ", tolerance);
  for (size_t i = 0; i < each.size(); ++i)
    if (!(each[i].first <= 2 * tolerance * (each[i].second + 0.01 * total)))
      return concat("parameter ", i, " has error ", each[i].first, " of ", each[i].second, ", in all ", total);
  return "";
}

void check_step(const char* name, Dtype dtype, double logp_tolerance, double gradient_tolerance) {
  const ModelSpec spec = tiny_spec();
  Model cpu(spec, Device::Cpu), gpu(spec, Device::Cuda, dtype);
  cpu.weights().init_random(3);
  gpu.weights().init_random(3);
  if (dtype == Dtype::BF16) round_weights(cpu);
  const std::vector<GenerateRequest> requests = {make_request(1, 4), make_request(2, 2)};

  std::vector<Generated> sampled;
  verify(concat(name, " generates"), [&]() -> std::string {
    sampled = generate(gpu, gpu.context(), requests, sampling(), {});
    if (sampled.size() != 6) return concat(sampled.size(), " completions");
    for (const Generated& g : sampled)
      for (int32_t t : g.tokens)
        if (t <= 1) return "a forbidden token";
    return "";
  });
  if (sampled.empty()) return;
  if (dtype == Dtype::F32)
    verify(concat(name, " generates what the CPU does"), [&]() -> std::string {
      const auto wanted = generate(cpu, cpu.context(), requests, sampling(), {});
      for (size_t i = 0; i < wanted.size(); ++i) {
        if (wanted[i].tokens != sampled[i].tokens) return concat("completion ", i, " has other tokens");
        const auto detail = near("logp", sampled[i].logp, wanted[i].logp, 1e-4);
        if (!detail.empty()) return detail;
      }
      return "";
    });

  const std::vector<Generated> group(sampled.begin(), sampled.begin() + 4);
  const Batch batch = make_batch(requests[0], group);
  Floats old_logp, entropy;
  for (const Generated& g : group) {
    old_logp.insert(old_logp.end(), g.logp.begin(), g.logp.end());
    entropy.insert(entropy.end(), g.entropy.begin(), g.entropy.end());
  }
  verify(concat(name, " sampler and trainer log-probs, to the bit"), [&] {
    const ScoreOutput scored = score(gpu, gpu.context(), batch.pack, batch.head);
    const auto detail = compare_bits("logp", scored.logp, old_logp);
    return detail.empty() ? compare_bits("entropy", scored.entropy, entropy) : detail;
  });
  verify(concat(name, " a sequence alone samples the same"), [&]() -> std::string {
    GenerateRequest alone = requests[0];
    alone.samples = 1;
    alone.stream += 2;
    const auto one = generate(gpu, gpu.context(), {alone}, sampling(), {});
    if (one[0].tokens != sampled[2].tokens) return "other tokens than in the batch";
    return compare_bits("logp", one[0].logp, sampled[2].logp);
  });

  verify(concat(name, " truncated sampling reports log-probs of the whole distribution, so ratios are 1"), [&] {
    GenerateOptions truncated = sampling();
    truncated.sampling.top_p = 0.5f;
    truncated.sampling.top_k = 3;
    const std::vector<Generated> drawn = generate(gpu, gpu.context(), {requests[0]}, truncated, {});
    Floats own;
    for (const Generated& g : drawn) own.insert(own.end(), g.logp.begin(), g.logp.end());
    const Batch again = make_batch(requests[0], drawn);
    return compare_bits("logp", score(gpu, gpu.context(), again.pack, again.head).logp, own);
  });

  std::vector<Floats> before;
  for (const auto& p : gpu.weights().all()) before.push_back(to_floats(p.value));
  Step a, b;
  const LossInput loss = make_loss(batch, old_logp);
  verify(concat(name, " trains"), [&] {
    a = train(gpu, batch, loss);
    b = train(cpu, batch, loss);
    const auto detail = near("logp", a.logp, b.logp, logp_tolerance);
    return detail.empty() ? near("entropy", a.entropy, b.entropy, logp_tolerance) : detail;
  });
  verify(concat(name, " sums of the losses"), [&] { return check_sums(a, b, logp_tolerance); });
  verify(concat(name, " gradients"), [&] { return check_gradients(a, b, gradient_tolerance); });
  verify(concat(name, " weights after the step"), [&] {
    std::string detail = check_update(before, a, dtype == Dtype::F32 ? 1e-6 : 4e-3);
    for (size_t i = 0; i < a.weights.size() && detail.empty() && dtype == Dtype::F32; ++i)
      detail = near(gpu.weights().all()[i].name, a.weights[i], b.weights[i], 1e-4);
    return detail.empty() ? near("norm", {float(a.norm)}, {float(b.norm)}, gradient_tolerance) : detail;
  });
  verify(concat(name, " recompute has the same gradients, to the bit"), [&]() -> std::string {
    std::vector<Floats> runs[2];
    for (const bool recompute : {false, true}) {
      gpu.weights().zero_grad();
      forward_backward(gpu, gpu.context(), batch.pack, batch.head, recompute, loss);
      runs[recompute] = gradients_of(gpu);
    }
    for (size_t i = 0; i < runs[0].size(); ++i)
      if (!same_bits(runs[0][i], runs[1][i])) return gpu.weights().all()[i].name + " differs";
    return "";
  });
  verify(concat(name, " a critic of its own learns"), [&] {
    const LossInput value{{}, loss.value, {}};
    Step steps[2];
    for (const bool on_gpu : {false, true}) {
      Model& model = on_gpu ? gpu : cpu;
      for (size_t i = 0; i < before.size(); ++i)
        write_floats(model.weights().all()[i].value, 0, int64_t(before[i].size()), before[i].data());
      model.weights_changed();
      model.weights().zero_grad();
      const LossOutput out = forward_backward(model, model.context(), batch.pack, batch.head, false, value);
      if (out.policy || !out.score.logp.empty()) return std::string("the policy's head ran");
      steps[on_gpu].gradients = gradients_of(model);
      steps[on_gpu].value = *out.value;
    }
    const auto detail = near("loss", {float(steps[1].value.loss)}, {float(steps[0].value.loss)}, gradient_tolerance);
    return detail.empty() ? check_gradients(steps[1], steps[0], gradient_tolerance) : detail;
  });
}

// A node's sum is rounded once, and the embedding, which is the head as well, has two nodes.
void check_bf16_gradients(Dtype weights) {
  verify(concat(to_string(weights), " weights, gradients kept in bf16 are the fp32 ones, rounded"),
         [&]() -> std::string {
           Model model(tiny_spec(), Device::Cuda, weights);
           model.weights().init_random(3);
           const GenerateRequest request = make_request(1, 2);
           const Batch batch = make_batch(request, generate(model, model.context(), {request}, sampling(), {}));
           std::vector<Floats> gradients[2];
           for (const Dtype dtype : {Dtype::F32, Dtype::BF16}) {
             model.weights().set_gradient_dtype(dtype);
             model.weights().zero_grad();
             auto [scored, pending] = forward(model, model.context(), batch.pack, batch.head, true);
             Ctx ctx = model.context();
             backward(ctx, pending, {.dlogp = Floats(scored.logp.size(), -0.1f), .dentropy = {}, .dvalues = {}});
             model.finish_backward(ctx);
             for (const auto& p : model.weights().all()) {
               if (p.value.grad().dtype() != dtype) return p.name + " has another type";
               gradients[dtype == Dtype::BF16].push_back(to_floats(p.value.grad()));
             }
           }
           for (size_t i = 0; i < gradients[0].size(); ++i) {
             const auto detail = near(model.weights().all()[i].name, gradients[1][i], gradients[0][i], 4e-3);
             if (!detail.empty()) return detail;
           }
           return "";
         });
}

}  // namespace

int main() {
  check_bf16_gradients(Dtype::F32);
  check_bf16_gradients(Dtype::BF16);
  check_step("fp32", Dtype::F32, 1e-4, 1e-4);
  check_step("bf16", Dtype::BF16, 2e-2, 3e-2);
  return failures == 0 ? 0 : 1;
}
