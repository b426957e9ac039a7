// Estimates of KL(policy || reference) from one sampled token (Schulman, "Approximating KL divergence").
// d = clamp(ref - logp, -20, 20); where the clamp acts the term is constant.
//
//   k1       -d                  its mean is the divergence; its gradient has mean 0
//   k2       d^2 / 2             biased value, unbiased gradient
//   k3       e^d - d - 1         unbiased value, never negative
//   k3_k2    value of k3, gradient of k2
#pragma once
#include "ops/policy_loss/formula.h"

namespace rft::ops {

struct KlRow {
  double value, slope;  // slope = d value / d logp
};

struct K1 {
  RFT_HOST_DEVICE KlRow operator()(double d) const { return {-d, 1.0}; }
};
struct K2 {
  RFT_HOST_DEVICE KlRow operator()(double d) const { return {0.5 * d * d, -d}; }
};
struct K3 {
  RFT_HOST_DEVICE KlRow operator()(double d) const {
    const double minus1 = exp_both(d).minus1;
    return {minus1 - d, -minus1};
  }
};
struct K3K2 {
  RFT_HOST_DEVICE KlRow operator()(double d) const { return {exp_both(d).minus1 - d, -d}; }
};

template <class Estimator>
RFT_HOST_DEVICE KlRow kl_row(const Estimator estimator, double logp, double ref_logp) {
  const double raw = ref_logp - logp;
  const KlRow row = estimator(clamp(raw, -kMaxLogRatio, kMaxLogRatio));
  return {row.value, (raw > kMaxLogRatio) | (raw < -kMaxLogRatio) ? 0.0 : row.slope};
}

}  // namespace rft::ops
