// Clipped ratio (PPO; asymmetric bounds: DAPO; dual clip: Ye et al. 2020; cap: the two-sided clip of INTELLECT-2).
//
//   l = -min(min(r, cap) A, clip(r, low, high) A)          A < 0: l = min(l, -dual A)
//
// On a tie of the branches (on-policy: r = 1) the unclipped one is differentiated.
#pragma once
#include "ops/policy_loss/formula.h"

namespace rft::ops {

struct Clip {
  static constexpr Level kLevel = Level::Token;
  double low, high;  // bounds of the ratio, e.g. 0.8 and 1.2
  double dual, cap;  // infinity = off

  // slope = d loss / d log-ratio.
  RFT_HOST_DEVICE Row at(double ratio, double live, double A) const {
    const double capped = ratio > cap ? cap : ratio, bounded = clamp(ratio, low, high);
    const bool clipped = bounded * A < capped * A;
    const bool flat = clipped ? (ratio < low) | (ratio > high) : ratio > cap;
    const double loss = -(clipped ? bounded : capped) * A;
    const bool dual_bound = (A < 0.0) & (loss > -dual * A);
    return {dual_bound ? -dual * A : loss, flat | dual_bound ? 0.0 : -ratio * A * live, 0.0,
            dual_bound | (!clipped & flat) ? 3.0
            : clipped & flat               ? (ratio < 1.0 ? 1.0 : 2.0)
                                           : 0.0};
  }
  RFT_HOST_DEVICE Row operator()(const Token& t) const { return at(t.ratio, t.live, t.advantage); }
};

}  // namespace rft::ops
