// The log-prob head on CUDA: both routes against fp64, the same bits from both and in any batch, and the bugs that
// public fused heads have had, each by name.
#include "has_wgmma.h"
#include "token_logp_head.h"

using namespace rft::cuda;
using namespace rft::test;
using rft::concat;
using rft::simt::bf16;
using rft::simt::kCheckedBuild;

namespace {

// Fused and stored, bit-equal to each other and right.
std::string both(const Head& h) {
  const HeadResult fused = run_fused(h);
  const std::string wrong = judge(h, fused);
  if (!wrong.empty()) return "fused: " + wrong;
  return same_bits(fused, run_stored<bf16>(h)) ? "" : "fused and stored logits give different bits";
}

void check_shapes() {
  struct Shape {
    int n, c, v;
    float temperature;
  };
  const Shape shapes[] = {{17, 40, 257, 1.0f}, {1, 8, 1, 1.0f}, {129, 72, 63, 0.7f}, {3, 264, 319, 2.0f}};
  for (const Shape& s : shapes)
    expect_clean(concat("token_logp ", s.n, " x ", s.c, " x ", s.v, " temperature ", s.temperature),
                 [&] { return both(Head::random(s.n, s.c, s.v, s.temperature, 2.0f)); });
  use(kSchedules[2]);
  for (const int v : {64, 65, 127, 128, 255, 256, 383, 4097})  // ends of chunks, tiles and splits
    report(concat("token_logp, vocabulary of ", v), both(Head::random(5, 16, v)));
  for (const float temperature : {0.1f, 10.0f})
    report(concat("token_logp at temperature ", temperature), both(Head::random(9, 24, 300, temperature)));
}

// The kernel of sm_90a on the same numbers. Ragged rows, vocabularies and widths: TMA announces whole boxes, also where
// they leave the array (RL-Kernel 234), and zeros that it fills in must not become logits.
void check_wgmma() {
  struct Shape {
    int n, c, v;
  };
  for (const Shape& s : {Shape{5, 72, 300}, Shape{130, 8, 64}, Shape{2, 328, 257}})
    expect_clean(concat("token_logp by wgmma ", s.n, " x ", s.c, " x ", s.v), [&] {
      const Head h = Head::random(s.n, s.c, s.v, 0.8f);
      return judge(h, run_fused(h, true));
    });
  use(kSchedules[2]);
  Head h = Head::random(66, 16, 4609);  // several tiles of the vocabulary to a block
  const HeadResult all = run_fused(h, true);
  const std::string wrong = judge(h, all);
  report("token_logp by wgmma, more stages than there are", wrong);
  h.n = 1;
  h.x.resize(size_t(h.c));
  h.targets.resize(1);
  report("token_logp by wgmma, a row has the bits of a batch of one",
         run_fused(h, true).logp[0] == all.logp[0] ? "" : "no");
  report("token_logp by wgmma, a tail of logits of about -10000", [] {
    const Head low = Head::of_logits(2, 273, [](int j) { return -9984.0f - 64.0f * float(j % 3); });
    return judge(low, run_fused(low, true));
  }());
}

void check_fp32() {
  expect_clean("token_logp fp32 18 x 33 x 130", [] {
    Head h = Head::random(18, 33, 130, 0.9f);
    h.w = random_floats(h.w.size(), 1, 9);  // not rounded to bf16
    return judge(h, run_stored<float>(h));
  });
}

// verl 2656, 2899: columns past the vocabulary counted as e^0, so a log-prob was above 0.
void check_tail() {
  for (const int v : {257, 273})
    expect_clean(concat("a tail column is -inf, not 0: ", v, " logits of about -10000"),
                 [&] { return both(Head::of_logits(2, v, [](int j) { return -9984.0f - 64.0f * float(j % 3); })); });
}

// verl 7439: the running maximum began at 0.
void check_identity_of_max() {
  report("the maximum begins at -inf: logits of about -50",
         both(Head::of_logits(3, 600, [](int j) { return -50.0f + 0.25f * float(j % 8); })));
}

// TRL 7263, SkyRL 2259: 0 * -inf in the entropy.
void check_impossible_tokens() {
  report("a token of probability 0 adds nothing to the entropy",
         both(Head::of_logits(2, 300, [](int j) { return j == 37 ? -INFINITY : float(j % 5); })));
  report("all tokens but one impossible",
         both(Head::of_logits(1, 70, [](int j) { return j == 69 ? 2.5f : -INFINITY; })));
  Head h = Head::of_logits(1, 70, [](int j) { return j == 69 ? -INFINITY : 1.0f; });
  h.targets[0] = 69;
  report("an impossible target has log-prob -inf", both(h));
}

void check_extremes() {
  report("one logit of 30000", both(Head::of_logits(2, 300, [](int j) { return j == 11 ? 29952.0f : float(j % 7); })));
  const Head bad = Head::of_logits(2, 300, [](int j) { return j == 200 ? NAN : 1.0f; });
  const HeadResult got = run_fused(bad);
  report("a NaN logit makes its rows NaN", std::isnan(got.logp[0]) && std::isnan(got.entropy[1]) ? "" : "not NaN");
  const Head none = Head::of_logits(1, 65, [](int) { return -INFINITY; });
  report("a row of impossible tokens has log-prob -inf", run_fused(none).logp[0] == -INFINITY ? "" : "not -inf");
  Head outside = Head::random(3, 8, 70);
  outside.targets = {-1, 70, 69};
  const HeadResult r = run_fused(outside), s = run_stored<bf16>(outside);
  const bool ok = r.logp[0] == -INFINITY && r.logp[1] == -INFINITY && std::isfinite(r.logp[2]);
  report("a target outside the vocabulary has log-prob -inf", ok && same_bits(r, s) ? "" : "it has not");
}

// Fast-LLM, MiniMax-M1: logits rounded to bf16 put log-probs off by about 0.03 nats.
void check_precision() {
  const Head h = Head::random(40, 512, 300);
  const HeadResult got = run_fused(h);
  double error = 0, error_rounded = 0;
  for (int i = 0; i < h.n; ++i) {
    Reference r(h, i);
    double sum = 0;
    for (double& z : r.z) sum += std::exp(z = double(float(bf16(float(z)))));
    error = std::max(error, std::fabs(double(got.logp[size_t(i)]) - r.logp));
    error_rounded = std::max(error_rounded, std::fabs(r.z[size_t(h.targets[size_t(i)])] - std::log(sum) - r.logp));
  }
  report("logits stay fp32 until they are reduced",
         error < 1e-3 * error_rounded ? "" : concat("error ", error, ", with bf16 logits ", error_rounded));
}

void check_metamorphic() {
  Head all = Head::random(1, 16, 330);
  double sum = 0;
  all.n = all.v;
  all.rows.assign(size_t(all.v), 0);
  all.targets.resize(size_t(all.v));
  for (int j = 0; j < all.v; ++j) all.targets[size_t(j)] = j;
  const HeadResult each = run_fused(all);
  for (const float logp : each.logp) sum += std::exp(double(logp));
  report("probabilities of all targets sum to 1", std::fabs(sum - 1) < 1e-5 ? "" : concat("sum ", sum));

  const Head h = Head::random(12, 24, 400);
  const HeadResult plain = run_fused(h);
  const auto compare_with = [&](const Head& other, double tolerance) {
    const HeadResult r = run_fused(other);
    for (size_t i = 0; i < plain.logp.size(); ++i)
      if (std::fabs(plain.logp[i] - r.logp[i]) > tolerance || std::fabs(plain.entropy[i] - r.entropy[i]) > tolerance)
        return concat("row ", i, ": ", plain.logp[i], " and ", r.logp[i]);
    return std::string();
  };
  Head permuted = h;
  const auto to = [&](int j) { return j * 171 % h.v; };
  for (int j = 0; j < h.v; ++j)
    for (int k = 0; k < h.c; ++k) permuted.w[size_t(to(j) * h.c + k)] = h.w[size_t(j * h.c + k)];
  for (auto& t : permuted.targets) t = to(t);
  report("the order of the vocabulary does not matter", compare_with(permuted, 2e-6));
  Head shifted = h, level = h;
  for (int i = 0; i < h.n; ++i) level.x[size_t(i * h.c)] = shifted.x[size_t(i * h.c)] = 1.0f;
  for (int j = 0; j < h.v; ++j) {
    level.w[size_t(j * h.c)] = 0.0f;
    shifted.w[size_t(j * h.c)] = 8.0f;
  }
  const HeadResult a = run_fused(level), b = run_fused(shifted);
  double most = 0;
  for (size_t i = 0; i < a.logp.size(); ++i) most = std::max(most, std::fabs(double(a.logp[i] - b.logp[i])));
  report("a constant added to all logits changes nothing", most < 1e-5 ? "" : concat("by ", most));
}

void check_rows() {
  Head h = Head::random(140, 40, 300, 0.8f);
  const HeadResult all = run_fused(h);
  for (const int i : {0, 77, 139}) {
    Head one = h;
    one.n = 1;
    one.x.assign(h.x.begin() + i * h.c, h.x.begin() + (i + 1) * h.c);
    one.targets = {h.targets[size_t(i)]};
    const HeadResult alone = run_fused(one), decoded = run_stored<bf16>(one);
    report(concat("row ", i, " of 140 has the bits of a batch of one"),
           alone.logp[0] == all.logp[size_t(i)] && same_bits(alone, decoded) ? "" : "it has not");
  }
  Head gathered = h;
  gathered.n = 20;
  gathered.targets.resize(20);
  for (int i = 0; i < 20; ++i) gathered.rows.push_back(i < 8 ? 5 : 139 - i);  // a prompt's row is read by every sample
  expect_clean("rows by index, one repeated", [&] { return judge(gathered, run_fused(gathered)); });
}

// ---- backward ----------------------------------------------------------------------------------------------------
// dL/d(x w^T) of row i, L = sum_n g_n logp_n + h_n entropy_n.
std::vector<double> gradient(const Head& h, int i, double g, double e) {
  const Reference r(h, i);
  std::vector<double> d;
  for (int j = 0; j < h.v; ++j) {
    const double log_p = r.z[size_t(j)] - r.lse, p = std::exp(log_p);
    const double through_p = p == 0 ? 0 : p * (g + e * (log_p + r.entropy));
    d.push_back(((j == h.targets[size_t(i)] ? g : 0) - through_p) / double(h.temperature));
  }
  return d;
}

void check_formula() {
  Head h = Head::of_logits(1, 9, [](int j) { return 0.25f * float(j * j % 11); });
  h.temperature = 0.7f;
  const double g = 1.3, e = -0.4, step = 0x1p-10;
  const std::vector<double> d = gradient(h, 0, g, e);
  double worst = 0;
  for (int j = 0; j < h.v; ++j) {
    double value[2];
    for (const int side : {0, 1}) {
      Head moved = h;
      moved.w[size_t(j * 8)] += float(side == 0 ? -step : step);
      const Reference r(moved, 0);
      value[side] = g * r.logp + e * r.entropy;
    }
    worst = std::max(worst, std::fabs((value[1] - value[0]) / (2 * step) - d[size_t(j)]));
  }
  report("the gradient of the reference is its finite difference", worst < 1e-6 ? "" : concat("off by ", worst));
}

Floats coefficients(int n, uint64_t seed) {
  Floats g = random_floats(size_t(n), 1, seed);
  g[0] = 0.0f;
  return g;
}

// Logits by gemm, turned into gradients in place, then dx and dw; T: storage of x, w and the gradient.
template <class T>
std::string backward(const Head& h, bool with_entropy) {
  const HeadInputs<T> in(h);
  const int64_t ldz = (h.v + 7) / 8 * 8, ldd = ldz * int64_t(sizeof(float) / sizeof(T));
  const HeadResult forward = run_stored<T>(h);
  const Floats g = coefficients(h.n, 11), e = coefficients(h.n, 12), before = random_floats(h.w.size(), 1, 13);
  Buffer<float> stats(forward.stats), dlogp(g), dentropy(e), logits(size_t(h.n * ldz)), dw(before);
  Buffer<T> dx(h.x.size());
  gemm({Form::NT, h.n, h.v, h.c, h.c, h.c, ldz}, in.x.get(), in.w.get(), nullptr, logits.get(), nullptr);
  logit_gradients({h.n, h.v, ldz, h.temperature}, sizeof(T) == 2 ? LogitGradient::Bf16 : LogitGradient::F32,
                  logits.get(), in.targets.get(), reinterpret_cast<const RowStats*>(stats.get()), dlogp.get(),
                  with_entropy ? dentropy.get() : nullptr, nullptr);
  const T* dz = reinterpret_cast<const T*>(logits.get());
  gemm({Form::NN, h.n, h.c, h.v, ldd, h.c, h.c}, dz, in.w.get(), nullptr, dx.get(), nullptr);
  gemm({Form::TN, h.v, h.c, h.n, ldd, h.c, h.c, true}, dz, in.x.get(), nullptr, dw.get(), nullptr);
  expect_written(dx.all_written());

  std::vector<double> want_dx(h.x.size()), want_dw(before.begin(), before.end());
  const double relative = sizeof(T) == 2 ? 0x1.02p-8 : 2e-6, absolute = sizeof(T) == 2 ? 1e-6 : 2e-6;
  for (int i = 0; i < h.n; ++i) {
    const std::vector<double> d = gradient(h, i, double(g[size_t(i)]), with_entropy ? double(e[size_t(i)]) : 0.0);
    for (int j = 0; j < h.v; ++j) {
      const double got = double(float(dz[i * ldd + j])), want = d[size_t(j)];
      if (!(std::fabs(got - want) <= absolute + relative * std::fabs(want)))
        return concat("gradient of logit (", i, ",", j, "): ", got, ", want ", want);
      for (int k = 0; k < h.c; ++k) {  // of the gradient as it is stored: the products are judged by themselves
        want_dx[size_t(i * h.c + k)] += got * double(h.w[size_t(j * h.c + k)]);
        want_dw[size_t(j * h.c + k)] += got * double(h.x[size_t(i * h.c + k)]);
      }
    }
  }
  const std::string wrong = close(dx.host(), want_dx, 1e-4, relative);
  return wrong.empty() ? close(dw.host(), want_dw, 1e-5, 1e-5) : "dw " + wrong;
}

void check_backward() {
  expect_clean("token_logp gradients bf16 5 x 24 x 300",
               [] { return backward<bf16>(Head::random(5, 24, 300, 0.8f), true); });
  expect_clean("token_logp gradients fp32 6 x 9 x 67",
               [] { return backward<float>(Head::random(6, 9, 67, 1.5f), true); });
  use(kSchedules[2]);
  report("token_logp gradients bf16 of a row of two steps", backward<bf16>(Head::random(3, 8, 4101), false));
  report("gradients with a token of probability 0", [] {
    const Head h = Head::of_logits(2, 40, [](int j) { return j == 7 ? -INFINITY : float(j % 3); });
    Buffer<float> logits(size_t(2 * 40)), stats(run_fused(h).stats), g(Floats{1, 2}), e(Floats{3, 4});
    const HeadInputs<bf16> in(h);
    gemm({Form::NT, 2, 40, 8, 8, 8, 40}, in.x.get(), in.w.get(), nullptr, logits.get(), nullptr);
    logit_gradients({2, 40, 40, 1.0f}, LogitGradient::F32, logits.get(), in.targets.get(),
                    reinterpret_cast<const RowStats*>(stats.get()), g.get(), e.get(), nullptr);
    return std::isfinite(logits.host()[7]) && logits.host()[7] == 0.0f ? std::string()
                                                                       : concat("got ", logits.host()[7]);
  }());
}

}  // namespace

int main() {
  if (kCheckedBuild || !SIMT_EMULATED) {
    check_formula();
    check_backward();
    check_shapes();
    if (has_wgmma()) check_wgmma();
    check_fp32();
    check_tail();
    check_identity_of_max();
    check_impossible_tokens();
    check_extremes();
    check_metamorphic();
    check_rows();
  }
  if (!kCheckedBuild) {
    use(kSchedules[0]);
    check_precision();
    report("token_logp 130 x 64 x 9000", both(Head::random(130, 64, 9000)));
  }
  return failures != 0;
}
