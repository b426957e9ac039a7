// The elementwise loops and row reductions on every instruction set of this CPU against fp64; AVX2 and AVX-512 give
// the same bits.
#include "simd/vmath.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "check.h"

using namespace rft::simd;
using namespace rft::test;

namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

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
  report(isa + " exp relative error", close(
                                          x, y, [](double v) { return std::exp(v); }, 0, 2e-7));
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
    const auto off = [&](float got, double want) {
      return !(std::fabs(got - want) <= tolerance + 1e-6 * std::fabs(want));
    };
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
  const double lr = 0.01, b1 = 0.9, b2 = 0.999, eps = 1e-8, wd = 0.1;
  const double c1 = 1 / (1 - std::pow(b1, 3)), c2 = 1 / (1 - std::pow(b2, 3));
  adamw(p.data(), g.data(), m.data(), v.data(), n, 0.5f, float(lr), float(b1), float(b2), float(eps), float(lr * wd),
        float(c1), float(c2));
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
  report(isa + " silu_mul", close(
                                g, y, [](double x) { return 1.5 * x * sigmoid(x); }, 1e-12, 1e-6));
  report(isa + " silu_mul_backward gate",
         close(
             g, dg, [](double x) { return 3 * sigmoid(x) * (1 + x * (1 - sigmoid(x))); }, 1e-6, 1e-6));
  report(isa + " silu_mul_backward up", close(
                                            g, du, [](double x) { return 2 * x * sigmoid(x); }, 1e-12, 1e-6));
}

void check_vmath(Isa which) {
  set_isa_for_test(which);
  const std::string isa = name_of(which);
  check_exp(isa);
  check_reductions(isa);
  check_silu(isa);
  check_unary(
      isa + " gelu_erf", gelu_erf, gelu_erf_backward, [](double x) { return x * phi(x); },
      [](double x) { return phi(x) + x * std::exp(-x * x / 2) / std::sqrt(2 * M_PI); });
  check_unary(
      isa + " gelu_tanh", gelu_tanh, gelu_tanh_backward, [](double x) { return x * sigmoid(2 * tanh_u(x)); },
      [](double x) {
    const double s = sigmoid(2 * tanh_u(x));
    return s + x * s * (1 - s) * 2 * std::sqrt(2 / M_PI) * (1 + 3 * 0.044715 * x * x);
      });
  check_unary(
      isa + " quick_gelu", quick_gelu, quick_gelu_backward, [](double x) { return x * sigmoid(1.702 * x); },
      [](double x) {
    const double s = sigmoid(1.702 * x);
    return s * (1 + 1.702 * x * (1 - s));
      });
  check_adamw(isa);
  report(isa + " bf16", check_sixteen(bf16_to_f32, f32_to_bf16, 7, 127));
  report(isa + " f16", check_sixteen(f16_to_f32, f32_to_f16, 10, 15));
}

}  // namespace

int main() {
  const std::vector<Isa> isas = available();
  for (const Isa isa : isas) check_vmath(isa);
  if (isas.size() == 3) {
    set_isa_for_test(Isa::Avx2);
    const Floats narrow = all_outputs();
    set_isa_for_test(Isa::Avx512);
    report("elementwise bits, avx2 and avx512", same_bits(narrow, all_outputs()) ? "" : "differ");
  }
  return failures == 0 ? 0 : 1;
}
