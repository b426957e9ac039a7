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

// |x| <= 700 or NaN, branch-free. x = n ln2 + r, |r| <= ln2/2; e^r - 1 = r + r^2 q(r) by Taylor to r^10 (relative error
// below 1e-12, far under the floats that come in and go out). q is summed in pairs: a short chain of operations, which
// is what its time is.
RFT_HOST_DEVICE Exp exp_both(double x) {
  const double kRound = 6755399441055744.0;  // 1.5 x 2^52: adding it leaves the nearest integer in the low bits
  const double kLn2Hi = 0.693147180369123816490, kLn2Lo = 1.90821492927058770002e-10;
  const double shifted = x * 1.44269504088896338700 + kRound;
  const double n = shifted - kRound;
  const double r = (x - n * kLn2Hi) - n * kLn2Lo;
  const double r2 = r * r, r4 = r2 * r2;
  const double q01 = 1.0 / 2.0 + r * (1.0 / 6.0), q23 = 1.0 / 24.0 + r * (1.0 / 120.0);
  const double q45 = 1.0 / 720.0 + r * (1.0 / 5040.0), q67 = 1.0 / 40320.0 + r * (1.0 / 362880.0);
  const double low = q01 + r2 * q23, high = (q45 + r2 * q67) + r4 * (1.0 / 3628800.0);
  const double p = r + r2 * (low + r4 * high);
  uint64_t bits;
  memcpy(&bits, &shifted, sizeof bits);
  bits = (bits + 1023) << 52;
  double scale;  // 2^n
  memcpy(&scale, &bits, sizeof scale);
  const double minus1 = scale * p + (scale - 1.0);
  return {minus1 + 1.0, minus1};
}

}  // namespace rft::ops
