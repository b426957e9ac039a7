// GMPO (Zhao et al. 2025): the geometric mean of token ratios, clipped one-sidedly in log space.
//
//   delta'_t = A > 0 ? min(delta, high) : max(delta, -low)       l = -A exp(mean_t delta')
#pragma once
#include "ops/policy_loss/sequence_clip.h"

namespace rft::ops {

struct Gmpo {
  static constexpr Level kLevel = Level::SequenceMean;
  using Shared = SequenceRatio;
  double low, high;  // of the log-ratio, e.g. 0.4 and 0.4

  RFT_HOST_DEVICE bool above(const Token& t) const { return (t.advantage > 0.0) & (t.delta > high); }
  RFT_HOST_DEVICE bool below(const Token& t) const { return !(t.advantage > 0.0) & (t.delta < -low); }
  RFT_HOST_DEVICE Part part(const Token& t) const {
    const bool over = above(t), under = below(t);
    return {over ? high : under ? -low : t.delta, over | under ? 0.0 : t.live};
  }
  RFT_HOST_DEVICE Shared summary(double statistic) const { return sequence_ratio(statistic); }
  RFT_HOST_DEVICE Row operator()(const Token& t, const Shared& s) const {
    const double loss = -t.advantage * s.value;
    return {loss, 0.0, loss * s.live, above(t) ? 2.0 : below(t) ? 1.0 : 0.0};
  }
};

}  // namespace rft::ops
