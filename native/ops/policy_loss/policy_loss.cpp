// policy_loss: clipped-ratio loss (PPO; asymmetric bounds as in DAPO) with the k3 penalty of GRPO, per token.
//
//   ratio = exp(clamp(logp - old, -20, 20))      1 when old is absent
//   base  = -min(ratio A, clip(ratio, 1 - low, 1 + high) A)
//   d     = clamp(ref - logp, -20, 20)           k3 = exp(d) - d - 1
//   loss  = base + kl_coef k3                    total = sum of weight loss
//   dtotal/dlogp = weight (-ratio A [not clipped] + kl_coef (1 - exp(d)))
//
// On a tie of the two branches (on-policy) the unclipped one is differentiated. Where a clamp at 20 acts, that term
// is constant. NaN in a weighted row comes out as NaN, so that the step can be skipped.
//
// Columns (N). Computed in double, rounded once: k3 is a small difference of large terms. The exp is inline and
// branch-free (std::exp and std::expm1 would be most of the time).
#include "ops/policy_loss/policy_loss.h"

#include <algorithm>
#include <bit>

#include "base/parallel_for.h"

namespace rft::ops {
namespace {

constexpr double kMaxLogRatio = 20.0;

// NaN stays NaN.
inline double clamp(double x, double lo, double hi) {
  x = x < lo ? lo : x;
  return x > hi ? hi : x;
}

struct Exp {
  double value;   // e^x
  double minus1;  // e^x - 1 without cancellation
};

// |x| <= 20 or NaN. x = n ln2 + r, |r| <= ln2/2; e^r - 1 by Taylor to r^13 (truncation below 2e-17).
inline Exp exp_both(double x) {
  constexpr double kRound = 0x1.8p52;  // adding it leaves the nearest integer in the low bits
  constexpr double kLn2Hi = 0x1.62e42fefap-1, kLn2Lo = 0x1.cf79abc9e3b398p-36;
  const double shifted = x * 0x1.71547652b82fep0 + kRound;
  const double n = shifted - kRound;
  const double r = (x - n * kLn2Hi) - n * kLn2Lo;
  double p = 1.0 / 6227020800.0;
  p = p * r + 1.0 / 479001600.0;
  p = p * r + 1.0 / 39916800.0;
  p = p * r + 1.0 / 3628800.0;
  p = p * r + 1.0 / 362880.0;
  p = p * r + 1.0 / 40320.0;
  p = p * r + 1.0 / 5040.0;
  p = p * r + 1.0 / 720.0;
  p = p * r + 1.0 / 120.0;
  p = p * r + 1.0 / 24.0;
  p = p * r + 1.0 / 6.0;
  p = p * r + 0.5;
  p = p * r * r + r;
  const double scale = std::bit_cast<double>((std::bit_cast<uint64_t>(shifted) + 1023) << 52);  // 2^n
  const double minus1 = scale * p + (scale - 1.0);
  return {minus1 + 1.0, minus1};
}

struct Row {
  double loss, dlogp, kl;
  int clipped;
};

template <bool kOld, bool kRef>
inline Row token(double logp, double advantage, double old_logp, double ref_logp, double low, double high,
                 double kl_coef) {
  Row row{-advantage, -advantage, 0.0, 0};
  if constexpr (kOld) {
    const double raw = logp - old_logp;
    const double ratio = exp_both(clamp(raw, -kMaxLogRatio, kMaxLogRatio)).value;
    const double bounded = clamp(ratio, low, high);
    const bool clipped = bounded * advantage < ratio * advantage;
    const bool constant = clipped | (raw > kMaxLogRatio) | (raw < -kMaxLogRatio);
    row.loss = -(clipped ? bounded : ratio) * advantage;
    row.dlogp = constant ? 0.0 : -ratio * advantage;
    row.clipped = clipped ? (ratio < 1.0 ? 1 : 2) : 0;
  }
  if constexpr (kRef) {
    const double raw = ref_logp - logp;
    const double d = clamp(raw, -kMaxLogRatio, kMaxLogRatio);
    const double minus1 = exp_both(d).minus1;
    row.kl = minus1 - d;
    row.loss += kl_coef * row.kl;
    row.dlogp += (raw > kMaxLogRatio) | (raw < -kMaxLogRatio) ? 0.0 : -kl_coef * minus1;
  }
  return row;
}

template <bool kOld, bool kRef>
void rows(int64_t begin, int64_t end, const PolicyLossColumns& in, const PolicyLossParams& params,
          const PolicyLossResult& out) {
  const float* __restrict logp = in.logp, * __restrict advantages = in.advantages, * __restrict weights = in.weights;
  const float* __restrict old_logp = kOld ? in.old_logp : logp, * __restrict ref_logp = kRef ? in.ref_logp : logp;
  float* __restrict loss = out.loss, * __restrict dlogp = out.dlogp, * __restrict kl = out.kl;
  uint8_t* __restrict clipped = out.clipped;
  const double low = 1.0 - double(params.clip_low), high = 1.0 + double(params.clip_high), coef = params.kl_coef;
  for (int64_t i = begin; i < end; ++i) {
    const Row row = token<kOld, kRef>(logp[i], advantages[i], old_logp[i], ref_logp[i], low, high, coef);
    const bool used = weights[i] != 0.0f;
    loss[i] = used ? float(row.loss) : 0.0f;
    dlogp[i] = used ? float(double(weights[i]) * row.dlogp) : 0.0f;
    kl[i] = used ? float(row.kl) : 0.0f;
    clipped[i] = uint8_t(used ? row.clipped : 0);
  }
}

}  // namespace

void policy_loss(int64_t n, const PolicyLossColumns& in, const PolicyLossParams& params, const PolicyLossResult& out) {
  const auto body = in.old_logp ? (in.ref_logp ? rows<true, true> : rows<true, false>)
                                : (in.ref_logp ? rows<false, true> : rows<false, false>);
  parallel_ranges(n, 4096, [&](int64_t begin, int64_t end) { body(begin, end, in, params, out); });
}

}  // namespace rft::ops
