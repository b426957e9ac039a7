#include "ops/token_logp/head_stats.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "simd/vmath.h"

namespace rft::ops {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

}  // namespace

float HeadStats::logp(float logit) const { return max == kNever ? kNever : (logit - max) - log_sum; }

void apply_temperature(float* logits, int64_t n, float temperature) {
  if (temperature != 1.0f) simd::scale(1.0f / temperature, logits, logits, n);
}

ChunkStats chunk_stats(const float* logits, int64_t n) {
  ChunkStats c{simd::max(logits, n), 0.0f, 0.0f};
  if (c.max == kNever) {  // simd::max passes over NaN
    if (std::any_of(logits, logits + n, [](float z) { return std::isnan(z); })) c.sum = std::nanf("");
    return c;
  }
  c.sum = simd::exp_sum_weighted(logits, c.max, &c.weighted, n);
  return c;
}

HeadStats merge_chunks(const ChunkStats* parts, int64_t chunks, int64_t stride) {
  float most = kNever;
  for (int64_t c = 0; c < chunks; ++c) most = std::max(most, parts[c * stride].max);
  double sum = 0.0, weighted = 0.0;
  for (int64_t c = 0; c < chunks; ++c) {
    const ChunkStats& part = parts[c * stride];
    if (part.max == kNever) {
      sum += double(part.sum);  // 0 or NaN
      continue;
    }
    const double below = double(part.max) - double(most), factor = std::exp(below);
    sum += factor * double(part.sum);
    weighted += factor * (double(part.weighted) + below * double(part.sum));
  }
  if (std::isnan(sum)) return {std::nanf(""), std::nanf(""), std::nanf("")};
  if (most == kNever) return {kNever, 0.0f, 0.0f};
  const double log_sum = std::log(sum);
  return {most, float(log_sum), float(log_sum - weighted / sum)};
}

HeadStats head_stats(const float* logits, int64_t V) {
  const int64_t chunks = (V + kVocabChunk - 1) / kVocabChunk;
  thread_local std::vector<ChunkStats> parts;
  parts.resize(size_t(chunks));
  for (int64_t c = 0; c < chunks; ++c)
    parts[size_t(c)] = chunk_stats(logits + c * kVocabChunk, std::min(kVocabChunk, V - c * kVocabChunk));
  return merge_chunks(parts.data(), chunks, 1);
}

}  // namespace rft::ops
