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

// -> weights (N)
void aggregation_weights(const AggregationColumns& in, const AggregationRule& rule, float* weights);

}  // namespace rft::ops
