// aggregation_weights: in double, rounded once. Maths: aggregation.h.
#include "ops/policy_loss/aggregation.h"

#include <cstddef>
#include <vector>

namespace rft::ops {

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
  for (int64_t b = 0; b < in.sequence_count; ++b) {
    const double weight = aggregation_weight(rule, in.sequence_count, double(own), double(lengths[std::size_t(b)]));
    for (int64_t i = in.sequences[b]; i < in.sequences[b + 1]; ++i) weights[i] = trained(i) ? float(weight) : 0.0f;
  }
}

}  // namespace rft::ops
