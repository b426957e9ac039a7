// What the formulas of the policy losses share. These headers hold mathematics only (C++17, no standard library state),
// so that the CPU loops here and kernels built by nvcc are compiled from the same text: a loss is a struct whose
// members are its constants and whose call operator is its formula.
//
//   token losses      Row operator()(const Token&) const
//   sequence losses   Part part(const Token&) const            what a token adds to the completion's statistic
//                     Shared summary(double statistic) const   once per completion
//                     Row operator()(const Token&, const Shared&) const
#pragma once
#include <stdint.h>
#include <string.h>

#include "base/host_device.h"

namespace rft::ops {

// Log-ratios are limited to this before exp: beyond it a token says nothing but "very different".
constexpr double kMaxLogRatio = 20.0;

enum class Level { Token, SequenceMean, SequenceSum };

struct Token {
  double logp;
  double advantage;
  double delta;       // clamp(logp - old, -20, 20); 0 on-policy
  double ratio;       // exp(delta); 1 for sequence losses, which have a ratio of their own
  double live;        // d delta / d logp: 0 where the clamp acts, else 1
  double importance;  // weight against the sampler, 1 without one
  double selected;    // 1 for tokens that a covariance rule chose
};

struct Row {
  double loss;
  double slope;    // d loss / d logp, through the token's own log-prob
  double through;  // d loss / d statistic of the completion
  double clipped;  // 0 no, 1 at the low bound, 2 at the high bound, 3 at the dual bound or the cap
};

struct Part {
  double value;
  double slope;  // d value / d logp
};

// NaN stays NaN.
RFT_HOST_DEVICE double clamp(double x, double lo, double hi) {
  x = x < lo ? lo : x;
  return x > hi ? hi : x;
}

struct Exp {
  double value;   // e^x
  double minus1;  // e^x - 1 without cancellation
};

RFT_HOST_DEVICE uint64_t bits_of(double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}
RFT_HOST_DEVICE double from_bits(uint64_t bits) {
  double x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

// |x| <= 700 or NaN, branch-free. x = n ln2 + r, |r| <= ln2/2; e^r - 1 = r + r^2 q(r), q interpolated at Chebyshev
// points (relative error 5e-10, far under the floats that come in and go out). q is summed in pairs: a short chain of
// operations, which is what its time is.
RFT_HOST_DEVICE Exp exp_both(double x) {
  const double kRound = 6755399441055744.0;  // 1.5 x 2^52: adding it leaves the nearest integer in the low bits
  const double kLn2Hi = 0.693147180369123816490, kLn2Lo = 1.90821492927058770002e-10;
  const double shifted = x * 1.44269504088896338700 + kRound;
  const double n = shifted - kRound;
  const double r = (x - n * kLn2Hi) - n * kLn2Lo;
  const double r2 = r * r;
  const double q01 = 0.500000001349817786 + r * 0.166666666816591791;
  const double q23 = 0.0416664646020265416 + r * 0.00833331088958207719;
  const double q45 = 0.00139336858626171736 + r * 0.000198910306543703277;
  const double p = r + r2 * (q01 + r2 * (q23 + r2 * q45));
  const double scale = from_bits((bits_of(shifted) + 1023) << 52);  // 2^n
  const double minus1 = scale * p + (scale - 1.0);
  return {minus1 + 1.0, minus1};
}

// Of a positive normal number, or NaN; branch-free. x = 2^n m, m within a factor sqrt 2 of 1, s = (m - 1) / (m + 1):
// log m = 2 s (1 + s^2 / 3 + s^4 / 5 + ..) (error below 1e-10). 0 for 1.
RFT_HOST_DEVICE double log_of(double x) {
  const uint64_t kHalfRoot = 0x3fe6a09e667f3bcdu, kOne = 0x3ff0000000000000u, kTwo52 = 0x4330000000000000u;
  const uint64_t moved = bits_of(x) + (kOne - kHalfRoot);
  const double n = from_bits((moved >> 52) | kTwo52) - (4503599627370496.0 + 1023.0);
  const double m = from_bits((moved & 0x000fffffffffffffu) + kHalfRoot);
  const double s = (m - 1.0) / (m + 1.0), s2 = s * s, s4 = s2 * s2;
  const double series = (1.0 + s2 * (1.0 / 3.0)) + s4 * ((1.0 / 5.0 + s2 * (1.0 / 7.0)) + s4 * (1.0 / 9.0 + s2 / 11.0));
  const double log_x = n * 0.693147180559945309417 + 2.0 * s * series;
  return x == x ? log_x : x;
}

}  // namespace rft::ops
