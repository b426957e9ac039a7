// What the attention kernels' tests share: cases, inputs with NaN in rows that nobody may read, and the fp64 answer,
// once exact and once rounded where a kernel that stores in bf16 must round. Not instrumented: see numbers.h.
#pragma once
#include <algorithm>
#include <functional>

#include "numbers.h"
#include "ops/attention/launch.h"

namespace rft::test {

using ops::Segment;
using Doubles = std::vector<double>;

struct AttentionCase {
  std::string name;
  cuda::AttentionSizes sizes;
  std::vector<Segment> segments;

  int group() const { return sizes.heads / sizes.kv_heads; }
  size_t q_width() const { return size_t(sizes.heads * sizes.head_dim); }
  size_t kv_width() const { return size_t(sizes.kv_heads * sizes.head_dim); }
  size_t q_count() const { return size_t(sizes.query_rows) * q_width(); }
  size_t kv_count() const { return size_t(sizes.key_rows) * kv_width(); }
  size_t lse_count() const { return size_t(sizes.query_rows * sizes.heads); }
};

inline AttentionCase attention_case(std::string name, int heads, int kv_heads, int D, int64_t queries, int64_t keys,
                                    std::vector<Segment> segments) {
  return {std::move(name), {queries, keys, heads, kv_heads, D, float(1.0 / std::sqrt(double(D)))}, std::move(segments)};
}

// The logical keys of query i, as rows of k.
inline std::vector<size_t> keys_of(const Segment& s, int i) {
  std::vector<size_t> keys;
  for (int j = 0; j < s.kv0_len; ++j) keys.push_back(size_t(s.kv0_begin + j));
  const int seen = s.causal ? std::clamp(s.kv1_len - s.q_len + i + 1, 0, s.kv1_len) : s.kv1_len;
  for (int j = 0; j < seen; ++j) keys.push_back(size_t(s.kv1_begin + j));
  return keys;
}

struct AttentionInputs {
  Floats q, k, v, dout;
};

// Values as bf16 holds them when `rounded`; NaN in rows outside every segment.
inline AttentionInputs attention_inputs(const AttentionCase& c, bool rounded, uint64_t seed = 1) {
  AttentionInputs in{random_floats(c.q_count(), 1, seed), random_floats(c.kv_count(), 1, seed + 1),
                     random_floats(c.kv_count(), 1, seed + 2), random_floats(c.q_count(), 1, seed + 3)};
  std::vector<bool> queries(size_t(c.sizes.query_rows)), keys(size_t(c.sizes.key_rows));
  for (const Segment& s : c.segments) {
    for (int i = 0; i < s.q_len; ++i) queries[size_t(s.q_begin + i)] = true;
    if (s.q_len == 0) continue;
    for (int j = 0; j < s.kv0_len; ++j) keys[size_t(s.kv0_begin + j)] = true;
    for (int j = 0; j < s.kv1_len; ++j) keys[size_t(s.kv1_begin + j)] = true;
  }
  const auto spoil = [](Floats& x, const std::vector<bool>& used, size_t width) {
    for (size_t i = 0; i < x.size(); ++i)
      if (!used[i / width]) x[i] = NAN;
  };
  for (Floats* x : {&in.q, &in.k, &in.v, &in.dout}) {
    if (rounded)
      for (float& value : *x) value = float(__float2bfloat16(value));
    const bool of_queries = x == &in.q || x == &in.dout;
    spoil(*x, of_queries ? queries : keys, of_queries ? c.q_width() : c.kv_width());
  }
  return in;
}

struct AttentionAnswer {
  Doubles out, lse, dq, dk, dv;
};

// round: identity for the exact answer, or bf16 rounding. It is applied to p and dS before their products and to
// outputs, as the kernels do; delta then comes from the rounded output.
inline AttentionAnswer attention_reference(const AttentionCase& c, const AttentionInputs& in,
                                           const std::function<double(double)>& round, bool backward) {
  const size_t D = size_t(c.sizes.head_dim), H = size_t(c.sizes.heads), T = size_t(c.sizes.query_rows);
  AttentionAnswer a{Doubles(c.q_count()), Doubles(c.lse_count(), -INFINITY), Doubles(c.q_count()),
                    Doubles(c.kv_count()), Doubles(c.kv_count())};
  for (const Segment& s : c.segments)
    for (int i = 0; i < s.q_len; ++i)
      for (size_t h = 0; h < H; ++h) {
        const std::vector<size_t> keys = keys_of(s, i);
        const size_t row = size_t(s.q_begin + i), at = (row * H + h) * D, column = h / size_t(c.group()) * D;
        if (keys.empty()) continue;
        const auto dot = [&](const Floats& x, const Floats& y, size_t key) {
          double sum = 0;
          for (size_t d = 0; d < D; ++d) sum += double(x[at + d]) * double(y[key * c.kv_width() + column + d]);
          return sum;
        };
        Doubles p;
        for (size_t key : keys) p.push_back(dot(in.q, in.k, key) * double(c.sizes.scale));
        const double most = *std::max_element(p.begin(), p.end());
        double l = 0, delta = 0;
        for (double& x : p) l += x = std::exp(x - most);
        a.lse[h * T + row] = most + std::log(l);
        for (size_t d = 0; d < D; ++d) {
          double o = 0;
          for (size_t j = 0; j < keys.size(); ++j) o += round(p[j]) * double(in.v[keys[j] * c.kv_width() + column + d]);
          a.out[at + d] = round(o / l);
          delta += a.out[at + d] * double(in.dout[at + d]);
        }
        if (!backward) continue;
        for (size_t j = 0; j < keys.size(); ++j) {
          const double pj = p[j] / l, ds = round(pj * (dot(in.dout, in.v, keys[j]) - delta));
          const size_t to = keys[j] * c.kv_width() + column;
          for (size_t d = 0; d < D; ++d) {
            a.dq[at + d] += double(c.sizes.scale) * ds * double(in.k[to + d]);
            a.dk[to + d] += double(c.sizes.scale) * ds * double(in.q[at + d]);
            a.dv[to + d] += round(pj) * double(in.dout[at + d]);
          }
        }
      }
  if (backward)
    for (Doubles* x : {&a.dq, &a.dk, &a.dv})
      for (double& value : *x) value = round(value);
  return a;
}

// ||x - exact|| / ||exact||, of all and of the worst row. A row below a tenth of the average counts as that: the dq of
// a row with one key cancels to 0.
template <class X>
std::pair<double, double> relative_errors(const std::vector<X>& x, const Doubles& exact, size_t width) {
  double all = 0, norm = 0, worst = 0;
  for (const double e : exact) norm += e * e;
  const double least = norm / double(std::max<size_t>(1, exact.size() / width)) * 1e-2;
  for (size_t row = 0; row < exact.size(); row += width) {
    double error = 0, size = 0;
    for (size_t i = row; i < row + width; ++i) {
      const double e = double(float(x[i])) - exact[i];
      error += e * e;
      size += exact[i] * exact[i];
    }
    all += error;
    if (!(error <= 0))
      worst = std::max(worst, std::isnan(error) ? INFINITY : std::sqrt(error / std::max(size, std::max(least, 1e-30))));
  }
  return {std::isnan(all) ? INFINITY : std::sqrt(all / std::max(norm, 1e-30)), worst};
}

// Rule A: within `limit` (a row: four times that). Rule B: within twice the error of `rounded`, the same formulas with
// the unavoidable roundings, plus fp32's own.
template <class X>
std::string judge(const char* what, const std::vector<X>& x, const Doubles& exact, const Doubles& rounded, size_t width,
                  double limit) {
  const auto [all, row] = relative_errors(x, exact, width);
  const auto [all_rounded, row_rounded] = relative_errors(rounded, exact, width);
  const bool good = all <= limit && row <= 4 * limit && all <= 2 * all_rounded + 2e-6 && row <= 2 * row_rounded + 1e-5;
  return good ? ""
              : concat(what, ": error ", all, ", worst row ", row, "; limit ", limit, ", with roundings alone ",
                       all_rounded, " and ", row_rounded, "; ");
}

inline std::string judge_lse(const Floats& lse, const Doubles& exact) {
  for (size_t i = 0; i < exact.size(); ++i)
    if (std::isinf(exact[i]) ? double(lse[i]) != exact[i]
                             : !(std::fabs(double(lse[i]) - exact[i]) <= 1e-5 * (1 + std::fabs(exact[i]))))
      return concat("lse ", i, ": ", lse[i], ", want ", exact[i], "; ");
  return "";
}

inline double round_bf16(double x) { return double(float(__float2bfloat16(float(x)))); }
inline double keep(double x) { return x; }

}  // namespace rft::test
