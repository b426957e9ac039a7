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
  static constexpr double kNoBound = __builtin_huge_val();

  // slope = d loss / d log-ratio. One select a line: what compilers vectorise well.
  RFT_HOST_DEVICE Row at(double ratio, double live, double A) const {
    const double pull = -ratio * A * live;
    const double free = (ratio > cap ? cap : ratio) * A, free_slope = ratio > cap ? 0.0 : pull;
    const double free_side = ratio > cap ? 3.0 : 0.0;
    const double bounded = clamp(ratio, low, high) * A;
    const double above_slope = ratio > high ? 0.0 : pull, above_side = ratio > high ? 2.0 : 0.0;
    const double bounded_slope = ratio < low ? 0.0 : above_slope, bounded_side = ratio < low ? 1.0 : above_side;
    const bool clipped = bounded < free;
    const double loss = -(clipped ? bounded : free), slope = clipped ? bounded_slope : free_slope;
    const double side = clipped ? bounded_side : free_side;
    const double most = A < 0.0 ? -dual * A : kNoBound;
    const bool held = loss > most;
    return {held ? most : loss, held ? 0.0 : slope, 0.0, held ? 3.0 : side};
  }
  RFT_HOST_DEVICE Row operator()(const Token& t) const { return at(t.ratio, t.live, t.advantage); }
};

}  // namespace rft::ops
