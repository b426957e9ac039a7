// No full sort: top-k selects, top-p sorts only as many of the most probable tokens as its mass needs. Between equal
// logits the lower token id counts as the more probable one.
#include "ops/sample/sample.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/error.h"
#include "simd/vmath.h"

namespace rft::ops {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();
constexpr int64_t kBlock = 1024;  // weights are summed by blocks, then the one that u falls into is walked

// Turns NaN and forbidden into -inf; returns the first of the highest, V when there is nothing to draw.
int64_t clean(float* z, int64_t V, const uint8_t* forbidden) {
  int64_t best = V;
  float most = kNever;
  for (int64_t i = 0; i < V; ++i) {
    if (std::isnan(z[i]) || (forbidden && forbidden[i])) z[i] = kNever;
    if (z[i] > most) {
      most = z[i];
      best = i;
    }
  }
  return best;
}

// z becomes weights e^(z - most); with an infinite maximum its holders share everything.
void to_weights(float* z, int64_t V, float most) {
  if (most < std::numeric_limits<float>::infinity()) {
    simd::exp_sum(z, most, z, V);
    return;
  }
  for (int64_t i = 0; i < V; ++i) z[i] = z[i] == most ? 1.0f : 0.0f;
}

// The token where the running sum of weight(i), i in [0, n), passes u times the total.
template <class Weight, class BlockSum>
int64_t invert(int64_t n, double u, const Weight& weight, const BlockSum& block_sum) {
  double total = 0.0;
  for (int64_t b = 0; b < n; b += kBlock) total += block_sum(b, std::min(kBlock, n - b));
  const double target = u * total;
  double before = 0.0;
  int64_t last = 0;
  for (int64_t b = 0; b < n; b += kBlock) {
    const int64_t len = std::min(kBlock, n - b);
    const double sum = block_sum(b, len);
    if (sum > 0.0) {
      const bool here = before + sum > target;
      double running = before;
      for (int64_t i = b; i < b + len; ++i) {
        if (!(weight(i) > 0.0f)) continue;
        last = i;
        running += double(weight(i));
        if (here && running > target) return i;
      }
      if (here) return last;  // rounding between the block's sum and its walk
    }
    before += sum;
  }
  return last;
}

struct Candidate {
  float weight;
  int32_t token;
};
bool more_probable(const Candidate& a, const Candidate& b) {
  return a.weight != b.weight ? a.weight > b.weight : a.token < b.token;
}

// Keeps the k heaviest and those as heavy as the last of them.
void keep_top_k(std::vector<Candidate>& kept, int64_t k) {
  if (k <= 0 || k >= int64_t(kept.size())) return;
  std::nth_element(kept.begin(), kept.begin() + (k - 1), kept.end(), more_probable);
  const float least = kept[size_t(k - 1)].weight;
  std::erase_if(kept, [least](const Candidate& c) { return c.weight < least; });
}

// Keeps a token when the mass of the more probable ones is below top_p.
void keep_top_p(std::vector<Candidate>& kept, double top_p) {
  if (top_p >= 1.0) return;
  double total = 0.0;
  for (const Candidate& c : kept) total += double(c.weight);
  double before = 0.0;
  size_t sorted = 0, count = 0;
  for (size_t next = 64; sorted < kept.size(); next *= 4) {
    const size_t end = std::min(kept.size(), next);
    if (end < kept.size())
      std::nth_element(kept.begin() + int64_t(sorted), kept.begin() + int64_t(end), kept.end(), more_probable);
    std::sort(kept.begin() + int64_t(sorted), kept.begin() + int64_t(end), more_probable);
    for (sorted = end; count < end && (count == 0 || before < top_p * total); ++count)
      before += double(kept[count].weight);
    if (count < end) break;
  }
  kept.resize(count);
}

int32_t draw_truncated(const float* weights, int64_t V, const SampleOptions& options, double u) {
  static thread_local std::vector<Candidate> kept;
  kept.clear();
  // The heaviest weight is 1, so min-p's bound is known beforehand; it may not thin what top-p measures, though.
  const float least = options.top_k > 0 || options.top_p < 1.0f ? 0.0f : options.min_p;
  for (int64_t i = 0; i < V; ++i)
    if (weights[i] > 0.0f && weights[i] >= least) kept.push_back({weights[i], int32_t(i)});
  keep_top_k(kept, options.top_k);
  keep_top_p(kept, double(options.top_p));
  std::erase_if(kept, [&](const Candidate& c) { return c.weight < options.min_p; });
  std::sort(kept.begin(), kept.end(), [](const Candidate& a, const Candidate& b) { return a.token < b.token; });
  auto sum = [&](int64_t b, int64_t n) {
    double s = 0.0;
    for (int64_t i = b; i < b + n; ++i) s += double(kept[size_t(i)].weight);
    return s;
  };
  const int64_t at = invert(int64_t(kept.size()), u, [&](int64_t i) { return kept[size_t(i)].weight; }, sum);
  return kept[size_t(at)].token;
}

}  // namespace

int32_t sample_row(float* logits, int64_t V, const SampleOptions& options, double u, const uint8_t* forbidden) {
  expect(V > 0, "sample logits", "at least one token", V);
  expect(u >= 0.0 && u < 1.0, "sample u", "a number in [0, 1)", u);
  expect(options.min_p <= 1.0f, "sample min_p", "at most 1", options.min_p);
  const int64_t best = clean(logits, V, forbidden);
  expect(best < V, "sample logits", "a token that can be drawn", "only NaN, -inf or forbidden ones");
  if (options.greedy || options.temperature <= 0.0f) return int32_t(best);
  to_weights(logits, V, logits[best]);
  const bool truncated = (options.top_k > 0 && options.top_k < V) || options.top_p < 1.0f || options.min_p > 0.0f;
  if (truncated) return draw_truncated(logits, V, options, u);
  return int32_t(invert(V, u, [&](int64_t i) { return logits[i]; },
                        [&](int64_t b, int64_t n) { return double(simd::sum(logits + b, n)); }));
}

}  // namespace rft::ops
