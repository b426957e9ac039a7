// Whitening over tokens (masked_whiten of TRL and verl).
//
//   y = (x - mean) / sqrt(var + 1e-8)          var with Bessel's correction
#pragma once
#include <cstdint>

namespace rft::ops {

constexpr double kWhitenEps = 1e-8;

// `counts` (N): how many tokens carry the value; 0 = none, the row becomes 0; nullptr = one each. shift_mean = false
// keeps the mean. x (N) -> out (N), which may be x.
void whiten(int64_t n, const float* x, const int32_t* counts, bool shift_mean, float* out);

}  // namespace rft::ops
