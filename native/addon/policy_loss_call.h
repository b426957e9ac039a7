// The policy loss kernel on host columns, shared by forwardBackward and the stand-alone kernel.
#pragma once
#include <vector>

#include "addon/convert.h"

namespace rft {

// Columns (N); empty = absent.
struct PolicyLossInput {
  std::vector<float> advantages, old_logp, ref_logp, weights;
  ops::PolicyLossParams params{};
};

struct PolicyLossOutput {
  std::vector<float> loss, dlogp, kl;
  std::vector<uint8_t> clipped;
};

PolicyLossInput policy_loss_input(const Field& f);
PolicyLossOutput policy_loss_call(const std::vector<float>& logp, const PolicyLossInput& in);
Napi::Value policy_loss_to_js(Napi::Env env, const PolicyLossOutput& out);

}  // namespace rft
