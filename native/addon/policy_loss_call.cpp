// Loss columns from JavaScript, the kernel, and its columns back.
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
  in.entropy_weights = optional_floats(f["entropyWeights"]);
  if (!f["sequences"].is_null()) in.sequences = f["sequences"].ints();
  if (const Field kl = f["kl"]; !kl.is_null()) {
    in.ref_logp = kl["refLogp"].floats();
    in.kl_coef = kl["coef"].value().IsNumber() ? std::vector<float>(in.weights.size(), float(kl["coef"].number()))
                                               : kl["coef"].floats();
    in.params.estimator = kl_estimator(kl["estimator"]);
    in.params.bias_corrected = kl["biasCorrected"].boolean();
  }
  if (const Field mask = f["offPolicy"]; !mask.is_null()) {
    in.sampled_logp = mask["sampledLogp"].floats();
    in.params.off_policy_threshold = mask["threshold"].number();
  }
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
  std::vector<float> coef;
  if (const Field kl = f["kl"]; !kl.is_null()) {
    in.ref_logp = view<float>(kl["refLogp"], n);
    if (kl["coef"].value().IsNumber()) coef.assign(n, float(kl["coef"].number()));
    in.kl_coef = coef.empty() ? view<float>(kl["coef"], n) : coef.data();
    params.estimator = kl_estimator(kl["estimator"]);
    params.bias_corrected = kl["biasCorrected"].boolean();
  }
  if (const Field mask = f["offPolicy"]; !mask.is_null()) {
    in.sampled_logp = view<float>(mask["sampledLogp"], n);
    params.off_policy_threshold = mask["threshold"].number();
  }
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

PolicyLossOutput policy_loss_call(const std::vector<float>& logp, const PolicyLossInput& in) {
  const size_t n = logp.size();
  for (const auto* column : {&in.advantages, &in.weights})
    expect(column->size() == n, "policy_loss", concat(n, " values in every column"), column->size());
  for (const auto* column :
       {&in.old_logp, &in.ref_logp, &in.kl_coef, &in.importance, &in.sampled_logp, &in.entropy_weights})
    check_length(*column, n, "policy_loss");
  for (const auto* column : {&in.keep, &in.selected}) check_length(*column, n, "policy_loss");
  PolicyLossOutput out{std::vector<float>(n), std::vector<float>(n), std::vector<float>(n), std::vector<uint8_t>(n)};
  ops::policy_loss(int64_t(n),
                   {logp.data(), in.advantages.data(), in.weights.data(), or_null(in.old_logp), or_null(in.ref_logp),
                    or_null(in.kl_coef), or_null(in.importance), or_null(in.sampled_logp), or_null(in.keep),
                    or_null(in.selected), or_null(in.sequences), int64_t(in.sequences.size()) - 1},
                   in.params, {out.loss.data(), out.dlogp.data(), out.kl.data(), out.clipped.data()});
  return out;
}

Napi::Value policy_loss_to_js(Napi::Env env, const PolicyLossOutput& out) {
  auto o = Napi::Object::New(env);
  o.Set("loss", floats_to_js(env, out.loss));
  o.Set("dlogp", floats_to_js(env, out.dlogp));
  o.Set("kl", floats_to_js(env, out.kl));
  o.Set("clipped", bytes_to_js(env, out.clipped));
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

Napi::Value value_loss_to_js(Napi::Env env, const ValueLossOutput& out) {
  auto o = Napi::Object::New(env);
  o.Set("loss", floats_to_js(env, out.loss));
  o.Set("dvalue", floats_to_js(env, out.dvalue));
  o.Set("clipped", bytes_to_js(env, out.clipped));
  return o;
}

}  // namespace rft
