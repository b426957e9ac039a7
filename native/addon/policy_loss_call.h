// The policy and value loss kernels on host columns, shared by forwardBackward and the stand-alone kernels.
#pragma once
#include <vector>

#include "addon/convert.h"
#include "ops/policy_loss/policy_loss.h"

namespace rft {

// Columns (N); empty = absent.
struct PolicyLossInput {
  std::vector<float> advantages, weights, old_logp, ref_logp, kl_coef, importance, sampled_logp, entropy_weights;
  std::vector<uint8_t> keep, selected;
  std::vector<int32_t> sequences;  // (B + 1) offsets
  ops::PolicyLossParams params{};
};

struct PolicyLossOutput {
  std::vector<float> loss, dlogp, kl;
  std::vector<uint8_t> clipped;
};

struct ValueLossInput {
  std::vector<float> returns, old_values, weights;
  double clip = 0.0;
};

struct ValueLossOutput {
  std::vector<float> loss, dvalue;
  std::vector<uint8_t> clipped;
};

ops::PolicyObjective policy_objective(const Field& f);
ops::KlEstimator kl_estimator(const Field& f);

PolicyLossInput policy_loss_input(const Field& f);
PolicyLossOutput policy_loss_call(const std::vector<float>& logp, const PolicyLossInput& in);
Napi::Value policy_loss_in_place(Napi::Env env, const Field& logp, const Field& f);
Napi::Value policy_loss_to_js(Napi::Env env, const PolicyLossOutput& out);

ValueLossInput value_loss_input(const Field& f);
ValueLossOutput value_loss_call(const std::vector<float>& values, const ValueLossInput& in);
Napi::Value value_loss_to_js(Napi::Env env, const ValueLossOutput& out);

}  // namespace rft
