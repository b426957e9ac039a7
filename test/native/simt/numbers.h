// Random inputs and fp64 comparison for the kernel tests. Not instrumented: the checker need not see host loops.
#pragma once
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "simt/simt.h"

namespace rft::test {

using Floats = std::vector<float>;
using Bf16s = std::vector<__nv_bfloat16>;

// Sums of uniform numbers: mean 0, deviation `scale`, the same for a seed everywhere.
inline Floats random_floats(size_t n, float scale = 1.0f, uint64_t seed = 1) {
  Floats out(n);
  uint64_t state = seed * 0x9E3779B97F4A7C15ull + 1;
  for (float& x : out) {
    float sum = 0.0f;
    for (int i = 0; i < 4; ++i) {
      state = state * 6364136223846793005ull + 1442695040888963407ull;
      sum += float(state >> 40) * 0x1p-24f - 0.5f;
    }
    x = sum * scale * 1.7320508f;
  }
  return out;
}

inline Bf16s to_bf16(const Floats& values) {
  Bf16s out;
  for (const float x : values) out.push_back(__float2bfloat16(x));
  return out;
}

// |got - want| <= absolute + relative |want| for all i; the text of the first offence.
template <class Got, class Want>
std::string close(const Got& got, const std::vector<Want>& want, double absolute, double relative) {
  if (got.size() != want.size()) return concat(got.size(), " values, want ", want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    const double w = double(want[i]), difference = std::fabs(double(float(got[i])) - w);
    if (!(difference <= absolute + relative * std::fabs(w)))
      return concat("element ", i, ": ", float(got[i]), ", want ", w);
  }
  return "";
}

}  // namespace rft::test
