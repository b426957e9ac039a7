// Reporting and inputs shared by the C++ tests: one line per check, `ok <name>` or `FAIL <name>: <detail>`.
#pragma once
#include <cstdio>
#include <cstring>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "simd/vmath.h"

namespace rft::test {

using Floats = std::vector<float>;
inline std::mt19937 random_bits(7);
inline int failures = 0;

inline void report(const std::string& name, const std::string& detail) {
  if (detail.empty()) {
    std::printf("ok %s\n", name.c_str());
  } else {
    std::printf("FAIL %s: %s\n", name.c_str(), detail.c_str());
    ++failures;
  }
  std::fflush(stdout);
}

inline Floats random_floats(int64_t n, float scale = 1.0f) {
  std::normal_distribution<float> normal(0.0f, scale);
  Floats out(n);
  for (float& x : out) x = normal(random_bits);
  return out;
}

inline bool same_bits(const Floats& a, const Floats& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

inline const char* name_of(simd::Isa isa) {
  return isa == simd::Isa::Avx512 ? "avx512" : isa == simd::Isa::Avx2 ? "avx2" : "portable";
}

// The instruction sets of this CPU.
inline std::vector<simd::Isa> available() {
  std::vector<simd::Isa> out;
  for (const simd::Isa isa : {simd::Isa::Portable, simd::Isa::Avx2, simd::Isa::Avx512}) {
    try {
      simd::set_isa_for_test(isa);
      out.push_back(isa);
    } catch (const std::runtime_error&) {
    }
  }
  return out;
}

}  // namespace rft::test
