// The policy and value losses of forwardBackward, and as stand-alone kernels on host columns.
#pragma once
#include <vector>

#include "addon/convert.h"
#include "engine/loss.h"

namespace rft {

struct ValueLossOutput {
  std::vector<float> loss, dvalue;
  std::vector<uint8_t> clipped;
};

ops::PolicyObjective policy_objective(const Field& f);
ops::KlEstimator kl_estimator(const Field& f);

PolicyLossInput policy_loss_input(const Field& f);
Napi::Value policy_loss_in_place(Napi::Env env, const Field& logp, const Field& f);
Napi::Value policy_sums_to_js(Napi::Env env, const PolicyLossReport& report);

ValueLossInput value_loss_input(const Field& f);
ValueLossOutput value_loss_call(const std::vector<float>& values, const ValueLossInput& in);
Napi::Value value_sums_to_js(Napi::Env env, const ops::ValueLossSums& sums);
Napi::Value value_loss_to_js(Napi::Env env, const ValueLossOutput& out);

}  // namespace rft
