// Policy losses: loss and gradient per token in one pass. The formulas are one header each; what surrounds them is in
// policy_loss.cpp.
#pragma once
#include <cstdint>
#include <limits>
#include <type_traits>
#include <variant>

#include "ops/policy_loss/cispo.h"
#include "ops/policy_loss/clip.h"
#include "ops/policy_loss/gmpo.h"
#include "ops/policy_loss/kl.h"
#include "ops/policy_loss/kl_cov.h"
#include "ops/policy_loss/sapo.h"
#include "ops/policy_loss/sequence_clip.h"
#include "ops/policy_loss/vespo.h"

namespace rft::ops {

using PolicyObjective =
    std::variant<Clip, Gspo, SequenceProduct, GspoToken, Cispo, Reinforce, Sapo, Gmpo, Vespo, KlCov>;
using KlEstimator = std::variant<K3, K1, K2, K3K2>;

// (N) each; nullptr = absent. Log-probs are natural.
struct PolicyLossColumns {
  const float* logp;
  const float* advantages;
  const float* weights;   // aggregation weight x loss mask; a row of weight 0 gives 0, whatever its other columns hold
  const float* old_logp;  // absent: on-policy, the ratio is exactly 1
  const float* ref_logp;  // absent: no KL term
  const float* kl_coef;   // with ref_logp; absent: that of the parameters for every row
  const float* importance;    // sampler correction: factor of the loss, not of the KL term
  const float* sampled_logp;  // for the off-policy mask
  const uint8_t* keep;        // 0: no loss, only the KL term (entropy mask, Clip-Cov)
  const uint8_t* selected;    // tokens chosen by a covariance rule, for KlCov
  const int32_t* sequences;   // (sequence_count + 1) offsets: rows [s_b, s_b+1) are one completion
  int64_t sequence_count;
};

struct PolicyLossParams {
  PolicyObjective objective =
      Clip{0.8, 1.2, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()};
  KlEstimator estimator = K3{};
  double kl_coef = 0.0;
  bool bias_corrected = false;  // the KL term is multiplied by the ratio (DeepSeek-V3.2)
  // Completions of negative advantage with mean(sampled - logp) above this have no loss. Needs sequences.
  double off_policy_threshold = std::numeric_limits<double>::infinity();
};

// (N) each.
struct PolicyLossResult {
  float* loss;       // without the weight, KL term included
  float* dlogp;      // d(sum of weight x loss) / d(logp)
  float* kl;         // the estimate against the reference
  uint8_t* clipped;  // 0 no, 1 at the low bound, 2 at the high bound, 3 at the dual bound or the cap
};

// Whether the sampler's importance weight enters the objective's own formula, rather than multiplying its loss.
template <class Objective>
constexpr bool kTakesImportance = std::is_same_v<Objective, Vespo>;

// Here, since CUDA's launches ask it too.
inline bool needs_sequences(const PolicyLossParams& params) {
  return params.off_policy_threshold < std::numeric_limits<double>::infinity() ||
         std::visit([](const auto& o) { return std::decay_t<decltype(o)>::kLevel != Level::Token; }, params.objective);
}
// Throws when a column that these parameters need is absent.
void check_presence(const PolicyLossColumns& in, const PolicyLossParams& params);
// That, and sequences are offsets from 0 to n. Host columns.
void check_policy_loss(int64_t n, const PolicyLossColumns& in, const PolicyLossParams& params);
// Checks its input.
void policy_loss(int64_t n, const PolicyLossColumns& in, const PolicyLossParams& params, const PolicyLossResult& out);

// The KL term alone: its value and d value / d logp, (N) each.
void kl(int64_t n, const float* logp, const float* ref_logp, const KlEstimator& estimator, float* value, float* slope);

}  // namespace rft::ops
