// Moments of AdamW in fewer bits: the code map and its rounding against a double reference, stochastic rounding, and
// steps of AdamW on them.
#include <algorithm>

#include "harness.h"
#include "ops/adamw/adamw.h"
#include "ops/adamw/rounding.h"
#include "simd/vmath.h"

using namespace rft;
using namespace rft::ops;
using namespace rft::test;

namespace {

constexpr MomentKind kKinds[] = {MomentKind::First, MomentKind::Second};
const char* name_of(MomentKind kind) { return kind == MomentKind::First ? "first" : "second"; }

// The map as the paper builds it: middles of equal parts of [0.1, 1] in each decade, both signs, with 0 and 1.
Array reference_map(MomentKind kind) {
  Array out = {0, 1};
  for (int e = 0; e < 7; ++e) {
    const int parts = 1 << (e + (kind == MomentKind::Second));
    for (int j = 0; j < parts; ++j) {
      const double low = 0.1 + 0.9 * j / parts, high = 0.1 + 0.9 * (j + 1) / parts;
      out.push_back(std::pow(10, e - 6) * (low + high) / 2);
      if (kind == MomentKind::First) out.push_back(-out.back());
    }
  }
  std::sort(out.begin(), out.end());
  return out;
}

// Distance from x to the nearest entry, and the entry.
std::pair<double, double> nearest(const Array& map, double x) {
  double best = map[0];
  for (double value : map)
    if (std::abs(value - x) < std::abs(best - x)) best = value;
  return {std::abs(best - x), best};
}

// A moment with memory of its own, filled with what must not matter.
struct Kept {
  StateFormat format;
  std::vector<uint8_t> bytes;
  Floats scales;
  Kept(StateFormat format, int64_t n, uint8_t fill = 0)
      : format(format), bytes(size_t(n) * 4, fill), scales(size_t(state_blocks(n)), float(fill)) {}
  Moment moment() { return {format, bytes.data(), scales.data()}; }
};

Floats round_trip(StateFormat format, MomentKind kind, const Floats& x, uint64_t noise = 5) {
  const int64_t n = int64_t(x.size());
  Kept kept(format, n, 0xAB);
  Floats out(x.size());
  for (int64_t b = 0; b < n; b += kStateBlock) {
    const int64_t size = std::min(kStateBlock, n - b);
    store_moment(kept.moment(), kind, b, size, x.data() + b, noise);
    load_moment(kept.moment(), kind, b, size, out.data() + b);
  }
  return out;
}

// Values over ten decades, some of them 0.
Floats spread_values(MomentKind kind, int64_t n, uint64_t seed) {
  Random random(seed);
  Floats out;
  for (int64_t i = 0; i < n; ++i) {
    const double size = std::pow(10, -10 * random.uniform()) * 3e-4, sign = random.uniform() < 0.5 ? -1 : 1;
    out.push_back(i % 17 == 3 ? 0.0f : float(kind == MomentKind::First ? sign * size : size));
  }
  return out;
}

// From `least` on: the portable kernels of other ops do not fuse.
template <class Body>
std::string same_for_all_isas(simd::Isa least, const Body& body) {
  const simd::Isa best = simd::isa();
  const Floats wanted = body();
  std::string detail;
  for (const simd::Isa isa : {simd::Isa::Portable, simd::Isa::Avx2}) {
    if (isa < least || isa >= best) continue;
    simd::set_isa_for_test(isa);
    if (detail.empty()) detail = compare_bits(concat("isa ", int(isa)), body(), wanted);
  }
  simd::set_isa_for_test(best);
  return detail;
}

std::string isas_agree_on(StateFormat format) {
  const Floats x = spread_values(MomentKind::First, 1000, 9);
  return same_for_all_isas(simd::Isa::Portable, [&] { return round_trip(format, MomentKind::First, x); });
}

void test_map() {
  for (const MomentKind kind : kKinds)
    verify(concat("the map of ", name_of(kind), " moments is the published one"), [kind]() -> std::string {
      const DynamicMap& map = kind == MomentKind::First ? kDynamicMaps.first : kDynamicMaps.second;
      const Array want = reference_map(kind);
      if (want.size() != 256) return concat(want.size(), " values");
      return compare("values", Floats(map.value, map.value + 256), want, 1, 1e-6);
    });
}

// `slack`: what the shares of the largest may be off by.
std::string check_nearest(MomentKind kind, const Floats& x, const Floats& got, double slack = 0) {
  const Array map = reference_map(kind);
  for (size_t b = 0; b < x.size(); b += size_t(kStateBlock)) {
    const size_t end = std::min(x.size(), b + size_t(kStateBlock));
    double most = 0;
    for (size_t i = b; i < end; ++i) most = std::max(most, std::abs(double(x[i])));
    for (size_t i = b; i < end; ++i) {
      const double share = most > 0 ? double(x[i]) / most : 0, stored = most > 0 ? double(got[i]) / most : 0;
      if (slack == 0 && double(x[i]) == most && got[i] != x[i]) return concat("the largest became ", got[i]);
      if (kind == MomentKind::Second && x[i] > 0 && got[i] <= 0) return concat(x[i], " became ", got[i]);
      const double floor = kind == MomentKind::Second && x[i] > 0 ? map[1] : map[0];  // never 0
      const double allowed = std::max(nearest(map, share).first, floor > share ? floor - share : 0);
      if (std::abs(stored - share) > allowed * (1 + 1e-5) + 1e-7 * std::abs(share) + slack)
        return concat("element ", i, ", ", share, " of the largest, became ", stored);
    }
  }
  return "";
}

void test_8bit() {
  for (const MomentKind kind : kKinds)
    for (int64_t n : {1, 5, 255, 256, 257, 3000})
      verify(concat("8-bit ", name_of(kind), " moments, ", n, " elements, are stored as the nearest code"), [=] {
        const Floats x = spread_values(kind, n, uint64_t(n));
        return check_nearest(kind, x, round_trip(StateFormat::Bits8, kind, x));
      });
  verify("8-bit moments from a tenth of the largest on are off by 7.1 and 3.6 % at most", []() -> std::string {
    Random random(3);
    Floats x(kStateBlock);
    for (float& v : x) v = float(0.1 + 0.9 * random.uniform());
    x[0] = 1;
    const Floats first = round_trip(StateFormat::Bits8, MomentKind::First, x);
    const Floats second = round_trip(StateFormat::Bits8, MomentKind::Second, x);
    for (size_t i = 0; i < x.size(); ++i)  // half a part, of 64 and 128, at the lower end
      if (std::abs(first[i] / x[i] - 1) > 0.071 || std::abs(second[i] / x[i] - 1) > 0.036)
        return concat(x[i], " became ", first[i], " and ", second[i]);
    return "";
  });
  verify("8-bit codes are those of a search, at every bound between codes and beside it", []() -> std::string {
    for (const MomentKind kind : kKinds) {
      const DynamicMap& map = kind == MomentKind::First ? kDynamicMaps.first : kDynamicMaps.second;
      for (int i = 0; i < 255; ++i)
        for (const float x : {map.upper[i], std::nextafter(map.upper[i], -1.0f), std::nextafter(map.upper[i], 1.0f)}) {
          const int code = int(std::upper_bound(map.upper, map.upper + 255, x) - map.upper);
          const float wanted = map.value[kind == MomentKind::Second && code == 0 ? 1 : code];
          const Floats got = round_trip(StateFormat::Bits8, kind, {x, 1.0f});
          if (got[0] != wanted) return concat(x, " became ", got[0], ", want ", wanted);
        }
    }
    return "";
  });
  verify("8-bit blocks of zeros stay zeros", []() -> std::string {
    for (float x : round_trip(StateFormat::Bits8, MomentKind::First, Floats(300)))
      if (x != 0) return concat(x);
    return "";
  });
  verify("8-bit moments do not depend on the instruction set", [] { return isas_agree_on(StateFormat::Bits8); });
}

void test_bf16() {
  verify("bf16 moments are one of the two neighbours, and right on average", []() -> std::string {
    const float x = 1.003f;  // 0.384 of the way from 1 to 1 + 1/128
    double sum = 0;
    const Floats got = round_trip(StateFormat::BF16, MomentKind::First, Floats(40000, x));
    for (float y : got) {
      if (y != 1.0f && y != 1.0078125f) return concat(y);
      sum += y;
    }
    const double error = sum / double(got.size()) - double(x);  // standard deviation 2e-5
    return std::abs(error) < 8e-5 ? "" : concat("the mean is off by ", error);
  });
  verify("bf16 moments keep what bf16 holds, and repeat", []() -> std::string {
    const Floats exact = {0.0f, -0.5f, 1.5f, 3.0f}, x = Random(2).normals(700);
    const auto detail = compare_bits("exact", round_trip(StateFormat::BF16, MomentKind::First, exact), exact);
    if (!detail.empty()) return detail;
    const auto again = [&](uint64_t noise) { return round_trip(StateFormat::BF16, MomentKind::First, x, noise); };
    if (compare_bits("other noise", again(1), again(2)).empty()) return "the noise does not matter";
    return compare_bits("repeated", again(1), again(1));
  });
  verify("bf16 moments do not depend on the instruction set", [] { return isas_agree_on(StateFormat::BF16); });
  verify("a second moment in bf16 decays by itself", []() -> std::string {
    // 0.999^1000 = 0.368; to nearest it would stay at 1.
    Kept m(StateFormat::BF16, 512), v(StateFormat::BF16, 512);
    const Floats one(512, 1.0f), zero(512);
    Floats p(512), now(512);
    for (int64_t b : {0, 256}) store_moment(v.moment(), MomentKind::Second, b, 256, one.data(), 1);
    const AdamWParams params{.lr = 0, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0};
    for (int64_t t = 1; t <= 1000; ++t)
      adamw_step({{p.data(), zero.data(), m.moment(), v.moment(), 512, false}}, params, t, 1);
    double mean = 0;
    for (int64_t b : {0, 256}) load_moment(v.moment(), MomentKind::Second, b, 256, now.data() + b);
    for (float x : now) mean += x / 512;
    return std::abs(mean - 0.368) < 0.01 ? "" : concat("mean ", mean);
  });
}

// ------------------------------------------------------------------ steps

constexpr AdamWParams kAdamW{.lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0.1, .seed = 4};

struct Run {
  Floats p;
  Kept m, v;
  Run(StateFormat format, int64_t n) : p(Random(1).normals(n)), m(format, n), v(format, n) {}
  Floats moment(Kept& kept, MomentKind kind) const {
    Floats out(p.size());
    for (int64_t b = 0; b < int64_t(p.size()); b += kStateBlock)
      load_moment(kept.moment(), kind, b, std::min(kStateBlock, int64_t(p.size()) - b), out.data() + b);
    return out;
  }
  void step(int64_t t, bool bf16_gradient = false) {
    const int64_t n = int64_t(p.size());
    const Floats g = gradient(t, n, bf16_gradient);
    std::vector<uint16_t> half(size_t(n), 0);
    simd::f32_to_bf16(g.data(), half.data(), n);
    adamw_step({{p.data(), bf16_gradient ? nullptr : g.data(), m.moment(), v.moment(), n, true, 2,
                 bf16_gradient ? half.data() : nullptr}},
               kAdamW, t, 0.5f);
  }
  // Rounded where a bf16 gradient is.
  static Floats gradient(int64_t t, int64_t n, bool rounded) {
    Floats g = Random(uint64_t(100 + t)).normals(n, 0.1, 0.02);
    if (!rounded) return g;
    std::vector<uint16_t> half(g.size());
    simd::f32_to_bf16(g.data(), half.data(), n);
    simd::bf16_to_f32(half.data(), g.data(), n);
    return g;
  }
};

// Each step from the moments as they were stored, in double; what is stored then is the nearest code.
std::string check_8bit_steps(int64_t n) {
  Run run(StateFormat::Bits8, n);
  for (int64_t t = 1; t <= 20; ++t) {
    const Floats p0 = run.p, m0 = run.moment(run.m, MomentKind::First), v0 = run.moment(run.v, MomentKind::Second);
    run.step(t);
    const Floats g = Run::gradient(t, n, false);
    Array p;
    Floats m, v;
    for (size_t i = 0; i < g.size(); ++i) {
      const double half = 0.5 * double(g[i]), b1 = float(kAdamW.beta1), b2 = float(kAdamW.beta2);
      const double first = b1 * m0[i] + (1 - b1) * half, second = b2 * v0[i] + (1 - b2) * half * half;
      const double denominator = std::sqrt(second / (1 - std::pow(b2, t))) + kAdamW.eps;
      p.push_back(p0[i] * (1 - 1e-4) - 1e-3 * first / (1 - std::pow(b1, t)) / denominator);
      m.push_back(float(first));
      v.push_back(float(second));
    }
    std::string detail = compare("p", run.p, p, n, 1e-6);
    if (detail.empty()) detail = check_nearest(MomentKind::First, m, run.moment(run.m, MomentKind::First), 2e-7);
    if (detail.empty()) detail = check_nearest(MomentKind::Second, v, run.moment(run.v, MomentKind::Second), 2e-7);
    if (!detail.empty()) return concat("step ", t, " ", detail);
  }
  return "";
}

void test_steps() {
  for (int64_t n : {3, 256, 40001})
    verify(concat("adamw with 8-bit moments, ", n, " elements, follows double from step to step"),
           [n] { return check_8bit_steps(n); });
  for (const StateFormat format : {StateFormat::F32, StateFormat::BF16, StateFormat::Bits8}) {
    const char* name = format == StateFormat::F32 ? "f32" : format == StateFormat::BF16 ? "bf16" : "8-bit";
    const auto run = [format](bool bf16) {
      Run run(format, 70001);
      for (int64_t t = 1; t <= 3; ++t) run.step(t, bf16);
      return run.p;
    };
    verify(concat("adamw with ", name, " moments, threads leave the bits alone"),
           [&] { return same_for_all_threads([&] { return run(true); }); });
    verify(concat("adamw with ", name, " moments, instruction sets leave the bits alone"),
           [&] { return same_for_all_isas(simd::Isa::Avx2, [&] { return run(false); }); });
  }
  verify("adamw with bf16 gradients is adamw with the rounded gradients", [] {
    Run a(StateFormat::F32, 3001), b(StateFormat::F32, 3001);
    for (int64_t t = 1; t <= 3; ++t) {
      a.step(t, true);
      const Floats g = Run::gradient(t, 3001, true);
      adamw_step({{b.p.data(), g.data(), b.m.moment(), b.v.moment(), 3001, true, 2}}, kAdamW, t, 0.5f);
    }
    return compare_bits("p", a.p, b.p);
  });
}

}  // namespace

int main() {
  test_map();
  test_8bit();
  test_bf16();
  test_steps();
  return failures == 0 ? 0 : 1;
}
