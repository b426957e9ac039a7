// KL-Cov (Cui et al. 2025): no clip; tokens whose log-prob and advantage covary most (`selected`) pay for moving.
//
//   l = -r A + selected coef |delta|
#pragma once
#include "ops/policy_loss/formula.h"

namespace rft::ops {

struct KlCov {
  static constexpr Level kLevel = Level::Token;
  double coef;

  RFT_HOST_DEVICE Row operator()(const Token& t) const {
    const double price = t.selected * coef, sign = t.delta > 0.0 ? 1.0 : t.delta < 0.0 ? -1.0 : 0.0;
    return {-t.ratio * t.advantage + price * sign * t.delta, (-t.ratio * t.advantage + price * sign) * t.live, 0.0,
            0.0};
  }
};

}  // namespace rft::ops
