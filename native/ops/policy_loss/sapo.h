// SAPO (Gao et al. 2025): a sigmoid gate in place of the hard clip.
//
//   l = -(4 / tau) sigmoid(tau (r - 1)) A      tau = positive for A > 0, else negative
//   dl/dlogp = -4 s (1 - s) r A                s = the sigmoid
#pragma once
#include "ops/policy_loss/formula.h"

namespace rft::ops {

struct Sapo {
  static constexpr Level kLevel = Level::Token;
  double tau_positive, tau_negative;

  RFT_HOST_DEVICE Row operator()(const Token& t) const {
    const double tau = t.advantage > 0.0 ? tau_positive : tau_negative;
    const double e = exp_both(clamp(-tau * (t.ratio - 1.0), -700.0, 700.0)).value;
    const double s = 1.0 / (1.0 + e);
    return {-4.0 / tau * s * t.advantage, -4.0 * s * (e * s) * t.ratio * t.advantage * t.live, 0.0, 0.0};
  }
};

}  // namespace rft::ops
