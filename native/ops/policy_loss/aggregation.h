// How token losses become one number: a weight per token, so that total = sum weight loss, and any split into
// micro-batches adds up to the same gradient.
//
//   TokenMean             1 / tokens of the mini-batch                   one optimizer update; verl token-mean
//   RolloutTokenMean      mini-batches / tokens of the rollout           TRL dapo, cispo, vespo; DAPO paper
//   MicroBatchTokenMean   1 / (micro-batches x tokens of these rows)     TRL bnpo
//   SequenceMean          1 / (completions x tokens of its completion)   GRPO; TRL grpo, verl seq-mean-token-mean
//   SequenceSum           1 / completions                                LUSPO; verl seq-mean-token-sum
//   FixedLength           1 / (completions x fixed length)               Dr.GRPO
//
// Tokens are trained ones (mask 1); the others have weight 0.
#pragma once
#include <cstdint>

#include "base/host_device.h"

namespace rft::ops {

enum class Aggregation { TokenMean, RolloutTokenMean, MicroBatchTokenMean, SequenceMean, SequenceSum, FixedLength };

struct AggregationRule {
  Aggregation mode = Aggregation::TokenMean;
  int64_t completions = 0, tokens = 0;  // of the whole mini-batch; 0 = these rows are all of it
  int64_t rollout_tokens = 0;           // for RolloutTokenMean; 0 = tokens
  int64_t mini_batches = 1, micro_batches = 1;
  int64_t fixed_length = 0;  // for FixedLength
};

struct AggregationColumns {
  const uint8_t* mask;       // (N) 1 = trained; nullptr = all
  const int32_t* sequences;  // (sequence_count + 1) offsets
  int64_t sequence_count;
};

// What a trained token weighs. own: trained tokens of all these rows, length: of its completion.
RFT_HOST_DEVICE double aggregation_weight(const AggregationRule& rule, int64_t completions_here, double own,
                                          double length) {
  const double completions = double(rule.completions > 0 ? rule.completions : completions_here);
  const double tokens = rule.tokens > 0 ? double(rule.tokens) : own;
  switch (rule.mode) {
    case Aggregation::TokenMean: return 1.0 / tokens;
    case Aggregation::RolloutTokenMean:
      return double(rule.mini_batches) / (rule.rollout_tokens > 0 ? double(rule.rollout_tokens) : tokens);
    case Aggregation::MicroBatchTokenMean: return 1.0 / (double(rule.micro_batches) * own);
    case Aggregation::SequenceMean: return 1.0 / (completions * length);
    case Aggregation::SequenceSum: return 1.0 / completions;
    case Aggregation::FixedLength: return 1.0 / (completions * double(rule.fixed_length));
  }
  return 0.0;
}

// -> weights (N)
void aggregation_weights(const AggregationColumns& in, const AggregationRule& rule, float* weights);

}  // namespace rft::ops
