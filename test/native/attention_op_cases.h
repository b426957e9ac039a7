// Cases of ops::attention and their reference in double, for the CPU and for the CUDA device.
#pragma once
#include "op_checks.h"
#include "ops/ops.h"

namespace rft::test {

using ops::Segment;

struct Heads {
  int heads, kv_heads, D;
  int64_t q_width() const { return int64_t(heads) * D; }
  int64_t kv_width() const { return int64_t(kv_heads) * D; }
  float scale() const { return 1.0f / std::sqrt(float(D)); }
};

inline Array attention_reference(const Array& q, const Array& k, const Array& v, const std::vector<Segment>& segments,
                                 const Heads& h) {
  Array out(q.size(), 0.0);
  for (const Segment& s : segments)
    for (int64_t i = 0; i < s.q_len; ++i)
      for (int64_t head = 0; head < h.heads; ++head) {
        std::vector<int64_t> keys;
        for (int64_t j = 0; j < s.kv0_len; ++j) keys.push_back(s.kv0_begin + j);
        const int64_t seen = s.causal ? std::clamp<int64_t>(s.kv1_len - s.q_len + i + 1, 0, s.kv1_len) : s.kv1_len;
        for (int64_t j = 0; j < seen; ++j) keys.push_back(s.kv1_begin + j);
        if (keys.empty()) continue;
        const double* query = &q[size_t((s.q_begin + i) * h.q_width() + head * h.D)];
        const int64_t column = head * h.kv_heads / h.heads * h.D;
        Array scores;
        for (int64_t key : keys) {
          double dot = 0;
          for (int64_t d = 0; d < h.D; ++d) dot += query[d] * k[size_t(key * h.kv_width() + column + d)];
          scores.push_back(dot * double(h.scale()));
        }
        const double most = *std::max_element(scores.begin(), scores.end());
        double sum = 0;
        for (double& x : scores) sum += x = std::exp(x - most);
        double* o = &out[size_t((s.q_begin + i) * h.q_width() + head * h.D)];
        for (size_t j = 0; j < keys.size(); ++j)
          for (int64_t d = 0; d < h.D; ++d) o[d] += scores[j] / sum * v[size_t(keys[j] * h.kv_width() + column + d)];
      }
  return out;
}

inline Case attention_case(const std::string& shape, int64_t queries, int64_t keys, std::vector<Segment> segments,
                           Heads h, std::vector<int64_t> unread_queries = {}, std::vector<int64_t> unread_keys = {}) {
  Case c;
  c.op = "attention";
  c.shape = shape;
  c.inputs = {with_unread(normal_input("q", {queries, h.q_width()}, 1), unread_queries),
              with_unread(normal_input("k", {keys, h.kv_width()}, 2), unread_keys),
              with_unread(normal_input("v", {keys, h.kv_width()}, 3), unread_keys)};
  c.run = [segments, h](Ctx& ctx, const std::vector<Tensor>& in) {
    return std::vector{ops::attention(ctx, in[0], in[1], in[2], segments, h.heads, h.kv_heads, h.scale())};
  };
  c.reference = [segments, h](const std::vector<Array>& in) {
    return std::vector<Array>{attention_reference(in[0], in[1], in[2], segments, h)};
  };
  c.output_width = h.q_width();
  c.kept = Kept{{"q", "k", "v"}, {4 * queries * h.q_width(), 4 * queries * h.heads}};
  return c;
}

inline std::vector<Case> attention_cases() {
  std::vector<Case> cases;
  const auto plain = [](int32_t T) { return Segment{0, T, 0, 0, 0, T, 1}; };
  // The q gradient of a query with one key is 0 by cancellation: measured, the row's error is relative to a floor of a
  // thousandth of the typical row.
  const auto with_single_keys = [](Case c) {
    c.gradient_tolerance = 1e-4;
    return c;
  };
  cases.push_back(with_single_keys(
      attention_case("T 1 beside T 4", 5, 5, {{0, 1, 0, 0, 0, 1, 1}, {1, 4, 0, 0, 1, 4, 1}}, {1, 1, 16})));
  cases.push_back(attention_case("T 17 D 20 heads 5 over 1", 17, 17, {plain(17)}, {5, 1, 20}));
  cases.push_back(attention_case("T 70 D 32 heads 4 over 2", 70, 70, {plain(70)}, {4, 2, 32}));
  cases.push_back(attention_case("T 33 D 80 heads 7 over 1", 33, 33, {plain(33)}, {7, 1, 80}));
  cases.push_back(attention_case("T 270 D 16 heads 2 over 2", 270, 270, {plain(270)}, {2, 2, 16}));
  cases.push_back(attention_case("T 40 D 128", 40, 40, {plain(40)}, {1, 1, 128}));
  cases.push_back(attention_case("not causal T 19 D 64", 19, 19, {{0, 19, 0, 0, 0, 19, 0}}, {2, 1, 64}));
  cases.push_back(attention_case("fewer queries than keys", 5, 23, {{0, 5, 0, 0, 0, 23, 1}}, {2, 2, 16}));
  // Queries 0 and 1 see nothing of region 1; without region 0 they see nothing at all.
  cases.push_back(
      with_single_keys(attention_case("fewer keys than queries", 5, 3, {{0, 5, 0, 0, 0, 3, 1}}, {2, 1, 16})));
  cases.push_back(
      attention_case("fewer own keys than queries after a prompt", 5, 7, {{0, 5, 0, 4, 4, 3, 1}}, {2, 1, 16}));
  // [gap][prompt 9][r1 4][r2 1][gap][r3 6][another sequence 3][gap], some segments empty.
  cases.push_back(attention_case("a pack with gaps", 30, 30,
                                 {{2, 9, 0, 0, 2, 9, 1},
                                  {11, 4, 2, 9, 11, 4, 1},
                                  {15, 1, 2, 9, 15, 1, 1},
                                  {16, 0, 2, 9, 16, 0, 1},
                                  {18, 6, 2, 9, 18, 6, 1},
                                  {24, 3, 0, 0, 24, 3, 1},
                                  {27, 0, 0, 0, 27, 2, 1}},
                                 {4, 2, 16}, {0, 1, 16, 17, 27, 28, 29}, {0, 1, 16, 17, 27, 28, 29}));
  // Regions that overlap without being equal: a turn that sees its prompt and the first turn as one region.
  cases.push_back(attention_case(
      "overlapping regions", 26, 26,
      {{0, 10, 0, 0, 0, 10, 1}, {10, 6, 0, 10, 10, 6, 1}, {16, 5, 0, 16, 16, 5, 1}, {21, 5, 3, 4, 21, 5, 0}},
      {2, 2, 32}));
  cases.push_back(attention_case(
      "windows", 24, 24, {{0, 8, 0, 0, 0, 8, 0}, {8, 12, 0, 0, 8, 12, 0}, {20, 4, 0, 0, 20, 4, 0}}, {2, 2, 20}));
  cases.push_back(attention_case("a region without queries, a query without keys", 4, 6,
                                 {{0, 3, 0, 0, 1, 0, 1}, {3, 1, 0, 2, 4, 0, 1}}, {2, 1, 16}, {0, 1, 2}, {2, 3, 4, 5}));
  cases.push_back(attention_case("no segments", 3, 3, {}, {2, 1, 16}, {0, 1, 2}, {0, 1, 2}));
  return cases;
}

}  // namespace rft::test
