// Advantages of completions compared within the completions of one prompt. Maths: rules.h, group_advantage.cpp.
#pragma once
#include <cstdint>
#include <variant>

#include "ops/group_advantage/rules.h"

namespace rft::ops {

using AdvantageRule = std::variant<Normalised, LeaveOneOut, LengthMean, Gpg, PassAtK, Baseline>;

// (B) each.
struct RewardColumns {
  const float* rewards;    // NaN = no value
  const int32_t* groups;   // equal ids = completions of one prompt, in any order
  const int32_t* lengths;  // trained tokens; for LengthMean
  const float* baselines;  // for Baseline; NaN = no value: the row's advantage is 0
};

// ddof: subtracted from the count in a variance (1 = Bessel's correction). -> advantages (B)
void group_advantage(int64_t B, const RewardColumns& in, const AdvantageRule& rule, int ddof, float* advantages);

// GDPO: each of K rewards normalised by itself, a_k = (r_k - mean_g) / (std + eps), then summed with weights, then
// standardised over the batch with the same eps. rewards (K,B), weights (K) -> advantages (B)
void gdpo(int64_t K, int64_t B, const float* rewards, const float* weights, const int32_t* groups,
          const Normalised& rule, int ddof, float* advantages);

// (x - mean) / (std + eps) over the values that are not NaN; those become 0. In place.
void standardize(int64_t n, float* x, double eps, int ddof);

}  // namespace rft::ops
