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
    const double free = (ratio > cap ? cap : ratio) * A, bounded = clamp(ratio, low, high) * A;
    const bool clipped = bounded < free;
    const double outside = (ratio < low) | (ratio > high) ? 1.0 : 0.0, over = ratio > cap ? 1.0 : 0.0;
    const double flat = clipped ? outside : over;
    const double loss = -(clipped ? bounded : free), most = -dual * A;
    const double held = (A < 0.0) & (loss > most) ? 1.0 : 0.0;
    const double side = clipped ? (ratio < 1.0 ? 1.0 : 2.0) : 3.0;
    return {held != 0.0 ? most : loss, flat + held != 0.0 ? 0.0 : -ratio * A * live, 0.0,
            held != 0.0 ? 3.0 : flat * side};
  }
  RFT_HOST_DEVICE Row operator()(const Token& t) const { return at(t.ratio, t.live, t.advantage); }
};

}  // namespace rft::ops
