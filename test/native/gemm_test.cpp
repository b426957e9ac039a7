// The matrix products on every instruction set of this CPU: fp64 references at awkward shapes, and the same bits
// packed or not, on any number of threads, for a row alone or in a batch, with AVX2 or AVX-512.
#include "simd/gemm.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/parallel_for.h"
#include "check.h"
#include "simd/vmath.h"

using namespace rft::simd;
using namespace rft::test;

namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

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
      std::snprintf(out, sizeof out, "%s at (%ld,%ld): %.9g, want %.9g", s.text().c_str(), long(m), long(n), c[i],
                    want);
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

// A product with B packed in bf16 has the bits of one with B's values rounded beforehand.
std::string check_bf16(const Case& s, const Inputs& in) {
  Inputs rounded = in;
  std::vector<uint16_t> half(in.b.data.size());
  f32_to_bf16(in.b.data.data(), half.data(), int64_t(half.size()));
  bf16_to_f32(half.data(), rounded.b.data.data(), int64_t(half.size()));
  const Floats want = multiply(s, rounded, false, true);
  std::vector<uint16_t> packed(size_t(packed_size(s.N, s.K)) + 1, 0x7fc1);
  pack_b_bf16(s.tb, s.N, s.K, in.b.data.data(), in.b.ld, packed.data());
  if (packed.back() != 0x7fc1) return s.text() + ": pack_b_bf16 wrote past packed_size";
  Floats c = in.c;
  gemm_packed_bf16(s.ta, s.M, s.N, s.K, in.a.data.data(), in.a.ld, packed.data(), s.beta, c.data() + s.N + s.gap,
                   s.N + s.gap);
  return same_bits(c, want) ? "" : s.text() + ": packed in bf16, other bits than with rounded values";
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
      const std::string detail = check_bf16(s, in);
      if (!detail.empty()) return std::string(name_of(isa)) + " " + detail;
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
  for (const Case& s :
       {Case{Trans::No, Trans::Yes, 97, 130, 517, 0, 0.0f}, Case{Trans::No, Trans::No, 29, 96, 96, 0, 1.0f},
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

}  // namespace

int main() {
  const std::vector<Isa> isas = available();
  std::string detail;
  for (const Case& s : gemm_cases()) {
    if (detail.empty()) detail = check_gemm(s, isas);
  }
  report("gemm at all shapes", detail);
  for (const Isa isa : isas) report(std::string(name_of(isa)) + " gemm rows alone", check_rows_alone(isa));
  return failures == 0 ? 0 : 1;
}
