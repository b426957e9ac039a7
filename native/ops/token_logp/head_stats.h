// The log-prob of a token given its row of logits, in the one order of summation that sampler and trainer share.
//
// The vocabulary is cut into chunks of kVocabChunk columns. Each chunk gives m = max z, l = sum e^(z-m) and
// s = sum e^(z-m) (z-m); the chunks are merged in index order. So the bits depend on the row of logits alone.
#pragma once
#include <cstdint>

namespace rft::ops {

inline constexpr int64_t kVocabChunk = 1024;

struct HeadStats {
  float max = 0;      // the highest logit
  float log_sum = 0;  // ln sum_j e^(z_j - max), never below 0
  float entropy = 0;  // of softmax(z), nats

  float lse() const { return max + log_sum; }
  // ln softmax(z) of the token with this logit: at most 0, since no logit is above max.
  float logp(float logit) const;
};

// One row of V logits, already at temperature. -inf entries have probability 0 and add nothing to the entropy; a NaN
// makes the result NaN; a row of nothing but -inf has max = -inf, and log-prob -inf for every token.
HeadStats head_stats(const float* logits, int64_t V);

// Divides n logits by the temperature, as the fused op does: a product with 1/T in fp32.
void apply_temperature(float* logits, int64_t n, float temperature);

// The pieces that head_stats is made of.
struct ChunkStats {
  float max, sum, weighted;
};
ChunkStats chunk_stats(const float* logits, int64_t n);
// `chunks` elements, `stride` apart.
HeadStats merge_chunks(const ChunkStats* parts, int64_t chunks, int64_t stride);

}  // namespace rft::ops
