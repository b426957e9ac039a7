// The RL part of the C interface: checks, and enums to the structs of the ops.
#include <algorithm>
#include <cmath>

#include "capi/call.h"
#include "capi/rft_rl.h"
#include "kernels/rl.h"

namespace {

using namespace rft;
using capi::with;

// A struct or a column that must be there. Nothing is read of columns without rows.
template <class... T>
void present(const char* where, const T*... pointers) {
  expect((... && (pointers != nullptr)), where, "every pointer that is not optional", "NULL");
}
template <class... T>
void columns(const char* where, int64_t n, const T*... pointers) {
  expect(n >= 0, where, "a number of rows from 0", n);
  if (n > 0) present(where, pointers...);
}

[[noreturn]] void unknown(const char* where, int value) { fail(where, "a value of its enum", value); }

void not_negative(const char* where, double value) {
  expect(value >= 0.0 && std::isfinite(value), where, "a finite number from 0", value);
}

ops::Normalised normalised(const rft_advantage_rule& rule) {
  not_negative("advantage eps", rule.eps);
  switch (rule.scale) {
    case RFT_SCALE_GROUP: return {ops::AdvantageScale::Group, rule.eps};
    case RFT_SCALE_BATCH: return {ops::AdvantageScale::Batch, rule.eps};
    case RFT_SCALE_NONE: return {ops::AdvantageScale::None, rule.eps};
  }
  unknown("advantage scale", rule.scale);
}

ops::AdvantageRule advantage_rule(const rft_advantage_rule& rule, const rft_reward_columns& in) {
  switch (rule.kind) {
    case RFT_ADVANTAGE_GROUP: return normalised(rule);
    case RFT_ADVANTAGE_RLOO: return ops::LeaveOneOut{};
    case RFT_ADVANTAGE_OPO: columns("group_advantage lengths", in.count, in.lengths); return ops::LengthMean{};
    case RFT_ADVANTAGE_GPG: return ops::Gpg{};
    case RFT_ADVANTAGE_PASS_AT_K: not_negative("advantage eps", rule.eps); return ops::PassAtK{rule.eps};
    case RFT_ADVANTAGE_REMAX: columns("group_advantage baselines", in.count, in.baselines); return ops::Baseline{};
  }
  unknown("advantage kind", rule.kind);
}

int ddof(const rft_advantage_rule& rule) { return rule.biased ? 0 : 1; }

ops::Aggregation aggregation(rft_aggregation mode) {
  switch (mode) {
    case RFT_TOKEN_MEAN: return ops::Aggregation::TokenMean;
    case RFT_ROLLOUT_TOKEN_MEAN: return ops::Aggregation::RolloutTokenMean;
    case RFT_MICRO_BATCH_TOKEN_MEAN: return ops::Aggregation::MicroBatchTokenMean;
    case RFT_SEQUENCE_MEAN: return ops::Aggregation::SequenceMean;
    case RFT_SEQUENCE_SUM: return ops::Aggregation::SequenceSum;
    case RFT_FIXED_LENGTH: return ops::Aggregation::FixedLength;
  }
  unknown("aggregation mode", mode);
}

double or_off(double bound) { return bound == 0.0 ? INFINITY : bound; }

ops::Clip clip(const rft_clip& c) {
  for (const double bound : {c.low, c.high, c.dual, c.cap}) not_negative("policy_loss clip", bound);
  return {1.0 - c.low, 1.0 + c.high, or_off(c.dual), or_off(c.cap)};
}

ops::PolicyObjective objective(const rft_loss& loss) {
  const auto bounds = [&] {
    const bool ordered = loss.of.bounds.low <= loss.of.bounds.high || loss.kind == RFT_LOSS_GMPO;
    expect(ordered, "policy_loss bounds", "low up to high", concat(loss.of.bounds.low, " and ", loss.of.bounds.high));
    for (const double bound : {loss.of.bounds.low, loss.of.bounds.high}) not_negative("policy_loss bounds", bound);
    return loss.of.bounds;
  };
  switch (loss.kind) {
    case RFT_LOSS_CLIP: return clip(loss.of.clip);
    case RFT_LOSS_GSPO: return ops::Gspo{clip(loss.of.clip)};
    case RFT_LOSS_SEQUENCE_PRODUCT: return ops::SequenceProduct{clip(loss.of.clip)};
    case RFT_LOSS_GSPO_TOKEN: return ops::GspoToken{clip(loss.of.clip)};
    case RFT_LOSS_CISPO: return ops::Cispo{bounds().low, bounds().high};
    case RFT_LOSS_REINFORCE: return ops::Reinforce{};
    case RFT_LOSS_SAPO:
      expect(loss.of.sapo.tau_positive > 0.0 && loss.of.sapo.tau_negative > 0.0, "policy_loss tau", "numbers above 0",
             concat(loss.of.sapo.tau_positive, " and ", loss.of.sapo.tau_negative));
      return ops::Sapo{loss.of.sapo.tau_positive, loss.of.sapo.tau_negative};
    case RFT_LOSS_GMPO: return ops::Gmpo{bounds().low, bounds().high};
    case RFT_LOSS_VESPO: {
      const rft_vespo& v = loss.of.vespo;
      for (const double c : {v.k_positive, v.lambda_positive, v.k_negative, v.lambda_negative})
        not_negative("policy_loss vespo", c);
      return ops::Vespo{v.k_positive, v.lambda_positive, v.k_negative, v.lambda_negative};
    }
    case RFT_LOSS_KL_COV: not_negative("policy_loss cov_coef", loss.of.cov_coef); return ops::KlCov{loss.of.cov_coef};
  }
  unknown("policy_loss kind", loss.kind);
}

ops::KlEstimator estimator(rft_kl_estimator kind) {
  switch (kind) {
    case RFT_KL_K3: return ops::K3{};
    case RFT_KL_K1: return ops::K1{};
    case RFT_KL_K2: return ops::K2{};
    case RFT_KL_K3_K2: return ops::K3K2{};
  }
  unknown("kl estimator", kind);
}

ops::PolicyLossParams params(const rft_policy_options& options) {
  ops::PolicyLossParams out;
  out.objective = objective(options.loss);
  out.estimator = estimator(options.kl_estimator);
  expect(std::isfinite(options.kl_coef), "policy_loss kl_coef", "a finite number", options.kl_coef);
  out.kl_coef = options.kl_coef;
  out.bias_corrected = options.kl_bias_corrected != 0;
  if (options.off_policy_mask) {
    expect(std::isfinite(options.off_policy_threshold), "policy_loss off_policy_threshold", "a finite number",
           options.off_policy_threshold);
    out.off_policy_threshold = options.off_policy_threshold;
  }
  return out;
}

}  // namespace

int rft_group_advantage(rft_context* context, const rft_reward_columns* in, const rft_advantage_rule* rule,
                        float* advantages) {
  return with(context, [&](const rft_context& c) {
    present("group_advantage", in, rule);
    columns("group_advantage", in->count, in->rewards, in->groups, advantages);
    kernels::group_advantage(c.ctx(), in->count, {in->rewards, in->groups, in->lengths, in->baselines},
                             advantage_rule(*rule, *in), ddof(*rule), advantages);
  });
}

int rft_gdpo(rft_context* context, int64_t K, int64_t B, const float* rewards, const float* weights,
             const int32_t* groups, const rft_advantage_rule* rule, float* advantages) {
  return with(context, [&](const rft_context& c) {
    present("gdpo", rule);
    expect(rule->kind == RFT_ADVANTAGE_GROUP, "gdpo rule", "kind RFT_ADVANTAGE_GROUP", int(rule->kind));
    columns("gdpo", K, weights);
    columns("gdpo", B, groups, advantages);
    columns("gdpo", K > 0 ? B : 0, rewards);
    kernels::gdpo(c.ctx(), K, B, rewards, weights, groups, normalised(*rule), ddof(*rule), advantages);
  });
}

int rft_gae(rft_context* context, const rft_gae_columns* in, double gamma, double lambda, float* advantages,
            float* returns) {
  return with(context, [&](const rft_context& c) {
    present("gae", in);
    columns("gae", in->n, in->rewards, advantages, returns);
    not_negative("gae gamma", gamma);
    not_negative("gae lambda", lambda);
    columns("gae sequences", in->sequence_count, in->sequences);
    kernels::gae(c.ctx(), in->n, {in->rewards, in->values, in->mask, in->sequences, in->sequence_count}, gamma, lambda,
                 advantages, returns);
  });
}

int rft_whiten(rft_context* context, int64_t n, const float* values, const int32_t* counts, int32_t keep_mean,
               float* out) {
  return with(context, [&](const rft_context& c) {
    columns("whiten", n, values, out);
    kernels::whiten(c.ctx(), n, values, counts, keep_mean == 0, out);
  });
}

int rft_aggregation_weights(rft_context* context, int64_t n, const uint8_t* mask, const int32_t* sequences,
                            int64_t sequence_count, const rft_aggregation_rule* rule, float* weights) {
  return with(context, [&](const rft_context& c) {
    present("aggregation_weights", rule);
    columns("aggregation_weights", n, weights);
    for (const int64_t count : {rule->completions, rule->tokens, rule->rollout_tokens, rule->mini_batches,
                                rule->micro_batches, rule->fixed_length})
      expect(count >= 0, "aggregation_weights rule", "counts from 0", count);
    const ops::Aggregation mode = aggregation(rule->mode);
    expect(mode != ops::Aggregation::FixedLength || rule->fixed_length > 0, "aggregation_weights fixed_length",
           "a length from 1", rule->fixed_length);
    columns("aggregation_weights sequences", sequence_count, sequences);
    const ops::AggregationRule own{mode,
                                   rule->completions,
                                   rule->tokens,
                                   rule->rollout_tokens,
                                   std::max<int64_t>(1, rule->mini_batches),
                                   std::max<int64_t>(1, rule->micro_batches),
                                   rule->fixed_length};
    kernels::aggregation_weights(c.ctx(), n, {mask, sequences, sequence_count}, own, weights);
  });
}

int rft_policy_loss(rft_context* context, const rft_policy_columns* in, const rft_policy_options* options,
                    const rft_policy_result* out) {
  return with(context, [&](const rft_context& c) {
    present("policy_loss", in, options, out);
    columns("policy_loss", in->n, in->logp, in->advantages, in->weights, out->loss, out->dlogp, out->kl, out->clipped);
    kernels::policy_loss(c.ctx(), in->n,
                         {in->logp, in->advantages, in->weights, in->old_logp, in->ref_logp, in->kl_coefs,
                          in->importance, in->sampled_logp, in->keep, in->selected, in->sequences, in->sequence_count},
                         params(*options), {out->loss, out->dlogp, out->kl, out->clipped});
  });
}

int rft_kl(rft_context* context, int64_t n, const float* logp, const float* ref_logp, rft_kl_estimator kind,
           float* value, float* slope) {
  return with(context, [&](const rft_context& c) {
    columns("kl", n, logp, ref_logp, value, slope);
    kernels::kl(c.ctx(), n, logp, ref_logp, estimator(kind), value, slope);
  });
}

int rft_value_loss(rft_context* context, const rft_value_columns* in, double clip, const rft_value_result* out) {
  return with(context, [&](const rft_context& c) {
    present("value_loss", in, out);
    columns("value_loss", in->n, in->values, in->returns, in->weights, out->loss, out->dvalue, out->clipped);
    not_negative("value_loss clip", clip);
    kernels::value_loss(c.ctx(), in->n, {in->values, in->returns, in->old_values, in->weights}, clip,
                        {out->loss, out->dvalue, out->clipped});
  });
}
