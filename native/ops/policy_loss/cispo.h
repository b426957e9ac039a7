// CISPO (MiniMax-M1): the ratio is a clipped, constant weight of REINFORCE, so no token loses its gradient.
//
//   l = -sg[clip(r, low, high)] A logp
//
// low = 0 and high = 5 is the absolute bound of TRL; 1 - lo and 1 + hi the relative one of verl.
#pragma once
#include "ops/policy_loss/formula.h"

namespace rft::ops {

struct Cispo {
  static constexpr Level kLevel = Level::Token;
  double low, high;  // bounds of the ratio itself

  RFT_HOST_DEVICE Row operator()(const Token& t) const {
    const double weight = clamp(t.ratio, low, high) * t.advantage;
    const double above = t.ratio > high ? 2.0 : 0.0, below = t.ratio < low ? 1.0 : 0.0;
    const double not_above = t.advantage < 0.0 ? below : 0.0;
    return {-weight * t.logp, -weight, 0.0, t.advantage > 0.0 ? above : not_above};
  }
};

// REINFORCE, as GPG uses it: l = -A logp.
struct Reinforce {
  static constexpr Level kLevel = Level::Token;
  RFT_HOST_DEVICE Row operator()(const Token& t) const { return {-t.advantage * t.logp, -t.advantage, 0.0, 0.0}; }
};

}  // namespace rft::ops
