// Loss columns from JavaScript, and what comes back: sums of forwardBackward, columns of the stand-alone kernels.
#include "addon/policy_loss_call.h"

#include <type_traits>

#include "ops/value_loss/value_loss.h"

namespace rft {
namespace {

std::vector<float> optional_floats(const Field& f) { return f.is_null() ? std::vector<float>() : f.floats(); }
std::vector<uint8_t> optional_bytes(const Field& f) { return f.is_null() ? std::vector<uint8_t>() : f.bytes(); }

template <class T>
const T* or_null(const std::vector<T>& column) {
  return column.empty() ? nullptr : column.data();
}

template <class T>
void check_length(const std::vector<T>& column, size_t n, const char* where) {
  expect(column.empty() || column.size() == n, where, concat(n, " values in every column"), column.size());
}

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

namespace {

// A column of the caller's own memory; nullptr where it is absent.
template <class T>
const T* view(const Field& f, size_t n) {
  if (f.is_null()) return nullptr;
  constexpr bool is_float = std::is_same_v<T, float>;
  const bool ok = f.value().IsTypedArray() && f.value().As<Napi::TypedArray>().TypedArrayType() ==
                                                  (is_float ? napi_float32_array : napi_uint8_array);
  expect(ok, f.path(), is_float ? "a Float32Array" : "a Uint8Array", "something else");
  const auto array = f.value().As<Napi::TypedArrayOf<T>>();
  expect(array.ElementLength() == n, "policy_loss", concat(n, " values in every column"), array.ElementLength());
  return array.Data();
}

}  // namespace

// The stand-alone kernel runs while JavaScript waits: columns are read and written in place.
Napi::Value policy_loss_in_place(Napi::Env env, const Field& logp_field, const Field& f) {
  expect(logp_field.value().IsTypedArray(), logp_field.path(), "a Float32Array", "something else");
  const size_t n = logp_field.value().As<Napi::TypedArray>().ElementLength();
  ops::PolicyLossParams params;
  params.objective = policy_objective(f["loss"]);
  ops::PolicyLossColumns in{};
  in.logp = view<float>(logp_field, n);
  in.advantages = view<float>(f["advantages"], n);
  in.weights = view<float>(f["weights"], n);
  expect(n == 0 || (in.advantages && in.weights), "policy_loss", "advantages and weights", "none");
  in.old_logp = view<float>(f["oldLogp"], n);
  in.importance = view<float>(f["importance"], n);
  in.keep = view<uint8_t>(f["keep"], n);
  in.selected = view<uint8_t>(f["selected"], n);
  std::vector<int32_t> sequences;
  if (!f["sequences"].is_null()) sequences = f["sequences"].ints();
  in.sequences = or_null(sequences);
  in.sequence_count = int64_t(sequences.size()) - 1;
  if (const Field kl = f["kl"]; !kl.is_null()) {
    in.ref_logp = view<float>(kl["refLogp"], n);
    if (kl["coef"].value().IsNumber()) params.kl_coef = kl["coef"].number();
    else in.kl_coef = view<float>(kl["coef"], n);
    params.estimator = kl_estimator(kl["estimator"]);
    params.bias_corrected = kl["biasCorrected"].boolean();
  }
  in.sampled_logp = view<float>(f["sampledLogp"], n);
  if (const Field threshold = f["offPolicyThreshold"]; !threshold.is_null())
    params.off_policy_threshold = threshold.number();
  auto loss = Napi::Float32Array::New(env, n), dlogp = Napi::Float32Array::New(env, n),
       kl = Napi::Float32Array::New(env, n);
  auto clipped = Napi::Uint8Array::New(env, n);
  ops::policy_loss(int64_t(n), in, params, {loss.Data(), dlogp.Data(), kl.Data(), clipped.Data()});
  auto o = Napi::Object::New(env);
  o.Set("loss", loss);
  o.Set("dlogp", dlogp);
  o.Set("kl", kl);
  o.Set("clipped", clipped);
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

ValueLossOutput value_loss_call(const std::vector<float>& values, const ValueLossInput& in) {
  const size_t n = values.size();
  for (const auto* column : {&in.returns, &in.weights})
    expect(column->size() == n, "value_loss", concat(n, " values in every column"), column->size());
  check_length(in.old_values, n, "value_loss");
  ValueLossOutput out{std::vector<float>(n), std::vector<float>(n), std::vector<uint8_t>(n)};
  ops::value_loss(int64_t(n), {values.data(), in.returns.data(), or_null(in.old_values), in.weights.data()}, in.clip,
                  {out.loss.data(), out.dvalue.data(), out.clipped.data()});
  return out;
}

Napi::Value value_sums_to_js(Napi::Env env, const ops::ValueLossSums& sums) {
  auto o = Napi::Object::New(env);
  o.Set("weighted", sums.weighted);
  o.Set("loss", sums.loss);
  o.Set("clipped", sums.clipped);
  o.Set("rows", sums.rows);
  return o;
}

Napi::Value value_loss_to_js(Napi::Env env, const ValueLossOutput& out) {
  auto o = Napi::Object::New(env);
  o.Set("loss", floats_to_js(env, out.loss));
  o.Set("dvalue", floats_to_js(env, out.dvalue));
  o.Set("clipped", bytes_to_js(env, out.clipped));
  return o;
}

}  // namespace rft
