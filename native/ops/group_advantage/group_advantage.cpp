// group_advantage: rewards compared within the completions of one prompt; the rules are in rules.h.
//
// A NaN reward is left out of every mean and deviation and has advantage 0. Under the rules that subtract a mean, a
// group of equal values has advantage exactly 0: moments are taken about the group's first value, in double, in two
// passes, over the group's rows in row order.
#include "ops/group_advantage/group_advantage.h"

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

#include "base/parallel_for.h"

namespace rft::ops {
namespace {

struct Moments {
  double mean, std;
};

template <class Value>
Moments moments(int64_t n, int ddof, const Value& value) {
  if (n == 0) return {0.0, 0.0};
  const double first = value(0);
  double shift = 0.0, squares = 0.0;
  for (int64_t i = 0; i < n; ++i) shift += value(i) - first;
  shift /= double(n);
  for (int64_t i = 0; i < n; ++i) {
    const double off = value(i) - first - shift;
    squares += off * off;
  }
  return {first + shift, n > ddof ? std::sqrt(squares / double(n - ddof)) : 0.0};
}

// Rows with a value, by group and then by row; begins[g] .. begins[g + 1] are the rows of one group.
struct Groups {
  std::vector<int32_t> rows;
  std::vector<int64_t> begins;
};

Groups group_rows(int64_t B, const RewardColumns& in) {
  Groups out;
  out.rows.reserve(size_t(B));
  bool sorted = true;
  for (int64_t i = 0; i < B; ++i) {
    if (std::isnan(in.rewards[i])) continue;
    if (!out.rows.empty()) sorted = sorted && in.groups[out.rows.back()] <= in.groups[i];
    out.rows.push_back(int32_t(i));
  }
  if (!sorted)
    std::stable_sort(out.rows.begin(), out.rows.end(),
                     [&](int32_t a, int32_t b) { return in.groups[a] < in.groups[b]; });
  for (size_t i = 0; i < out.rows.size(); ++i)
    if (i == 0 || in.groups[out.rows[i]] != in.groups[out.rows[i - 1]]) out.begins.push_back(int64_t(i));
  out.begins.push_back(int64_t(out.rows.size()));
  return out;
}

// The largest reward, its first row, and the next.
void rank(const RewardColumns& in, const int32_t* rows, int64_t n, GroupStats& g, int64_t* best_row) {
  for (int64_t i = 0; i < n; ++i) {
    const double r = in.rewards[rows[i]];
    if (r > g.best) {
      g.second = g.best;
      g.best = r;
      *best_row = i;
    } else if (r > g.second) g.second = r;
  }
}

double length_mean(const RewardColumns& in, const int32_t* rows, int64_t n, double mean) {
  double tokens = 0.0, above = 0.0;
  for (int64_t i = 0; i < n; ++i) {
    tokens += in.lengths[rows[i]];
    above += in.lengths[rows[i]] * (double(in.rewards[rows[i]]) - double(in.rewards[rows[0]]));
  }
  return tokens > 0.0 ? double(in.rewards[rows[0]]) + above / tokens : mean;
}

}  // namespace

void group_advantage(int64_t B, const RewardColumns& in, const AdvantageRule& rule, int ddof, float* advantages) {
  std::fill(advantages, advantages + B, 0.0f);
  const Groups groups = group_rows(B, in);
  const int64_t n = int64_t(groups.rows.size());
  // Statistics of the whole batch, for the rules that look at it.
  const auto* normalised = std::get_if<Normalised>(&rule);
  const auto reward = [&](int64_t i) { return double(in.rewards[groups.rows[size_t(i)]]); };
  const bool by_batch = normalised && normalised->scale == AdvantageScale::Batch;
  const double batch_std = by_batch ? moments(n, ddof, reward).std : 0.0;
  double alpha = 1.0;
  if (std::holds_alternative<Gpg>(rule)) {
    int64_t rewarded = 0;
    for (int32_t row : groups.rows) rewarded += in.rewards[row] != 0.0f;
    alpha = double(n) / double(std::max<int64_t>(1, rewarded));
  }
  std::visit(
      [&]<class Rule>(const Rule& apply) {
    parallel_ranges(int64_t(groups.begins.size()) - 1, 256, [&](int64_t first, int64_t last) {
      for (int64_t k = first; k < last; ++k) {
        const int32_t* rows = groups.rows.data() + groups.begins[size_t(k)];
        const int64_t count = groups.begins[size_t(k) + 1] - groups.begins[size_t(k)];
        int64_t best = 0;
        const Moments m = moments(count, ddof, [&](int64_t i) { return double(in.rewards[rows[i]]); });
        GroupStats g{double(count), m.mean, m.std, m.mean, -INFINITY, -INFINITY, batch_std, alpha};
        if (std::is_same_v<Rule, LengthMean> && in.lengths) g.length_mean = length_mean(in, rows, count, m.mean);
        if (std::is_same_v<Rule, PassAtK>) rank(in, rows, count, g, &best);
        for (int64_t i = 0; i < count; ++i) {
          const double baseline = in.baselines ? double(in.baselines[rows[i]]) : 0.0;
          const double a = apply(RowValue{double(in.rewards[rows[i]]), baseline, i == best}, g);
          advantages[rows[i]] = std::isnan(baseline) ? 0.0f : float(a);
        }
      }
    });
      },
      rule);
}

void gdpo(int64_t K, int64_t B, const float* rewards, const float* weights, const int32_t* groups,
          const Normalised& rule, int ddof, float* advantages) {
  std::vector<double> sum(size_t(B), 0.0);
  std::vector<bool> valued(size_t(B), false);
  std::vector<float> one(static_cast<size_t>(B));
  for (int64_t k = 0; k < K; ++k) {
    const float* own = rewards + k * B;
    group_advantage(B, {own, groups, nullptr, nullptr}, rule, ddof, one.data());
    for (size_t i = 0; i < size_t(B); ++i) {
      if (std::isnan(own[i])) continue;
      valued[i] = true;
      sum[i] += double(weights[k]) * double(one[i]);
    }
  }
  for (size_t i = 0; i < size_t(B); ++i) advantages[i] = valued[i] ? float(sum[i]) : NAN;
  standardize(B, advantages, rule.eps, ddof);
}

void standardize(int64_t n, float* x, double eps, int ddof) {
  std::vector<float> values;
  for (int64_t i = 0; i < n; ++i)
    if (!std::isnan(x[i])) values.push_back(x[i]);
  const Moments m = moments(int64_t(values.size()), ddof, [&](int64_t i) { return double(values[size_t(i)]); });
  for (int64_t i = 0; i < n; ++i) {
    const double above = std::isnan(x[i]) ? 0.0 : x[i] - m.mean;
    x[i] = above == 0.0 ? 0.0f : float(above / (m.std + eps));
  }
}

}  // namespace rft::ops
