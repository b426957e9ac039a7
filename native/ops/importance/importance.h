// Importance weights of the trainer's log-probs against the sampler's, for samplers that are not this engine.
//
//   log w = old - sampled, per token; or its sum (product of ratios) or mean (geometric mean) over the completion
//   truncate: clamp(w, low, high)      mask: 0 where w is outside [low, high]
//
// A NaN in `sampled` (not reported) counts as a ratio of 1. Masked rows (mask 0) count as 1 too.
#pragma once
#include <cstdint>

namespace rft::ops {

enum class ImportanceLevel { Token, SequenceProduct, SequenceGeometric };
enum class ImportanceBound { Truncate, Mask };

struct ImportanceColumns {
  const float* old_logp;      // (N)
  const float* sampled_logp;  // (N)
  const uint8_t* mask;        // (N); nullptr = all
  const int32_t* sequences;   // (sequence_count + 1) offsets
  int64_t sequence_count;
};

void importance_ratio(const ImportanceColumns& in, ImportanceLevel level, ImportanceBound bound, double low,
                      double high, float* ratio);

}  // namespace rft::ops
