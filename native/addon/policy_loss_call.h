// The policy and value losses of forwardBackward, and the stand-alone policy loss.
#pragma once
#include <vector>

#include "addon/convert.h"
#include "engine/loss.h"

namespace rft {

ops::PolicyObjective policy_objective(const Field& f);
ops::KlEstimator kl_estimator(const Field& f);

PolicyLossInput policy_loss_input(const Field& f);
Napi::Value policy_loss_of_columns(Napi::Env env, const Field& logp, const Field& f);
Napi::Value policy_sums_to_js(Napi::Env env, const PolicyLossReport& report);

ValueLossInput value_loss_input(const Field& f);
Napi::Value value_sums_to_js(Napi::Env env, const ops::ValueLossSums& sums);

}  // namespace rft
