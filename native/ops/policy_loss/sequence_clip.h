// Clipped ratio of whole completions.
//
//   GSPO (Zheng et al. 2025)   s = exp(mean_t delta)    geometric mean of the token ratios
//   RLOO of TRL                s = exp(sum_t delta)     probability ratio of the completion
//   l = -min(s A, clip(s, low, high) A) for each of its tokens; the gradient reaches all of them through s.
//
// GSPO-token: value s, gradient through the token's own log-prob: log s_t = sg[mean delta] + logp_t - sg[logp_t].
#pragma once
#include "ops/policy_loss/clip.h"

namespace rft::ops {

struct SequenceRatio {
  double value, live;
};

RFT_HOST_DEVICE SequenceRatio sequence_ratio(double log_ratio) {
  const double d = clamp(log_ratio, -kMaxLogRatio, kMaxLogRatio);
  return {exp_both(d).value, (log_ratio > kMaxLogRatio) | (log_ratio < -kMaxLogRatio) ? 0.0 : 1.0};
}

template <Level kStatistic>
struct SequenceClip {
  static constexpr Level kLevel = kStatistic;
  // What the clip of the completion's ratio is for advantages of 1, -1 and 0: it is linear between them.
  struct Shared {
    Row positive, negative;
    double side;  // at 0
  };
  Clip clip;

  RFT_HOST_DEVICE Part part(const Token& t) const { return {t.delta, t.live}; }
  RFT_HOST_DEVICE Shared summary(double statistic) const {
    const SequenceRatio s = sequence_ratio(statistic);
    return {clip.at(s.value, s.live, 1.0), clip.at(s.value, s.live, -1.0), clip.at(s.value, s.live, 0.0).clipped};
  }
  RFT_HOST_DEVICE Row operator()(const Token& t, const Shared& s) const {
    const double A = t.advantage, loss = A < 0.0 ? -s.negative.loss : s.positive.loss;
    const double slope = A < 0.0 ? -s.negative.slope : s.positive.slope;
    const double not_below = A > 0.0 ? s.positive.clipped : s.side;
    return {loss * A, 0.0, slope * A, A < 0.0 ? s.negative.clipped : not_below};
  }
};
using Gspo = SequenceClip<Level::SequenceMean>;
using SequenceProduct = SequenceClip<Level::SequenceSum>;

struct GspoToken {
  static constexpr Level kLevel = Level::SequenceMean;
  using Shared = SequenceRatio;
  Clip clip;

  RFT_HOST_DEVICE Part part(const Token& t) const { return {t.delta, t.live}; }
  RFT_HOST_DEVICE Shared summary(double statistic) const { return sequence_ratio(statistic); }
  RFT_HOST_DEVICE Row operator()(const Token& t, const Shared& s) const {
    return clip.at(s.value, s.live, t.advantage);
  }
};

}  // namespace rft::ops
