// Draws one token from a row of logits.
#pragma once
#include <cstdint>

namespace rft::ops {

struct SampleOptions {
  float temperature = 1.0f;  // <= 0 means greedy; the logits arrive already divided by it
  int32_t top_k = 0;         // keep the k most probable and those that tie with the last; 0: all
  float top_p = 1.0f;        // keep the most probable until their mass reaches top_p
  float min_p = 0.0f;        // keep those with at least min_p times the highest probability
  bool greedy = false;
};

// logits (V) are at temperature and are overwritten. Order: forbidden, top-k, top-p on what top-k kept, min-p, then the
// inverse of the kept tokens' distribution function, in token order, at u in [0, 1). NaN counts as -inf.
// forbidden: (V), non-zero for tokens that may not be drawn, or nullptr. Same arguments, same token.
// Throws rft::Error when no token can be drawn.
int32_t sample_row(float* logits, int64_t V, const SampleOptions& options, double u, const uint8_t* forbidden);

}  // namespace rft::ops
