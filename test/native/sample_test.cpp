// Sampling: which tokens are kept, how often each is drawn, hostile rows; the generator against Random123's vectors.
#include "ops/sample/sample.h"

#include <numeric>

#include "base/philox.h"
#include "harness.h"

using namespace rft;
using namespace rft::test;
using ops::sample_row;
using ops::SampleOptions;

namespace {

constexpr float kInf = INFINITY;

int32_t draw(Floats logits, const SampleOptions& options, double u, const std::vector<uint8_t>& forbidden = {}) {
  return sample_row(logits.data(), int64_t(logits.size()), options, u, forbidden.empty() ? nullptr : forbidden.data());
}

// Probabilities after forbidding and truncating, the way Hugging Face's warpers do: a full sort and double sums.
Array reference(const Floats& logits, const SampleOptions& o, const std::vector<uint8_t>& forbidden) {
  const size_t V = logits.size();
  Array p(V, 0.0);
  double most = -INFINITY;
  for (size_t i = 0; i < V; ++i)
    if (!std::isnan(logits[i]) && (forbidden.empty() || !forbidden[i])) most = std::max(most, double(logits[i]));
  for (size_t i = 0; i < V; ++i)
    if (!std::isnan(logits[i]) && (forbidden.empty() || !forbidden[i])) p[i] = std::exp(double(logits[i]) - most);
  std::vector<size_t> order(V);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p[a] > p[b]; });
  if (o.top_k > 0 && size_t(o.top_k) < V) {
    const double least = p[order[size_t(o.top_k) - 1]];
    for (double& x : p) x = x < least ? 0 : x;
  }
  if (o.top_p < 1) {
    const double total = std::accumulate(p.begin(), p.end(), 0.0);
    double before = 0;
    for (size_t i = 0; i < V; ++i) {
      const double own = p[order[i]];
      if (i > 0 && before >= double(o.top_p) * total) p[order[i]] = 0;
      before += own;
    }
  }
  const double highest = *std::max_element(p.begin(), p.end());
  for (double& x : p) x = x < double(o.min_p) * highest ? 0 : x;
  const double total = std::accumulate(p.begin(), p.end(), 0.0);
  for (double& x : p) x /= total;
  return p;
}

// Walks u over a grid: the share of each token must be its probability to within the grid's step.
std::string check_shares(const Floats& logits, const SampleOptions& options,
                         const std::vector<uint8_t>& forbidden = {}) {
  const Array wanted = reference(logits, options, forbidden);
  const int steps = 4000;
  Array share(logits.size(), 0.0);
  int32_t before = 0;
  for (int i = 0; i < steps; ++i) {
    const int32_t token = draw(logits, options, (i + 0.5) / steps, forbidden);
    if (token < before) return "tokens are not in order of u";
    share[size_t(before = token)] += 1.0 / steps;
  }
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i] == 0 && share[i] > 0) return concat("token ", i, " was drawn although it is not kept");
    if (std::abs(share[i] - wanted[i]) > 1.5 / steps)
      return concat("token ", i, " has share ", share[i], ", expected ", wanted[i]);
  }
  return "";
}

SampleOptions with(int32_t top_k, float top_p, float min_p) { return {1.0f, top_k, top_p, min_p, false}; }

void test_shares() {
  Random random(3);
  for (int64_t V : {1, 2, 37, 1500, 3000}) {
    const Floats logits = random.normals(V, 2);
    std::vector<uint8_t> forbidden(size_t(V), 0);
    for (int64_t i = 1; i < V; i += 3) forbidden[size_t(i)] = 1;
    for (const SampleOptions& o :
         {with(0, 1, 0), with(5, 1, 0), with(0, 0.8f, 0), with(0, 1, 0.1f), with(20, 0.9f, 0.05f),
          with(int32_t(V), 0.999f, 0), with(1, 1, 0), with(0, 0.0f, 0), with(0, 1, 1)}) {
      const auto name = concat("shares, V ", V, " top_k ", o.top_k, " top_p ", o.top_p, " min_p ", o.min_p);
      verify(name, [&] { return check_shares(logits, o); });
      verify(name + " forbidden", [&] { return check_shares(logits, o, forbidden); });
    }
  }
  verify("top_k keeps ties with its last token", [] { return check_shares({1, 3, 2, 2, 0, 2}, with(2, 1, 0)); });
  verify("top_p takes the lower id of equals", [] { return check_shares({0, 0, 0, 0}, with(0, 0.5f, 0)); });
  verify("a nucleus of many tokens", [&] { return check_shares(Floats(2000, 1.0f), with(0, 0.5f, 0)); });
}

void test_ends() {
  const double last = std::nextafter(1.0, 0.0);
  verify("u at its ends stays among the kept", [&]() -> std::string {
    const Floats z = {-kInf, 1, 2, 1, -kInf, -kInf};
    for (const SampleOptions& o : {with(0, 1, 0), with(0, 0.99f, 0)}) {
      if (draw(z, o, 0.0) != 1) return concat("u = 0 drew ", draw(z, o, 0.0));
      if (draw(z, o, last) != 3) return concat("u near 1 drew ", draw(z, o, last));
    }
    return "";
  });
  verify("the largest u of a long row draws a possible token", [&]() -> std::string {
    Random random(5);
    for (int i = 0; i < 50; ++i) {
      Floats z = random.normals(4000 + random.below(3000), 3);
      std::fill(z.end() - 1500, z.end(), -kInf);
      const int32_t token = draw(z, {}, last);
      if (!(z[size_t(token)] > -kInf)) return concat("token ", token);
    }
    return "";
  });
  verify("greedy takes the first of the highest", []() -> std::string {
    SampleOptions greedy, cold;
    greedy.greedy = true;
    cold.temperature = 0;
    const Floats z = {1, 5, std::nanf(""), 5, 2};
    if (draw(z, greedy, 0.9) != 1 || draw(z, cold, 0.9) != 1) return "not token 1";
    return draw(z, greedy, 0.9, {0, 1, 0, 0, 0}) == 3 ? "" : "a forbidden token";
  });
}

void test_hostile_rows() {
  const float nan = std::nanf("");
  verify("NaN is never drawn", [&] { return check_shares({nan, 1, nan, 0, -kInf}, {}); });
  verify("an infinite logit takes everything", [&]() -> std::string {
    for (double u : {0.0, 0.5, 0.99}) {
      if (draw({1, kInf, 3}, {}, u) != 1 || draw({1, kInf, 3}, with(2, 0.9f, 0.1f), u) != 1) return "another token";
    }
    return "";
  });
  verify("logits of -1e30 are like any others", [] { return check_shares(Floats(5, -1e30f), {}); });
  const auto refuse = [](const std::string& name, const std::string& part, const std::function<void()>& body) {
    verify_error(name, {part}, body);
  };
  refuse("refuses a row of NaN", "can be drawn", [&] { draw({nan, nan}, {}, 0.5); });
  refuse("refuses a row of -inf", "can be drawn", [&] { draw({-kInf, -kInf}, with(1, 1, 0), 0.5); });
  refuse("refuses when all is forbidden", "can be drawn", [&] { draw({1, 2}, {}, 0.5, {1, 1}); });
  refuse("refuses an empty row", "at least one token", [&] { draw({}, {}, 0.5); });
  refuse("refuses u = 1", "[0, 1)", [&] { draw({1, 2}, {}, 1.0); });
  refuse("refuses min_p above 1", "min_p", [&] { draw({1, 2}, with(0, 1, 1.5f), 0.5); });
}

// kat_vectors of Random123, philox4x32 with 10 rounds.
void test_philox() {
  using Words = std::array<uint32_t, 4>;
  const uint32_t ones = 0xffffffff;
  verify("philox4x32-10 known answers", [&]() -> std::string {
    if (philox4x32({0, 0, 0, 0}, {0, 0}) != Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}) return "zeros";
    if (philox4x32({ones, ones, ones, ones}, {ones, ones}) != Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd})
      return "ones";
    if (philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) !=
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1})
      return "digits of pi";
    return "";
  });
  verify("philox_uniform is uniform in [0, 1) and differs by seed, stream and index", []() -> std::string {
    double sum = 0, squares = 0;
    const int n = 20000;
    for (int i = 0; i < n; ++i) {
      const double u = philox_uniform(1, uint64_t(i % 7), uint64_t(i));
      if (!(u >= 0 && u < 1)) return concat(u);
      sum += u;
      squares += u * u;
    }
    if (std::abs(sum / n - 0.5) > 0.01 || std::abs(squares / n - 1.0 / 3) > 0.01) return concat("mean ", sum / n);
    const double u = philox_uniform(1, 2, 3), far = double(uint64_t{1} << 40);
    return u == philox_uniform(1, 2, 3) && u != philox_uniform(2, 2, 3) && u != philox_uniform(1, 3, 3) &&
                   u != philox_uniform(1, 2, 4) && u != philox_uniform(1, 2, 3 + uint64_t(far))
               ? ""
               : "draws repeat";
  });
}

}  // namespace

int main() {
  test_shares();
  test_ends();
  test_hostile_rows();
  test_philox();
  return failures ? 1 : 0;
}
