// The head in double precision, and the two routes of the CUDA kernels run on the same numbers.
#pragma once
#include <cstring>
#include <functional>

#include "harness.h"
#include "numbers.h"
#include "ops/gemm/launch.h"
#include "ops/token_logp/launch.h"
#include "ops/token_logp/vocab_stats.cuh"

namespace rft::test {

using simt::bf16;
using simt::Buffer;

// x (n, c), w (v, c): values that bf16 holds exactly.
struct Head {
  int n, c, v;
  float temperature = 1.0f;
  Floats x, w;
  std::vector<int32_t> targets, rows;  // rows: of x, or empty for 0, 1, 2, ..

  static Head random(int n, int c, int v, float temperature = 1.0f, float scale = 1.0f) {
    Head h{n,
           c,
           v,
           temperature,
           rounded(random_floats(size_t(n * c), scale, 1)),
           rounded(random_floats(size_t(v * c), 1, 2)),
           {},
           {}};
    for (int i = 0; i < n; ++i) h.targets.push_back(int32_t((int64_t(i) * 7919 + v - 1) % v));
    return h;
  }
  // Every row of x picks column 0 of w, so column 0 of w is a row of logits.
  static Head of_logits(int n, int v, const std::function<float(int)>& logit) {
    Head h = random(n, 8, v);
    for (int i = 0; i < n * 8; ++i) h.x[size_t(i)] = i % 8 == 0 ? 1.0f : 0.0f;
    for (int j = 0; j < v; ++j) h.w[size_t(j * 8)] = float(bf16(logit(j)));
    return h;
  }
  static Floats rounded(Floats values) {
    for (float& x : values) x = float(bf16(x));
    return values;
  }
  int row(int i) const { return rows.empty() ? i : rows[size_t(i)]; }
  std::vector<double> logits(int i) const {
    std::vector<double> z(size_t(v), 0.0);
    for (int j = 0; j < v; ++j) {
      for (int k = 0; k < c; ++k) {
        const double xk = double(x[size_t(row(i) * c + k)]), wk = double(w[size_t(j * c + k)]);
        if (xk != 0.0) z[size_t(j)] += xk * wk;
      }
      z[size_t(j)] /= double(temperature);
    }
    return z;
  }
};

struct Reference {
  double logp, entropy, lse, largest = 0;  // largest: |z| of a finite logit
  std::vector<double> z;

  Reference(const Head& h, int i) : z(h.logits(i)) {
    double most = -INFINITY, sum = 0, weighted = 0;
    for (const double x : z) {
      most = std::max(most, x);
      if (std::isfinite(x)) largest = std::max(largest, std::fabs(x));
    }
    for (const double x : z) sum += std::exp(x - most);
    lse = most + std::log(sum);
    for (const double x : z) weighted += std::isfinite(x) ? std::exp(x - lse) * (x - lse) : 0.0;
    logp = z[size_t(h.targets[size_t(i)])] - lse;
    entropy = -weighted;
  }
};

struct HeadResult {
  Floats logp, entropy, stats;  // (n), (n), (n, 3)
};

template <class T>
struct HeadInputs {
  Buffer<T> x, w;
  Buffer<int32_t> targets, rows;
  explicit HeadInputs(const Head& h)
      : x(std::vector<T>(h.x.begin(), h.x.end())),
        w(std::vector<T>(h.w.begin(), h.w.end())),
        targets(h.targets),
        rows(h.rows) {}
};

inline void expect_written(bool written) {
  if (simt::kCheckedBuild && !written) fail("head", "all outputs written", "gaps");
}

inline HeadResult run_fused(const Head& h, bool wgmma = false) {
  const HeadInputs<bf16> in(h);
  Buffer<float> workspace(size_t(cuda::fused_head_workspace(h.n, h.v))), stats(size_t(h.n * 3)), logp(size_t(h.n)),
      entropy(size_t(h.n));
  const cuda::FusedHead head{
      h.n,  h.c, h.v, h.temperature, in.x.get(), in.w.get(), h.rows.empty() ? nullptr : in.rows.get(), in.targets.get(),
      wgmma};
  cuda::fused_head(head, workspace.get(), reinterpret_cast<cuda::RowStats*>(stats.get()), logp.get(), entropy.get(),
                   nullptr);
  expect_written(stats.all_written() && logp.all_written() && entropy.all_written());
  return {logp.host(), entropy.host(), stats.host()};
}

// Stored logits, T: bf16 or float. Rows must not be gathered.
template <class T>
HeadResult run_stored(const Head& h) {
  const HeadInputs<T> in(h);
  const int64_t ldz = (h.v + 7) / 8 * 8;
  Buffer<float> logits(size_t(h.n * ldz)), stats(size_t(h.n * 3)), logp(size_t(h.n)), entropy(size_t(h.n));
  cuda::gemm({cuda::Form::NT, h.n, h.v, h.c, h.c, h.c, ldz}, in.x.get(), in.w.get(), nullptr, logits.get(), nullptr);
  const cuda::StoredLogits stored{h.n, h.v, ldz, h.temperature};
  auto* row_stats = reinterpret_cast<cuda::RowStats*>(stats.get());
  cuda::row_stats(stored, logits.get(), row_stats, nullptr);
  cuda::stored_logp(stored, logits.get(), in.targets.get(), row_stats, logp.get(), entropy.get(), nullptr);
  expect_written(stats.all_written() && logp.all_written() && entropy.all_written());
  return {logp.host(), entropy.host(), stats.host()};
}

// Log-probs within 2e-5 (1 + |z|) of fp64 and never above 0.
inline std::string judge(const Head& h, const HeadResult& got) {
  for (int i = 0; i < h.n; ++i) {
    const Reference want(h, i);
    const double tolerance = 2e-5 * (1 + want.largest), logp = double(got.logp[size_t(i)]);
    const bool same = std::isinf(want.logp) ? logp == want.logp : std::fabs(logp - want.logp) <= tolerance;
    if (!same || logp > 0) return concat("row ", i, ": logp ", logp, ", want ", want.logp);
    const double entropy = double(got.entropy[size_t(i)]);
    if (!(std::fabs(entropy - want.entropy) <= tolerance))
      return concat("row ", i, ": entropy ", entropy, ", want ", want.entropy);
  }
  return "";
}

inline bool same_bits(const Floats& a, const Floats& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}
inline bool same_bits(const HeadResult& a, const HeadResult& b) {
  return same_bits(a.logp, b.logp) && same_bits(a.entropy, b.entropy) && same_bits(a.stats, b.stats);
}

}  // namespace rft::test
