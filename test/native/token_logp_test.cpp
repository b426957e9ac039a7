// The fused log-prob head: the op through op_checks.h, the rows of logits that have broken such heads elsewhere, and
// that the sampler's log-prob (head_stats on a row of logits) has the bits of the trainer's.
#include "ops/token_logp/head_stats.h"

#include "op_checks.h"
#include "ops/ops.h"
#include "simd/gemm.h"
#include "simd/vmath.h"

using namespace rft;
using namespace rft::test;

namespace {

constexpr float kInf = INFINITY;

struct Exact {
  double logp, entropy;
};

// In double, two passes. -inf logits take no part.
Exact exact(const Array& z, int64_t target) {
  const double most = *std::max_element(z.begin(), z.end());
  double sum = 0, weighted = 0;
  for (double x : z) {
    const double e = std::exp(x - most);
    sum += e;
    if (e > 0) weighted += e * (x - most);
  }
  return {z[size_t(target)] - most - std::log(sum), std::log(sum) - weighted / sum};
}

std::vector<Array> reference(const std::vector<Array>& in, int64_t C, double temperature) {
  const Array &x = in[0], &w = in[1], &targets = in[2];
  std::vector<Array> out(2);
  Array z(w.size() / size_t(C));
  for (size_t n = 0; n < targets.size(); ++n) {
    for (size_t v = 0; v < z.size(); ++v) {
      z[v] = 0;
      for (int64_t c = 0; c < C; ++c) z[v] += x[n * size_t(C) + size_t(c)] * w[v * size_t(C) + size_t(c)];
      z[v] /= temperature;
    }
    const Exact e = exact(z, int64_t(targets[n]));
    out[0].push_back(e.logp);
    out[1].push_back(e.entropy);
  }
  return out;
}

std::vector<int32_t> random_targets(int64_t N, int64_t V) {
  Random random(7);
  std::vector<int32_t> ids;
  for (int64_t n = 0; n < N; ++n) ids.push_back(int32_t(n == 0 ? V - 1 : random.below(V)));
  return ids;
}

Case head_case(int64_t N, int64_t C, int64_t V, float temperature) {
  Case c;
  c.op = "token_logp";
  c.shape = concat("N ", N, " C ", C, " V ", V, " temperature ", temperature);
  c.inputs = {batched(normal_input("x", {N, C}, 1)), normal_input("w", {V, C}, 2, 0.3),
              batched(int_input("targets", random_targets(N, V)))};
  c.run = [temperature](Ctx& ctx, const std::vector<Tensor>& in) {
    const auto out = ops::token_logp(ctx, in[0], in[1], in[2], temperature);
    return std::vector<Tensor>{out.logp, out.entropy};
  };
  c.reference = [C, temperature](const std::vector<Array>& in) { return reference(in, C, double(temperature)); };
  c.kept = Kept{{"x", "w", "targets"}, {12 * N, 4 * N, 4 * N}};
  return c;
}

void test_cases() {
  check_case(head_case(1, 16, 5, 1.0f));
  check_case(head_case(7, 20, 300, 1.0f));
  check_case(head_case(3, 8, 1024 + 1, 1.0f));
  check_case(head_case(5, 8, 2048 + 17, 0.7f));
  check_case(head_case(2, 12, 1024 + 63, 10.0f));
  check_case(head_case(130, 6, 40, 1.0f));
  Case cold = head_case(4, 16, 200, 0.1f);
  cold.tolerance = 1e-5;  // logits ten times as large
  cold.gradient_tolerance = 1e-4;
  check_case(cold);
}

// ------------------------------------------------------------------ rows of given logits

struct Row {
  float logp, entropy;
  Floats dlogits;  // gradient of logp + 0.5 entropy
};

// With C = 1 and x = 1 the logits are w itself.
Row through_op(const Floats& logits, int32_t target, float temperature = 1.0f) {
  Tape tape;
  Ctx ctx = make_ctx(std::make_shared<Pool>(Device::Cpu), &tape);
  const float one = 1.0f, half = 0.5f;
  const Tensor x = ctx.from(&one, {1, 1}), w = ctx.from(logits.data(), {int64_t(logits.size()), 1});
  w.set_requires_grad(true);
  const auto out = ops::token_logp(ctx, x, w, ctx.from(&target, {1}), temperature);
  out.logp.set_grad(ctx.from(&one, {1}));
  out.entropy.set_grad(ctx.from(&half, {1}));
  tape.backward(ctx);
  return {out.logp.f32()[0], out.entropy.f32()[0], download(w.grad())};
}

std::string check_row(const Floats& logits, int32_t target, float temperature = 1.0f, double tolerance = 1e-6) {
  const Row row = through_op(logits, target, temperature);
  Array z;
  for (float x : logits) z.push_back(double(x) / double(temperature));
  const Exact e = exact(z, target);
  // Far from 0 a log-prob cannot be better than the logits it is a difference of.
  const auto off = [&](double got, double want) { return !(std::abs(got - want) <= tolerance * (1 + std::abs(want))); };
  if (row.logp > 0) return concat("a log-prob of ", row.logp);
  if (off(row.logp, e.logp)) return concat("log-prob ", row.logp, ", expected ", e.logp);
  if (off(row.entropy, e.entropy)) return concat("entropy ", row.entropy, ", expected ", e.entropy);
  const double most = *std::max_element(z.begin(), z.end()), lse = z[size_t(target)] - e.logp;
  for (size_t j = 0; j < z.size(); ++j) {
    const double p = std::exp(z[j] - most) / std::exp(lse - most);
    const double d =
        ((int32_t(j) == target) - p - (p > 0 ? 0.5 * p * (z[j] - lse + e.entropy) : 0)) / double(temperature);
    if (!(std::abs(row.dlogits[j] - d) <= 2e-6 / double(temperature)))
      return concat("gradient of logit ", j, " is ", row.dlogits[j], ", expected ", d);
  }
  return "";
}

void test_bad_rows() {
  Random random(11);
  for (int64_t extra : {1, 17, 63}) {
    const auto around = [&](double mean) { return random.normals(2048 + extra, 1, mean); };
    verify(concat("a tail column is -inf, not 0, logits near -1e4, V 2048 + ", extra),
           [&] { return check_row(around(-1e4), 5); });
    verify(concat("the maximum begins at -inf, logits near -50, V 2048 + ", extra),
           [&] { return check_row(around(-50), int32_t(2047 + extra)); });
    verify(concat("one logit of 3e4, V 2048 + ", extra), [&] {
      Floats z = around(0);
      z[3] = 3e4f;
      const auto detail = check_row(z, 3);
      return detail.empty() ? check_row(z, 4) : detail;
    });
    verify(concat("a token of probability 0 adds nothing to the entropy, V 2048 + ", extra), [&] {
      Floats z = around(0);
      z[0] = z[1024] = z.back() = -kInf;
      return check_row(z, 1);
    });
    verify(concat("a whole chunk of -inf, V 2048 + ", extra), [&] {
      Floats z = around(0);
      std::fill(z.begin() + 1024, z.begin() + 2048, -kInf);
      return check_row(z, 1);
    });
  }
  for (float temperature : {0.1f, 10.0f})
    verify(concat("temperature ", temperature),
           [&] { return check_row(random.normals(1500, 1), 7, temperature, temperature < 1 ? 1e-5 : 1e-6); });
  verify("a forbidden target has log-prob -inf", []() -> std::string {
    const Row row = through_op({1.0f, -kInf, 0.0f}, 1);
    return row.logp == -kInf && std::isfinite(row.entropy) ? "" : concat(row.logp, ", entropy ", row.entropy);
  });
  verify("one token has log-prob 0", []() -> std::string {
    const Row row = through_op({-7.0f}, 0);
    return row.logp == 0 && row.entropy == 0 && row.dlogits[0] == 0 ? "" : concat(row.logp);
  });
  verify("NaN shows", []() -> std::string {
    Floats z(2000, 0.0f), only(3, std::nanf(""));
    z[1500] = std::nanf("");
    return std::isnan(through_op(z, 1).logp) && std::isnan(through_op(only, 1).logp) ? ""
                                                                                     : "a NaN logit was passed over";
  });
  verify("a row of -inf has no log-prob", []() -> std::string {
    const Row row = through_op(Floats(1100, -kInf), 1);
    return row.logp == -kInf && row.entropy == 0 ? "" : concat(row.logp, ", entropy ", row.entropy);
  });
}

void test_distribution() {
  verify("probabilities sum to 1 and none exceeds 1", []() -> std::string {
    Random random(13);
    const int64_t V = 1300, C = 24;
    Ctx ctx = make_ctx(std::make_shared<Pool>(Device::Cpu));
    const Floats row = random.normals(C, 2);
    Floats x;
    std::vector<int32_t> targets;
    for (int64_t v = 0; v < V; ++v) {
      x.insert(x.end(), row.begin(), row.end());
      targets.push_back(int32_t(v));
    }
    const Tensor w = ctx.from(random.normals(V * C).data(), {V, C});
    const auto out = ops::token_logp(ctx, ctx.from(x.data(), {V, C}), w, ctx.from(targets.data(), {V}), 1.0f);
    double sum = 0;
    for (int64_t v = 0; v < V; ++v) {
      if (out.logp.f32()[v] > 0) return concat("log-prob ", out.logp.f32()[v]);
      sum += std::exp(double(out.logp.f32()[v]));
    }
    return std::abs(sum - 1) < 1e-5 ? "" : concat("sum ", sum);
  });
}

// ------------------------------------------------------------------ sampler and trainer

std::string sampler_equals_trainer(Random& random) {
  const int64_t N = 1 + random.below(40), C = 1 + random.below(70), V = 1 + random.below(5000);
  const float temperature = random.below(2) ? 1.0f : float(0.3 + random.uniform());
  const Floats x = random.normals(N * C), w = random.normals(V * C);
  const std::vector<int32_t> targets = random_targets(N, V);
  Ctx ctx = make_ctx(std::make_shared<Pool>(Device::Cpu));
  const auto out = ops::token_logp(ctx, ctx.from(x.data(), {N, C}), ctx.from(w.data(), {V, C}),
                                   ctx.from(targets.data(), {N}), temperature);
  for (int64_t n = 0; n < N; ++n) {
    Floats z(static_cast<size_t>(V));
    simd::gemm(simd::Trans::No, simd::Trans::Yes, 1, V, C, x.data() + n * C, C, w.data(), C, 0.0f, z.data(), V);
    ops::apply_temperature(z.data(), V, temperature);
    const ops::HeadStats stats = ops::head_stats(z.data(), V);
    const auto detail = compare_bits(concat("N ", N, " C ", C, " V ", V, " row ", n, " (logp, entropy)"),
                                     {stats.logp(z[size_t(targets[size_t(n)])]), stats.entropy},
                                     {out.logp.f32()[n], out.entropy.f32()[n]});
    if (!detail.empty()) return detail;
  }
  return "";
}

void test_sampler_and_trainer() {
  const int threads = num_threads();
  const simd::Isa best = simd::isa();
  for (auto [isa, name] :
       {std::pair{simd::Isa::Portable, "portable"}, {simd::Isa::Avx2, "avx2"}, {simd::Isa::Avx512, "avx512"}}) {
    try {
      simd::set_isa_for_test(isa);
    } catch (const Error&) {
      continue;  // this CPU has no such instructions
    }
    for (int n : {1, 2}) {
      set_num_threads(n);
      verify(concat("the sampler's log-prob has the trainer's bits, ", name, ", threads ", n), [&]() -> std::string {
        Random random(21);
        for (int i = 0; i < 25; ++i) {
          const auto detail = sampler_equals_trainer(random);
          if (!detail.empty()) return detail;
        }
        return "";
      });
    }
  }
  simd::set_isa_for_test(best);
  set_num_threads(threads);
}

// ------------------------------------------------------------------ refusals and memory

void test_refusals() {
  Ctx ctx = make_ctx(std::make_shared<Pool>(Device::Cpu));
  const auto call = [&](Shape x, Shape w, std::vector<int32_t> targets, float temperature) {
    const Floats a(size_t(element_count(x)), 0.0f), b(size_t(element_count(w)), 0.0f);
    ops::token_logp(ctx, ctx.from(a.data(), x), ctx.from(b.data(), w),
                    ctx.from(targets.data(), {int64_t(targets.size())}), temperature);
  };
  verify_error("refuses a target past the vocabulary", {"target of row 1", "below 5", "received 5"}, [&] {
    call({2, 3}, {5, 3}, {4, 5}, 1);
  });
  verify_error("refuses a negative target", {"target of row 0", "received -1"}, [&] {
    call({2, 3}, {5, 3}, {-1, 0}, 1);
  });
  verify_error("refuses a width", {"token_logp w", "(V, 3)", "(5,4)"}, [&] { call({2, 3}, {5, 4}, {0, 0}, 1); });
  verify_error("refuses a number of targets", {"token_logp targets", "2 ids", "(1)"}, [&] {
    call({2, 3}, {5, 3}, {0}, 1);
  });
  verify_error("refuses a temperature", {"temperature", "positive", "0"}, [&] { call({1, 3}, {5, 3}, {0}, 0); });
}

// What the head needs beyond its inputs, outputs and gradients, by META.
void test_memory() {
  verify("extra memory is at most 4 N x chunk and a chunk of w per thread", []() -> std::string {
    const int64_t N = 512, C = 512, V = 131072;  // powers of two: the pool does not round them up
    auto pool = std::make_shared<Pool>(Device::Meta);
    Tape tape;
    Ctx ctx = make_ctx(pool, &tape);
    const Tensor x = ctx.empty({N, C}), w = ctx.empty({V, C});
    x.set_requires_grad(true);
    w.set_requires_grad(true);
    const auto out = ops::token_logp(ctx, x, w, ctx.empty({N}, Dtype::I32), 1.0f);
    out.logp.set_grad(ctx.empty({N}));
    tape.backward(ctx);
    const int64_t needed = pool->report().peak - 2 * int64_t(x.bytes()) - 2 * int64_t(w.bytes());
    const int64_t allowed = 4 * (4 * N * ops::kVocabChunk) + num_threads() * 4 * C * ops::kVocabChunk;
    return needed <= allowed ? "" : concat(needed, " bytes, allowed ", allowed);
  });
}

}  // namespace

int main() {
  test_cases();
  test_bad_rows();
  test_distribution();
  test_sampler_and_trainer();
  test_refusals();
  test_memory();
  return failures ? 1 : 0;
}
