// Checks the matrix products, the elementwise loops and the thread pool on every instruction set of this CPU:
// against fp64 references at awkward shapes, and bit for bit where the contract promises it.
// Prints `ok <name>` or `FAIL <name>: <detail>`; exits with 1 after a failure.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "base/parallel_for.h"
#include "simd/gemm.h"
#include "simd/vmath.h"

using namespace rft::simd;

namespace {

using Floats = std::vector<float>;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();
std::mt19937 random_bits(7);
int failures = 0;

void report(const std::string& name, const std::string& detail) {
  if (detail.empty()) {
    std::printf("ok %s\n", name.c_str());
  } else {
    std::printf("FAIL %s: %s\n", name.c_str(), detail.c_str());
    ++failures;
  }
  std::fflush(stdout);
}

Floats random_floats(int64_t n, float scale = 1.0f) {
  std::normal_distribution<float> normal(0.0f, scale);
  Floats out(n);
  for (float& x : out) x = normal(random_bits);
  return out;
}

bool same_bits(const Floats& a, const Floats& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

const char* name_of(Isa isa) { return isa == Isa::Avx512 ? "avx512" : isa == Isa::Avx2 ? "avx2" : "portable"; }

std::vector<Isa> available() {
  std::vector<Isa> out;
  for (const Isa isa : {Isa::Portable, Isa::Avx2, Isa::Avx512}) {
    try {
      set_isa_for_test(isa);
      out.push_back(isa);
    } catch (const std::runtime_error&) {
    }
  }
  return out;
}

// ------------------------------------------------------------------------------------------------ matrix products

struct Matrix {  // rows x cols inside rows x ld, the gap filled with NaN
  int64_t rows, cols, ld;
  Floats data;
  Matrix(int64_t r, int64_t c, int64_t gap) : rows(r), cols(c), ld(c + gap), data(r * (c + gap), kNan) {
    const Floats values = random_floats(r * c);
    for (int64_t i = 0; i < r; ++i) std::copy_n(values.begin() + i * c, c, data.begin() + i * ld);
  }
};

struct Case {
  Trans ta, tb;
  int64_t M, N, K, gap;
  float beta;
  std::string text() const {
    char out[128];
    std::snprintf(out, sizeof out, "%s%s %ldx%ldx%ld gap %ld beta %g", ta == Trans::Yes ? "t" : "n",
                  tb == Trans::Yes ? "t" : "n", long(M), long(N), long(K), long(gap), double(beta));
    return out;
  }
};

struct Inputs {
  Matrix a, b;
  Floats c;  // a row of guards before and after, gaps too
  explicit Inputs(const Case& s)
      : a(s.ta == Trans::No ? s.M : s.K, s.ta == Trans::No ? s.K : s.M, s.gap),
        b(s.tb == Trans::No ? s.K : s.N, s.tb == Trans::No ? s.N : s.K, s.gap),
        c((s.M + 2) * (s.N + s.gap), 77.0f) {
    for (int64_t m = 0; m < s.M; ++m) {
      for (int64_t n = 0; n < s.N; ++n) c[(m + 1) * (s.N + s.gap) + n] = s.beta != 0.0f ? random_floats(1)[0] : kNan;
    }
  }
};

Floats multiply(const Case& s, const Inputs& in, bool packed, bool serial) {
  Floats c = in.c;
  const int64_t ldc = s.N + s.gap;
  float* out = c.data() + ldc;
  const float *a = in.a.data.data(), *b = in.b.data.data();
  if (packed) {
    Floats p(packed_size(s.N, s.K) + 1, kNan);
    (serial ? pack_b_serial : pack_b)(s.tb, s.N, s.K, b, in.b.ld, p.data());
    (serial ? gemm_packed_serial : gemm_packed)(s.ta, s.M, s.N, s.K, a, in.a.ld, p.data(), s.beta, out, ldc);
    if (!std::isnan(p.back())) throw std::runtime_error("pack_b wrote past packed_size");
  } else {
    (serial ? gemm_serial : gemm)(s.ta, s.tb, s.M, s.N, s.K, a, in.a.ld, b, in.b.ld, s.beta, out, ldc);
  }
  return c;
}

std::string compare_to_fp64(const Case& s, const Inputs& in, const Floats& c) {
  const int64_t ldc = s.N + s.gap;
  for (int64_t i = 0; i < int64_t(c.size()); ++i) {
    const int64_t m = i / ldc - 1, n = i % ldc;
    if (m < 0 || m >= s.M || n >= s.N) {
      if (c[i] != 77.0f) return s.text() + " wrote outside C";
      continue;
    }
    double want = s.beta != 0.0f ? in.c[i] : 0.0;
    for (int64_t k = 0; k < s.K; ++k) {
      want += double(in.a.data[s.ta == Trans::No ? m * in.a.ld + k : k * in.a.ld + m]) *
              double(in.b.data[s.tb == Trans::No ? k * in.b.ld + n : n * in.b.ld + k]);
    }
    const double root = std::sqrt(double(s.K) + 1), tolerance = 2e-7 * root * (std::fabs(want) + root);
    if (!(std::fabs(c[i] - want) <= tolerance)) {
      char out[160];
      std::snprintf(out, sizeof out, "%s at (%ld,%ld): %.9g, want %.9g", s.text().c_str(), long(m), long(n), c[i], want);
      return out;
    }
  }
  return "";
}

std::vector<Case> gemm_cases() {
  std::vector<Case> out;
  const std::vector<int64_t> sizes = {1, 2, 3, 7, 13, 15, 16, 17, 31, 33, 63, 65, 100, 129};
  std::uniform_int_distribution<size_t> any(0, sizes.size() - 1);
  for (int i = 0; i < 240; ++i) {
    out.push_back({i & 1 ? Trans::Yes : Trans::No, i & 2 ? Trans::Yes : Trans::No, sizes[any(random_bits)],
                   sizes[any(random_bits)], sizes[any(random_bits)], i % 3 * 5, i & 4 ? 1.0f : 0.0f});
  }
  for (const Trans ta : {Trans::No, Trans::Yes}) {
    for (const Trans tb : {Trans::No, Trans::Yes}) {
      for (int64_t m = 1; m <= 30; ++m) out.push_back({ta, tb, m, 161, 40, 3, 0.0f});
      out.push_back({ta, tb, 5, 300, 700, 1, 1.0f});    // several k blocks
      out.push_back({ta, tb, 257, 95, 600, 0, 0.0f});   // several row blocks
      out.push_back({ta, tb, 30, 2100, 270, 2, 0.0f});  // several column blocks
      out.push_back({ta, tb, 96, 64, 64, 64, 0.0f});
      out.push_back({ta, tb, 3, 5, 0, 1, 0.0f});  // empty sums
      out.push_back({ta, tb, 3, 5, 0, 1, 1.0f});
      out.push_back({ta, tb, 0, 5, 3, 1, 0.0f});
      out.push_back({ta, tb, 5, 0, 3, 1, 0.0f});
    }
  }
  return out;
}

std::string check_gemm(const Case& s, const std::vector<Isa>& isas) {
  const Inputs in(s);
  Floats fused;  // the bits of the first instruction set with fused multiply-add
  for (const Isa isa : isas) {
    set_isa_for_test(isa);
    Floats first;
    for (const int threads : {1, 2, 5}) {
      rft::set_num_threads(threads);
      for (const int way : {0, 1, 2, 3}) {
        const Floats c = multiply(s, in, way & 1, way & 2);
        if (first.empty()) {
          first = c;
          const std::string detail = compare_to_fp64(s, in, c);
          if (!detail.empty()) return std::string(name_of(isa)) + " " + detail;
        }
        if (!same_bits(first, c)) {
          return s.text() + ": other bits with " + std::to_string(threads) + " threads, way " + std::to_string(way);
        }
      }
    }
    if (isa == Isa::Portable) continue;
    if (fused.empty()) fused = first;
    if (!same_bits(fused, first)) return s.text() + ": avx2 and avx512 differ";
  }
  return "";
}

// Row m of a product of many rows has the bits of the product of that row alone.
std::string check_rows_alone(Isa isa) {
  set_isa_for_test(isa);
  rft::set_num_threads(2);
  for (const Case& s : {Case{Trans::No, Trans::Yes, 97, 130, 517, 0, 0.0f}, Case{Trans::No, Trans::No, 29, 96, 96, 0, 1.0f},
                        Case{Trans::No, Trans::No, 13, 1030, 300, 4, 0.0f}}) {
    const Inputs in(s);
    const int64_t ldc = s.N + s.gap;
    for (const bool packed : {false, true}) {
      const Floats all = multiply(s, in, packed, false);
      for (int64_t m = 0; m < s.M; ++m) {
        Case one = s;
        one.M = 1;
        Inputs row = in;
        row.a.data.assign(in.a.data.begin() + m * in.a.ld, in.a.data.begin() + (m + 1) * in.a.ld);
        row.c.assign(in.c.begin() + m * ldc, in.c.begin() + (m + 3) * ldc);
        const Floats alone = multiply(one, row, packed, true);
        if (std::memcmp(alone.data() + ldc, all.data() + (m + 1) * ldc, s.N * sizeof(float)) != 0) {
          return s.text() + ": row " + std::to_string(m);
        }
      }
    }
  }
  return "";
}

// -------------------------------------------------------------------------------------------------- elementwise

using Unary = void (*)(const float*, float*, int64_t);
using UnaryBackward = void (*)(const float*, const float*, float*, int64_t);

double phi(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }
double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double tanh_u(double x) { return std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x); }

// |got - want| <= absolute + relative |want| everywhere; the text of the first offence.
template <class Want>
std::string close(const Floats& x, const Floats& got, Want want, double absolute, double relative) {
  for (size_t i = 0; i < x.size(); ++i) {
    const double w = want(double(x[i]));
    if (!(std::fabs(got[i] - w) <= absolute + relative * std::fabs(w))) {
      char out[120];
      std::snprintf(out, sizeof out, "at %.9g: %.9g, want %.9g", x[i], got[i], w);
      return out;
    }
  }
  return "";
}

Floats grid(float lo, float hi, int n) {
  Floats out(n);
  for (int i = 0; i < n; ++i) out[i] = lo + (hi - lo) * float(i) / float(n - 1);
  return out;
}

void check_unary(const std::string& name, Unary f, UnaryBackward b, double (*want)(double), double (*slope)(double)) {
  const Floats x = grid(-14.0f, 14.0f, 100003);
  Floats y(x.size()), dx(x.size());
  const Floats ones(x.size(), 1.0f);
  f(x.data(), y.data(), int64_t(x.size()));
  b(x.data(), ones.data(), dx.data(), int64_t(x.size()));
  // Relative 1e-6 with a floor: deep in the negative tail the argument's own rounding is magnified.
  report(name, close(x, y, want, 1e-7, 1e-6));
  report(name + "_backward", close(x, dx, slope, 4e-7, 1e-6));
}

void check_exp(const std::string& isa) {
  Floats x = grid(-87.3f, 88.7f, 200001);
  Floats y(x.size());
  exp_sum(x.data(), 0.0f, y.data(), int64_t(x.size()));
  report(isa + " exp relative error", close(x, y, [](double v) { return std::exp(v); }, 0, 2e-7));
  x = {-kInf, -1e30f, -200.0f, -88.0f, 0.0f, 88.8f, 1e30f, kInf, kNan};
  y.assign(x.size(), 5.0f);
  exp_sum(x.data(), 0.0f, y.data(), int64_t(x.size()));
  const bool good = y[0] == 0 && y[1] == 0 && y[2] == 0 && y[3] == 0 && y[4] == 1 && y[5] == kInf && y[6] == kInf &&
                    y[7] == kInf && std::isnan(y[8]);
  report(isa + " exp at the ends", good ? "" : "wrong value");
  float weighted = kNan;
  const Floats z = {-kInf, 1.0f, 0.5f, -kInf, -3e38f};
  const float total = exp_sum_weighted(z.data(), 1.0f, &weighted, 5);
  const double e = std::exp(-0.5);
  report(isa + " exp_sum_weighted with -inf",
         std::fabs(total - (1 + e)) < 1e-6 && std::fabs(weighted - -0.5 * e) < 1e-6 ? "" : "wrong value");
}

void check_reductions(const std::string& isa) {
  std::string detail;
  for (int64_t n : {0, 1, 2, 15, 16, 17, 31, 33, 100, 1000, 4099}) {
    const Floats x = random_floats(n + 1), y = random_floats(n + 1);
    Floats e(n + 1, 77.0f);
    double s = 0, d = 0, q = 0, es = 0, ew = 0;
    float top = -kInf, weighted = 0;
    for (int64_t i = 0; i < n; ++i) {
      s += x[i], d += double(x[i]) * y[i], q += double(x[i]) * x[i];
      es += std::exp(double(x[i]) - 3), ew += std::exp(double(x[i]) - 3) * (x[i] - 3.0);
      top = std::max(top, x[i]);
    }
    const double tolerance = 2e-6 * std::sqrt(double(n) + 1);
    const auto off = [&](float got, double want) { return !(std::fabs(got - want) <= tolerance + 1e-6 * std::fabs(want)); };
    if (off(sum(x.data(), n), s) || off(dot(x.data(), y.data(), n), d) || off(sum_squares(x.data(), n), q) ||
        max(x.data(), n) != top || off(exp_sum(x.data(), 3.0f, e.data(), n), es) || e[n] != 77.0f ||
        off(exp_sum_weighted(x.data(), 3.0f, &weighted, n), es) || off(weighted, ew)) {
      detail = "length " + std::to_string(n);
    }
  }
  report(isa + " reductions", detail);
}

void check_adamw(const std::string& isa) {
  const int64_t n = 53;
  Floats p = random_floats(n), g = random_floats(n), m = random_floats(n, 0.1f), v = random_floats(n);
  for (float& x : v) x *= x;
  const Floats p0 = p, m0 = m, v0 = v;
  const double lr = 0.01, b1 = 0.9, b2 = 0.999, eps = 1e-8, wd = 0.1, c1 = 1 / (1 - std::pow(b1, 3)), c2 = 1 / (1 - std::pow(b2, 3));
  adamw(p.data(), g.data(), m.data(), v.data(), n, 0.5f, float(lr), float(b1), float(b2), float(eps), float(lr * wd), float(c1), float(c2));
  std::string detail;
  for (int64_t i = 0; i < n; ++i) {
    const double gi = 0.5 * g[i], mi = b1 * m0[i] + (1 - b1) * gi, vi = b2 * v0[i] + (1 - b2) * gi * gi;
    const double want = p0[i] * (1 - lr * wd) - lr * mi * c1 / (std::sqrt(vi * c2) + eps);
    if (!(std::fabs(p[i] - want) < 1e-6 && std::fabs(m[i] - mi) < 1e-6 && std::fabs(v[i] - vi) < 1e-6)) {
      detail = "element " + std::to_string(i);
    }
  }
  report(isa + " adamw", detail);
}

uint32_t bits_of(float x) {
  uint32_t b;
  std::memcpy(&b, &x, 4);
  return b;
}
float float_of(uint32_t b) {
  float x;
  std::memcpy(&x, &b, 4);
  return x;
}

double half_value(uint32_t h, int mantissa, int bias) {  // any finite 16-bit float
  const int exponent = int(h & 0x7fff) >> mantissa, fraction = int(h) & ((1 << mantissa) - 1);
  const double value = exponent == 0 ? std::ldexp(fraction, 1 - bias - mantissa)
                                     : std::ldexp(fraction + (1 << mantissa), exponent - bias - mantissa);
  return h & 0x8000 ? -value : value;
}

// All 65536 values widen exactly and come back; every midpoint between neighbours goes to the even one.
template <class Widen, class Round>
std::string check_sixteen(Widen widen, Round round, int mantissa, int bias) {
  const uint32_t infinity = 0x7fffu >> mantissa << mantissa;
  std::vector<uint16_t> all(65536), back(65536);
  for (uint32_t h = 0; h < 65536; ++h) all[h] = uint16_t(h);
  Floats wide(65536);
  widen(all.data(), wide.data(), 65536);
  round(wide.data(), back.data(), 65536);
  Floats mid;
  std::vector<uint16_t> want;
  for (uint32_t h = 0; h < 65536; ++h) {
    const uint32_t rest = h & 0x7fff;
    if (rest > infinity) {
      if (!std::isnan(wide[h]) || (back[h] & 0x7fff) <= infinity) return "NaN " + std::to_string(h);
      continue;
    }
    if (back[h] != h) return "round trip of " + std::to_string(h);
    if (rest == infinity) {
      if (!std::isinf(wide[h])) return "infinity";
      continue;
    }
    if (double(wide[h]) != half_value(h, mantissa, bias)) return "value of " + std::to_string(h);
    const double a = half_value(h, mantissa, bias), b = half_value(h + 1, mantissa, bias);
    const float middle = float((a + b) / 2);
    if (double(middle) != (a + b) / 2 || std::isinf(middle)) continue;
    const uint32_t m = bits_of(middle);
    for (const int step : {-1, 0, 1}) {
      mid.push_back(float_of(m + uint32_t(step)));
      want.push_back(uint16_t(step < 0 ? h : step > 0 ? h + 1 : h & 1 ? h + 1 : h));
    }
  }
  std::vector<uint16_t> got(mid.size());
  round(mid.data(), got.data(), int64_t(mid.size()));
  for (size_t i = 0; i < mid.size(); ++i) {
    if (got[i] != want[i]) return "rounding " + std::to_string(mid[i]);
  }
  for (int64_t n = 1; n < 20; ++n) {  // tails write n elements
    std::vector<uint16_t> tail(n + 1, 9999);
    round(wide.data() + 77, tail.data(), n);
    if (tail[n] != 9999 || std::memcmp(tail.data(), all.data() + 77, n * 2) != 0) return "tail " + std::to_string(n);
  }
  return "";
}

// Everything elementwise in one list of bits, for comparing instruction sets.
Floats all_outputs() {
  std::mt19937 bits(3);
  std::normal_distribution<float> normal(0.0f, 4.0f);
  Floats out;
  for (const int64_t n : {1, 5, 16, 17, 40, 1003}) {
    Floats x(n), y(n), z(n), r(n), q(n);
    for (Floats* f : {&x, &y, &z}) {
      for (float& v : *f) v = normal(bits);
    }
    const auto keep = [&](const Floats& f) { out.insert(out.end(), f.begin(), f.end()); };
    float weighted;
    keep({sum(x.data(), n), dot(x.data(), y.data(), n), sum_squares(x.data(), n), max(x.data(), n),
          exp_sum(x.data(), 1.5f, r.data(), n), exp_sum_weighted(x.data(), 1.5f, &weighted, n)});
    keep({weighted});
    keep(r);
    for (const Unary f : {gelu_erf, gelu_tanh, quick_gelu}) f(x.data(), r.data(), n), keep(r);
    for (const UnaryBackward f : {gelu_erf_backward, gelu_tanh_backward, quick_gelu_backward, add, mul, silu_mul}) {
      f(x.data(), y.data(), r.data(), n), keep(r);
    }
    silu_mul_backward(x.data(), y.data(), z.data(), r.data(), q.data(), n), keep(r), keep(q);
    scale(1.7f, x.data(), r.data(), n), keep(r);
    axpy(1.7f, y.data(), r.data(), n), keep(r);
    for (float& v : z) v = v * v;
    adamw(x.data(), y.data(), r.data(), z.data(), n, 0.5f, 1e-3f, 0.9f, 0.99f, 1e-8f, 1e-4f, 2.0f, 3.0f);
    keep(x), keep(r), keep(z);
  }
  return out;
}

void check_silu(const std::string& isa) {
  const Floats g = grid(-30.0f, 30.0f, 1001), u(1001, 1.5f), d(1001, 2.0f);
  Floats y(1001), dg(1001), du(1001);
  silu_mul(g.data(), u.data(), y.data(), 1001);
  silu_mul_backward(g.data(), u.data(), d.data(), dg.data(), du.data(), 1001);
  report(isa + " silu_mul", close(g, y, [](double x) { return 1.5 * x * sigmoid(x); }, 1e-12, 1e-6));
  report(isa + " silu_mul_backward gate",
         close(g, dg, [](double x) { return 3 * sigmoid(x) * (1 + x * (1 - sigmoid(x))); }, 1e-6, 1e-6));
  report(isa + " silu_mul_backward up", close(g, du, [](double x) { return 2 * x * sigmoid(x); }, 1e-12, 1e-6));
}

void check_vmath(Isa which) {
  set_isa_for_test(which);
  const std::string isa = name_of(which);
  check_exp(isa);
  check_reductions(isa);
  check_silu(isa);
  check_unary(isa + " gelu_erf", gelu_erf, gelu_erf_backward, [](double x) { return x * phi(x); },
              [](double x) { return phi(x) + x * std::exp(-x * x / 2) / std::sqrt(2 * M_PI); });
  check_unary(isa + " gelu_tanh", gelu_tanh, gelu_tanh_backward, [](double x) { return x * sigmoid(2 * tanh_u(x)); },
              [](double x) {
                const double s = sigmoid(2 * tanh_u(x));
                return s + x * s * (1 - s) * 2 * std::sqrt(2 / M_PI) * (1 + 3 * 0.044715 * x * x);
              });
  check_unary(isa + " quick_gelu", quick_gelu, quick_gelu_backward, [](double x) { return x * sigmoid(1.702 * x); },
              [](double x) {
                const double s = sigmoid(1.702 * x);
                return s * (1 + 1.702 * x * (1 - s));
              });
  check_adamw(isa);
  report(isa + " bf16", check_sixteen(bf16_to_f32, f32_to_bf16, 7, 127));
  report(isa + " f16", check_sixteen(f16_to_f32, f32_to_f16, 10, 15));
}

// --------------------------------------------------------------------------------------------------- thread pool

std::string check_coverage() {
  for (const int threads : {1, 2, 3, 8}) {
    rft::set_num_threads(threads);
    for (int round = 0; round < 300; ++round) {
      const int64_t tasks = round % 37;
      std::vector<std::atomic<int>> hits(tasks + 1);
      rft::parallel_for(tasks, [&](int64_t i) {
        hits[i].fetch_add(1);
        rft::parallel_for(3, [&](int64_t) { hits[i].fetch_add(10); });
      });
      for (int64_t i = 0; i < tasks; ++i) {
        if (hits[i] != 31) return "task " + std::to_string(i) + " of " + std::to_string(tasks);
      }
      if (round % 100 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));  // let the workers sleep
    }
  }
  return "";
}

std::string check_exceptions() {
  rft::set_num_threads(4);
  for (int round = 0; round < 50; ++round) {
    std::string caught;
    try {
      rft::parallel_for(20, [&](int64_t i) {
        if (i % 5 == 2) throw std::runtime_error("body");
      });
    } catch (const std::runtime_error& error) {
      caught = error.what();
    }
    if (caught != "body") return "not rethrown";
    std::atomic<int> count{0};
    rft::parallel_for(20, [&](int64_t) { ++count; });
    if (count != 20) return "the next call was not whole";
  }
  return "";
}

std::string check_callers() {
  rft::set_num_threads(3);
  std::atomic<int64_t> total{0};
  std::vector<std::thread> callers;
  for (int t = 0; t < 4; ++t) {
    callers.emplace_back([&] {
      for (int i = 0; i < 200; ++i) rft::parallel_for(10, [&](int64_t j) { total += j; });
    });
  }
  for (std::thread& t : callers) t.join();
  return total == 4 * 200 * 45 ? "" : "total " + std::to_string(total.load());
}

std::string check_ranges() {
  std::vector<int> hits(1001, 0);
  rft::parallel_ranges(1001, 100, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i) ++hits[i];
  });
  return std::all_of(hits.begin(), hits.end(), [](int h) { return h == 1; }) ? "" : "not each once";
}

}  // namespace

int main() {
  const std::vector<Isa> isas = available();
  report("parallel_for coverage", check_coverage());
  report("parallel_for exceptions", check_exceptions());
  report("parallel_for from several threads", check_callers());
  report("parallel_ranges", check_ranges());
  for (const Isa isa : isas) check_vmath(isa);
  if (isas.size() == 3) {
    set_isa_for_test(Isa::Avx2);
    const Floats narrow = all_outputs();
    set_isa_for_test(Isa::Avx512);
    report("elementwise bits, avx2 and avx512", same_bits(narrow, all_outputs()) ? "" : "differ");
  }
  std::string detail;
  for (const Case& s : gemm_cases()) {
    if (detail.empty()) detail = check_gemm(s, isas);
  }
  report("gemm at all shapes", detail);
  for (const Isa isa : isas) report(std::string(name_of(isa)) + " gemm rows alone", check_rows_alone(isa));
  rft::set_num_threads(2);  // exit with workers asleep
  rft::parallel_for(4, [](int64_t) {});
  return failures == 0 ? 0 : 1;
}
