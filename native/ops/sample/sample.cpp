// No sort of the vocabulary: truncation gathers the tokens above a weight that is low enough for the result, selects
// among those for top-k, and sorts only as many as top-p's mass needs. Between equal logits the lower token id counts
// as the more probable one.
#include "ops/sample/sample.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/error.h"
#include "simd/vmath.h"

namespace rft::ops {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();
constexpr int64_t kBlock = 1024;  // weights are summed by blocks; then only the block that u falls into is walked

void forbid(float* z, int64_t V, const uint8_t* forbidden) {
  int64_t i = 0;
  for (; i + 8 <= V; i += 8) {
    uint64_t eight;
    std::memcpy(&eight, forbidden + i, 8);
    if (eight == 0) continue;
    for (int64_t j = i; j < i + 8; ++j)
      if (forbidden[j]) z[j] = kNever;
  }
  for (; i < V; ++i)
    if (forbidden[i]) z[i] = kNever;
}

// Unnormalised probabilities: e^(z - max), the highest is 1. Their sums by block and in all.
struct Weights {
  float* weight;
  int64_t V;
  std::vector<double>& blocks;
  double total;
};

Weights to_weights(float* z, int64_t V, float most, std::vector<double>& blocks) {
  if (most == std::numeric_limits<float>::infinity()) {  // its holders share everything
    for (int64_t i = 0; i < V; ++i) z[i] = z[i] == most ? 0.0f : kNever;
    most = 0.0f;
  }
  blocks.clear();
  double total = 0.0;
  for (int64_t b = 0; b < V; b += kBlock) {
    float* block = z + b;
    const int64_t n = std::min(kBlock, V - b);
    float sum = simd::exp_sum(block, most, block, n);
    if (std::isnan(sum)) {
      std::replace_if(
          block, block + n, [](float x) { return std::isnan(x); }, 0.0f);
      sum = simd::sum(block, n);
    }
    blocks.push_back(double(sum));
    total += double(sum);
  }
  return {z, V, blocks, total};
}

// The token where the running sum passes u times the total; the last possible one when rounding keeps it below.
int32_t invert(const Weights& w, double u) {
  const double target = u * w.total;
  double before = 0.0, running = 0.0;
  int64_t chosen = 0;
  for (size_t b = 0; b < w.blocks.size(); ++b) {
    if (w.blocks[b] == 0.0) continue;
    chosen = int64_t(b);
    running = before;
    before += w.blocks[b];
    if (before > target) break;
  }
  int64_t last = 0;
  for (int64_t i = chosen * kBlock; i < std::min(w.V, (chosen + 1) * kBlock); ++i) {
    if (w.weight[i] == 0.0f) continue;
    last = i;
    if ((running += double(w.weight[i])) > target) break;
  }
  return int32_t(last);
}

struct Candidate {
  float weight;
  int32_t token;
};
bool more_probable(const Candidate& a, const Candidate& b) {
  return a.weight != b.weight ? a.weight > b.weight : a.token < b.token;
}

// All tokens that truncation can keep: those above a weight that the k-th heaviest, the last of the nucleus or min-p's
// bound is surely not below.
void gather(const Weights& w, const SampleOptions& o, std::vector<Candidate>& out) {
  const bool top_k = o.top_k > 0 && o.top_k < w.V;
  for (float least : {1e-3f, 1e-6f, 0.0f}) {
    if (!top_k && o.top_p >= 1.0f) least = o.min_p;
    out.clear();
    double mass = 0.0;
    for (int64_t i = 0; i < w.V; ++i) {
      if (w.weight[i] < least || w.weight[i] == 0.0f) continue;
      out.push_back({w.weight[i], int32_t(i)});
      mass += double(w.weight[i]);
    }
    if (top_k ? int64_t(out.size()) >= o.top_k : mass > double(o.top_p) * w.total * (1 + 1e-6)) return;
    if (!top_k && o.top_p >= 1.0f) return;
  }
}

// Keeps the k heaviest and those as heavy as the last of them.
void keep_top_k(std::vector<Candidate>& kept, int64_t k) {
  if (k <= 0 || k >= int64_t(kept.size())) return;
  std::nth_element(kept.begin(), kept.begin() + (k - 1), kept.end(), more_probable);
  const float least = kept[size_t(k - 1)].weight;
  std::erase_if(kept, [least](const Candidate& c) { return c.weight < least; });
}

// Keeps a token when the mass of the more probable ones is below top_p of the total.
void keep_top_p(std::vector<Candidate>& kept, double top_p, double total) {
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

double mass_of(const std::vector<Candidate>& kept) {
  double sum = 0.0;
  for (const Candidate& c : kept) sum += double(c.weight);
  return sum;
}

int32_t draw_truncated(const Weights& w, const SampleOptions& o, double u) {
  thread_local std::vector<Candidate> kept;
  gather(w, o, kept);
  const bool top_k = o.top_k > 0 && o.top_k < w.V;
  if (top_k) keep_top_k(kept, o.top_k);
  if (o.top_p < 1.0f) keep_top_p(kept, double(o.top_p), top_k ? mass_of(kept) : w.total);
  std::erase_if(kept, [&](const Candidate& c) { return c.weight < o.min_p; });
  std::sort(kept.begin(), kept.end(), [](const Candidate& a, const Candidate& b) { return a.token < b.token; });
  const double target = u * mass_of(kept);
  double running = 0.0;
  for (const Candidate& c : kept)
    if ((running += double(c.weight)) > target) return c.token;
  return kept.back().token;
}

}  // namespace

int32_t sample_row(float* logits, int64_t V, const SampleOptions& options, double u, const uint8_t* forbidden) {
  expect(V > 0, "sample logits", "at least one token", V);
  expect(u >= 0.0 && u < 1.0, "sample u", "a number in [0, 1)", u);
  expect(options.min_p <= 1.0f, "sample min_p", "at most 1", options.min_p);
  if (forbidden) forbid(logits, V, forbidden);
  const float most = simd::max(logits, V);  // passes over NaN
  expect(most > kNever, "sample logits", "a token that can be drawn", "only NaN, -inf or forbidden ones");
  if (options.greedy || options.temperature <= 0.0f) return int32_t(std::find(logits, logits + V, most) - logits);
  thread_local std::vector<double> blocks;
  const Weights weights = to_weights(logits, V, most, blocks);
  const bool truncated = (options.top_k > 0 && options.top_k < V) || options.top_p < 1.0f || options.min_p > 0.0f;
  return truncated ? draw_truncated(weights, options, u) : invert(weights, u);
}

}  // namespace rft::ops
