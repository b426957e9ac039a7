// Loss columns from JavaScript, and what comes back: sums of forwardBackward, columns of the stand-alone kernels.
#include "addon/policy_loss_call.h"

#include "addon/columns.h"
#include "kernels/rl.h"

namespace rft {
namespace {

std::vector<float> optional_floats(const Field& f) { return f.is_null() ? std::vector<float>() : f.floats(); }
std::vector<uint8_t> optional_bytes(const Field& f) { return f.is_null() ? std::vector<uint8_t>() : f.bytes(); }

}  // namespace

PolicyLossInput policy_loss_input(const Field& f) {
  PolicyLossInput in;
  in.params.objective = policy_objective(f["loss"]);
  in.advantages = f["advantages"].floats();
  in.weights = f["weights"].floats();
  in.old_logp = optional_floats(f["oldLogp"]);
  in.importance = optional_floats(f["importance"]);
  in.keep = optional_bytes(f["keep"]);
  in.selected = optional_bytes(f["selected"]);
  in.sampled_logp = optional_floats(f["sampledLogp"]);
  in.entropy_weights = optional_floats(f["entropyWeights"]);
  if (!f["sequences"].is_null()) in.sequences = f["sequences"].ints();
  if (const Field kl = f["kl"]; !kl.is_null()) {
    in.ref_logp = kl["refLogp"].floats();
    if (kl["coef"].value().IsNumber()) in.params.kl_coef = kl["coef"].number();
    else in.kl_coef = kl["coef"].floats();
    in.params.estimator = kl_estimator(kl["estimator"]);
    in.params.bias_corrected = kl["biasCorrected"].boolean();
  }
  if (const Field threshold = f["offPolicyThreshold"]; !threshold.is_null())
    in.params.off_policy_threshold = threshold.number();
  return in;
}

// Of the stand-alone kernel.
Napi::Value policy_loss_of_columns(Napi::Env env, const Field& logp, const Field& f) {
  Columns columns(env);
  const auto [data, n] = columns.any<float>(logp);
  ops::PolicyLossParams params;
  params.objective = policy_objective(f["loss"]);
  ops::PolicyLossColumns in{};
  in.logp = data;
  in.advantages = columns.of<float>(f["advantages"], n);
  in.weights = columns.of<float>(f["weights"], n);
  in.old_logp = columns.optional<float>(f["oldLogp"], n);
  in.importance = columns.optional<float>(f["importance"], n);
  in.keep = columns.optional<uint8_t>(f["keep"], n);
  in.selected = columns.optional<uint8_t>(f["selected"], n);
  in.sampled_logp = columns.optional<float>(f["sampledLogp"], n);
  if (const Field sequences = f["sequences"]; !sequences.is_null()) {
    const auto offsets = columns.any<int32_t>(sequences);
    in.sequences = offsets.size > 0 ? offsets.data : nullptr;
    in.sequence_count = offsets.size - 1;
  }
  if (const Field kl = f["kl"]; !kl.is_null()) {
    in.ref_logp = columns.of<float>(kl["refLogp"], n);
    if (kl["coef"].value().IsNumber()) params.kl_coef = kl["coef"].number();
    else in.kl_coef = columns.of<float>(kl["coef"], n);
    params.estimator = kl_estimator(kl["estimator"]);
    params.bias_corrected = kl["biasCorrected"].boolean();
  }
  if (const Field threshold = f["offPolicyThreshold"]; !threshold.is_null())
    params.off_policy_threshold = threshold.number();
  const auto loss = columns.out<float>(n), dlogp = columns.out<float>(n), kl = columns.out<float>(n);
  const auto clipped = columns.out<uint8_t>(n);
  kernels::policy_loss(columns.ctx(), n, in, params, {loss.data, dlogp.data, kl.data, clipped.data});
  auto o = Napi::Object::New(env);
  o.Set("loss", loss.value);
  o.Set("dlogp", dlogp.value);
  o.Set("kl", kl.value);
  o.Set("clipped", clipped.value);
  return o;
}

Napi::Value policy_sums_to_js(Napi::Env env, const PolicyLossReport& report) {
  auto o = Napi::Object::New(env);
  const ops::PolicyLossSums& sums = report.total;
  o.Set("loss", sums.loss);
  o.Set("bonus", sums.bonus);
  o.Set("kl", sums.kl);
  o.Set("entropy", sums.entropy);
  o.Set("entropyRows", sums.entropy_rows);
  o.Set("difference", sums.difference);
  o.Set("differenceMax", sums.difference_max);
  o.Set("logRatio", floats_to_js(env, report.log_ratio));
  o.Set("low", ints_to_js(env, report.low));
  o.Set("high", ints_to_js(env, report.high));
  return o;
}

ValueLossInput value_loss_input(const Field& f) {
  return {f["returns"].floats(), optional_floats(f["oldValues"]), f["weights"].floats(), f["clip"].number()};
}

Napi::Value value_sums_to_js(Napi::Env env, const ops::ValueLossSums& sums) {
  auto o = Napi::Object::New(env);
  o.Set("weighted", sums.weighted);
  o.Set("loss", sums.loss);
  o.Set("clipped", sums.clipped);
  o.Set("rows", sums.rows);
  return o;
}

}  // namespace rft
