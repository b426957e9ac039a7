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

  // The bound that holds the token's log-ratio back, by the sign of its advantage, or else `free`.
  RFT_HOST_DEVICE double held(const Token& t, double at_high, double at_low, double free) const {
    const double over = t.delta > high ? at_high : free, under = t.delta < -low ? at_low : free;
    return t.advantage > 0.0 ? over : under;
  }
  RFT_HOST_DEVICE Part part(const Token& t) const { return {held(t, high, -low, t.delta), held(t, 0.0, 0.0, t.live)}; }
  RFT_HOST_DEVICE Shared summary(double statistic) const { return sequence_ratio(statistic); }
  RFT_HOST_DEVICE Row operator()(const Token& t, const Shared& s) const {
    const double loss = -t.advantage * s.value;
    return {loss, 0.0, loss * s.live, held(t, 2.0, 1.0, 0.0)};
  }
};

}  // namespace rft::ops
