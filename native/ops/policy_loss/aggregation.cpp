// aggregation_weights: in double, rounded once. Maths: aggregation.h.
#include "ops/policy_loss/aggregation.h"

#include <cstddef>
#include <vector>

namespace rft::ops {
namespace {

// What one trained token weighs; `length`: trained tokens of its completion, `own`: of all these rows.
double weight_of(const AggregationRule& rule, double completions, double tokens, double own, double length) {
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

}  // namespace

void aggregation_weights(const AggregationColumns& in, const AggregationRule& rule, float* weights) {
  const auto trained = [&](int64_t i) { return in.mask == nullptr || in.mask[i] != 0; };
  std::vector<int64_t> lengths;
  int64_t own = 0;
  for (int64_t b = 0; b < in.sequence_count; ++b) {
    int64_t length = 0;
    for (int64_t i = in.sequences[b]; i < in.sequences[b + 1]; ++i) length += trained(i);
    lengths.push_back(length);
    own += length;
  }
  const double completions = double(rule.completions > 0 ? rule.completions : in.sequence_count);
  const double tokens = double(rule.tokens > 0 ? rule.tokens : own);
  for (int64_t b = 0; b < in.sequence_count; ++b) {
    const double weight = weight_of(rule, completions, tokens, double(own), double(lengths[std::size_t(b)]));
    for (int64_t i = in.sequences[b]; i < in.sequences[b + 1]; ++i) weights[i] = trained(i) ? float(weight) : 0.0f;
  }
}

}  // namespace rft::ops
