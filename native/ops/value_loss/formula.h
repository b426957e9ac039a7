// Value loss of PPO, with the clip of its first implementation; C++17, no standard library, as in
// policy_loss/formula.h.
//
//   l = 1/2 max((v - R)^2, (clip(v, old - c, old + c) - R)^2)
#pragma once
#include "ops/policy_loss/formula.h"

namespace rft::ops {

struct ValueRow {
  double loss, slope;  // slope = d loss / d v
  bool clipped;
};

RFT_HOST_DEVICE ValueRow value_row(double value, double target, double old_value, double clip) {
  const double bounded = clamp(value, old_value - clip, old_value + clip);
  const double plain = value - target, held = bounded - target;
  const bool clipped = held * held > plain * plain;
  return {0.5 * (clipped ? held * held : plain * plain), clipped ? 0.0 : plain, clipped};
}

}  // namespace rft::ops
