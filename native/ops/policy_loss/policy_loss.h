// Clipped-ratio policy loss: loss and gradient per token in one pass. Maths: policy_loss.cpp.
#pragma once
#include <cstdint>

namespace rft::ops {

// (N) each. Log-probs are natural.
struct PolicyLossColumns {
  const float* logp;
  const float* advantages;
  const float* old_logp;  // nullptr: on-policy, the ratio is exactly 1
  const float* ref_logp;  // nullptr: no KL term
  const float* weights;   // aggregation weight x loss mask; a row of weight 0 gives 0, whatever its other columns hold
};

struct PolicyLossParams {
  float clip_low;
  float clip_high;
  float kl_coef;
};

// (N) each.
struct PolicyLossResult {
  float* loss;       // without the weight, KL term included
  float* dlogp;      // d(sum of weight x loss) / d(logp)
  float* kl;         // k3 against the reference
  uint8_t* clipped;  // 0 no, 1 at the low bound, 2 at the high bound
};

void policy_loss(int64_t n, const PolicyLossColumns& in, const PolicyLossParams& params, const PolicyLossResult& out);

}  // namespace rft::ops
