// VESPO: REINFORCE weighted by a gamma function of the completion's ratio, detached.
//
//   log w = clamp(sum_t (delta + log importance), log 1e-8, 20)       phi = exp(lambda + k log w - lambda w)
//   l     = -sg[phi] A logp                                           k, lambda by the sign of A
//
// The importance weight of the sampler enters w instead of multiplying the loss.
#pragma once
#include "ops/policy_loss/formula.h"

namespace rft::ops {

struct Vespo {
  static constexpr Level kLevel = Level::SequenceSum;
  struct Shared {
    double positive, negative;  // phi for A >= 0 and A < 0
  };
  double k_positive, lambda_positive, k_negative, lambda_negative;

  static constexpr double kLowest = -18.420680743952367;        // log 1e-8
  static constexpr double kHighestWeight = 485165195.40979028;  // e^20

  RFT_HOST_DEVICE static double phi(double log_w, double w, double k, double lambda) {
    return exp_both(clamp(lambda + k * log_w - lambda * w, -700.0, 700.0)).value;
  }
  RFT_HOST_DEVICE Part part(const Token& t) const {
    return {t.delta + log_of(clamp(t.importance, 1e-8, kHighestWeight)), 0.0};
  }
  RFT_HOST_DEVICE Shared summary(double statistic) const {
    const double log_w = clamp(statistic, kLowest, kMaxLogRatio), w = exp_both(log_w).value;
    return {phi(log_w, w, k_positive, lambda_positive), phi(log_w, w, k_negative, lambda_negative)};
  }
  RFT_HOST_DEVICE Row operator()(const Token& t, const Shared& s) const {
    const double weight = (t.advantage >= 0.0 ? s.positive : s.negative) * t.advantage;
    return {-weight * t.logp, -weight, 0.0, 0.0};
  }
};

}  // namespace rft::ops
