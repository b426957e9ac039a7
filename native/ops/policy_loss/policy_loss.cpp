// policy_loss: what all policy losses share, around one formula each (clip.h, sequence_clip.h, cispo.h, ...).
//
//   delta = clamp(logp - old, -20, 20)      ratio = exp(delta)          0 and 1 when old is absent
//   base  = formula(ratio, A, ..) x off-policy mask x keep x importance
//   loss  = base + kl_coef kl(ref - logp) [x ratio, when bias-corrected]
//   total = sum of weight loss              dlogp = d total / d logp
//
// The order is TRL's: no mask and no weight touches the KL term. Sequence losses first reduce each completion to a
// statistic (the mean or the sum of parts over its rows of weight != 0, in order), and their gradient runs through it:
//
//   dtotal/dlogp_t = weight_t slope_t + (sum_s weight_s through_s) dstatistic/dlogp_t
//
// Where a clamp at 20 acts, that term is constant. NaN in a weighted row comes out as NaN, so that the step can be
// skipped. Computed in double, rounded once: k3 is a small difference of large terms.
//
// Rows go through blocks of kBlock in passes over double columns, which the compiler vectorises. A row's value depends
// on itself and its completion only.
#include "ops/policy_loss/policy_loss.h"

#include <algorithm>
#include <type_traits>

#include "base/error.h"
#include "base/parallel_for.h"
#include "simd/multiversion.h"

namespace rft::ops {
namespace {

constexpr int64_t kBlock = 512;

// Rows of one block between the passes.
struct Block {
  double loss[kBlock], slope[kBlock], clipped[kBlock], kl[kBlock];
};

template <class Objective, class = void>
struct TakesImportance : std::false_type {};
template <class Objective>
struct TakesImportance<Objective, std::void_t<decltype(Objective::kTakesImportance)>> : std::true_type {};

template <class Objective>
RFT_HOST_DEVICE Token token_at(const PolicyLossColumns& in, int64_t i) {
  const double logp = in.logp[i], raw = in.old_logp ? logp - double(in.old_logp[i]) : 0.0;
  const double delta = clamp(raw, -kMaxLogRatio, kMaxLogRatio);
  const double live = (raw > kMaxLogRatio) | (raw < -kMaxLogRatio) ? 0.0 : 1.0;
  const bool own_ratio = Objective::kLevel == Level::Token;
  return {logp,
          double(in.advantages[i]),
          delta,
          own_ratio && in.old_logp ? exp_both(delta).value : 1.0,
          live,
          in.importance ? double(in.importance[i]) : 1.0,
          in.selected ? double(in.selected[i] != 0) : 0.0};
}

// Factor of the base loss. `kept`: what the off-policy mask says of a negative advantage.
template <class Objective>
RFT_HOST_DEVICE double factor_at(const PolicyLossColumns& in, int64_t i, double kept) {
  double factor = in.advantages[i] >= 0.0f ? 1.0 : kept;
  if (in.keep) factor = in.keep[i] ? factor : 0.0;
  if (!TakesImportance<Objective>::value && in.importance) factor *= double(in.importance[i]);
  return factor;
}

// The base loss of rows [begin, begin + count). Absent for sequence losses: Shared = int, unused.
template <class Objective, class Shared>
RFT_HOST_DEVICE void base_pass(const Objective& objective, const PolicyLossColumns& in, int64_t begin, int64_t count,
                               double kept, const Shared& shared, Block& block) {
  for (int64_t j = 0; j < count; ++j) {
    const int64_t i = begin + j;
    const Token t = token_at<Objective>(in, i);
    Row row;
    if constexpr (Objective::kLevel == Level::Token) row = objective(t);
    else row = objective(t, shared);
    const double factor = factor_at<Objective>(in, i, kept);
    // A dropped token is dropped even where its loss is not finite.
    block.loss[j] = factor == 0.0 ? 0.0 : factor * row.loss;
    block.slope[j] = factor == 0.0 ? 0.0 : factor * row.slope;
    block.clipped[j] = row.clipped;
  }
}

template <class Estimator>
RFT_HOST_DEVICE void kl_pass(const Estimator& estimate, bool bias_corrected, const PolicyLossColumns& in, int64_t begin,
                             int64_t count, Block& block) {
  for (int64_t j = 0; j < count; ++j) {
    const int64_t i = begin + j;
    const double raw = double(in.ref_logp[i]) - double(in.logp[i]);
    const double d = clamp(raw, -kMaxLogRatio, kMaxLogRatio);
    KlRow row = estimate(d);
    row.slope = (raw > kMaxLogRatio) | (raw < -kMaxLogRatio) ? 0.0 : row.slope;
    if (bias_corrected && in.old_logp) {
      const double log_ratio = double(in.logp[i]) - double(in.old_logp[i]);
      const double ratio = exp_both(clamp(log_ratio, -kMaxLogRatio, kMaxLogRatio)).value;
      const double live = (log_ratio > kMaxLogRatio) | (log_ratio < -kMaxLogRatio) ? 0.0 : 1.0;
      row = {ratio * row.value, ratio * (row.slope + live * row.value)};
    } else if (bias_corrected) row.slope += row.value;
    block.kl[j] = row.value;
    block.loss[j] += double(in.kl_coef[i]) * row.value;
    block.slope[j] += double(in.kl_coef[i]) * row.slope;
  }
}

// dstatistic (count) or nullptr: what a row's log-prob does to its completion's statistic; `through` = d total /
// dstatistic.
RFT_HOST_DEVICE void write_pass(const PolicyLossColumns& in, int64_t begin, int64_t count, const Block& block,
                                const double* dstatistic, double through, const PolicyLossResult& out) {
  for (int64_t j = 0; j < count; ++j) {
    const int64_t i = begin + j;
    const bool used = in.weights[i] != 0.0f;
    double gradient = double(in.weights[i]) * block.slope[j];
    if (dstatistic) gradient += through * dstatistic[j];
    out.loss[i] = used ? float(block.loss[j]) : 0.0f;
    out.dlogp[i] = used ? float(gradient) : 0.0f;
    out.kl[i] = used && in.ref_logp ? float(block.kl[j]) : 0.0f;
    out.clipped[i] = uint8_t(used ? block.clipped[j] : 0.0);
  }
}

// A completion's rows: its statistic, then, block by block, its losses and gradients.
template <class Objective>
class Sequence {
 public:
  Sequence(const Objective& objective, const PolicyLossColumns& in, int64_t begin, int64_t end, double kept)
      : objective_(objective), in_(in), begin_(begin), end_(end), kept_(kept) {
    double sum = 0.0, count = 0.0;
    for_blocks([&](int64_t first, int64_t n) {
      double value[kBlock], slope[kBlock];
      parts(first, n, value, slope);
      for (int64_t j = 0; j < n; ++j) {
        if (in_.weights[first + j] == 0.0f) continue;
        sum += value[j];
        count += 1.0;
      }
    });
    share_ = Objective::kLevel == Level::SequenceMean && count > 0.0 ? 1.0 / count : 1.0;
    shared_ = objective_.summary(sum * share_);
    for_blocks([&](int64_t first, int64_t n) {
      for (int64_t i = first; i < first + n; ++i)
        if (in_.weights[i] != 0.0f) {
          const double factor = factor_at<Objective>(in_, i, kept_);
          if (factor != 0.0)
            through_ += double(in_.weights[i]) * factor * objective_(token_at<Objective>(in_, i), shared_).through;
        }
    });
  }

  template <class KlPass>
  void write(const KlPass& kl, const PolicyLossResult& out) const {
    for_blocks([&](int64_t first, int64_t n) {
      Block block;
      double value[kBlock], slope[kBlock];
      parts(first, n, value, slope);
      for (int64_t j = 0; j < n; ++j) slope[j] *= share_;
      simd::multiversion([&]() RFT_INLINE_LAMBDA { base_pass(objective_, in_, first, n, kept_, shared_, block); });
      kl(first, n, block);
      simd::multiversion([&]() RFT_INLINE_LAMBDA { write_pass(in_, first, n, block, slope, through_, out); });
    });
  }

 private:
  template <class Body>
  void for_blocks(const Body& body) const {
    for (int64_t first = begin_; first < end_; first += kBlock) body(first, std::min(kBlock, end_ - first));
  }
  void parts(int64_t first, int64_t n, double* value, double* slope) const {
    simd::multiversion([&]() RFT_INLINE_LAMBDA {
      for (int64_t j = 0; j < n; ++j) {
        const Part part = objective_.part(token_at<Objective>(in_, first + j));
        value[j] = part.value;
        slope[j] = part.slope;
      }
    });
  }

  const Objective& objective_;
  const PolicyLossColumns& in_;
  int64_t begin_, end_;
  double kept_;
  double share_ = 1.0, through_ = 0.0;
  typename Objective::Shared shared_{};
};

// 1 when a completion of negative advantage keeps its loss, else 0. A token without a sampler's log-prob says nothing.
double keeps(const PolicyLossColumns& in, int64_t begin, int64_t end, double threshold) {
  double sum = 0.0, count = 0.0;
  for (int64_t i = begin; i < end; ++i) {
    if (in.weights[i] == 0.0f) continue;
    const double above = double(in.sampled_logp[i]) - double(in.logp[i]);
    sum += above == above ? above : 0.0;
    count += 1.0;
  }
  return sum <= threshold * count ? 1.0 : 0.0;
}

using KlPass = void (*)(bool bias_corrected, const PolicyLossColumns&, int64_t begin, int64_t count, Block&);

KlPass kl_pass_of(const KlEstimator& estimator) {
  return std::visit(
      [](const auto& e) -> KlPass {
        return [](bool bias_corrected, const PolicyLossColumns& in, int64_t begin, int64_t count, Block& block) {
          simd::multiversion([&]() RFT_INLINE_LAMBDA {
            kl_pass(std::decay_t<decltype(e)>{}, bias_corrected, in, begin, count, block);
          });
        };
      },
      estimator);
}

template <class Objective>
void rows(const Objective& objective, int64_t n, const PolicyLossColumns& in, const PolicyLossParams& params,
          const PolicyLossResult& out) {
  const KlPass pass = kl_pass_of(params.estimator);
  const auto kl = [&](int64_t first, int64_t count, Block& block) {
    if (in.ref_logp) pass(params.bias_corrected, in, first, count, block);
  };
  const auto piece = [&](int64_t begin, int64_t end, double kept) {
    if constexpr (Objective::kLevel == Level::Token) {
      for (int64_t first = begin; first < end; first += kBlock) {
        const int64_t count = std::min(kBlock, end - first);
        Block block;
        simd::multiversion([&]() RFT_INLINE_LAMBDA { base_pass(objective, in, first, count, kept, 0, block); });
        kl(first, count, block);
        simd::multiversion([&]() RFT_INLINE_LAMBDA { write_pass(in, first, count, block, nullptr, 0.0, out); });
      }
    } else Sequence<Objective>(objective, in, begin, end, kept).write(kl, out);
  };
  if (!needs_sequences(params))
    return parallel_ranges(n, 4096, [&](int64_t begin, int64_t end) { piece(begin, end, 1.0); });
  const bool masked = params.off_policy_threshold < std::numeric_limits<double>::infinity();
  parallel_ranges(in.sequence_count, 4, [&](int64_t first, int64_t last) {
    for (int64_t b = first; b < last; ++b) {
      const int64_t begin = in.sequences[b], end = in.sequences[b + 1];
      piece(begin, end, masked ? keeps(in, begin, end, params.off_policy_threshold) : 1.0);
    }
  });
}

void check(int64_t n, const PolicyLossColumns& in, const PolicyLossParams& params) {
  if (n == 0) return;
  expect(!in.ref_logp || in.kl_coef, "policy_loss klCoef", "a value per token beside refLogp", "none");
  if (!needs_sequences(params)) return;
  expect(in.sequences != nullptr && in.sequence_count >= 0, "policy_loss sequences",
         "offsets of the completions, which this loss looks at as a whole", "none");
  expect(in.sequences[0] == 0 && in.sequences[in.sequence_count] == n, "policy_loss sequences",
         concat("offsets from 0 to ", n), concat(in.sequences[0], " to ", in.sequences[in.sequence_count]));
  for (int64_t b = 0; b < in.sequence_count; ++b)
    expect(in.sequences[b] <= in.sequences[b + 1], "policy_loss sequences", "offsets that do not fall",
           concat(in.sequences[b], " before ", in.sequences[b + 1]));
  expect(params.off_policy_threshold == std::numeric_limits<double>::infinity() || in.sampled_logp,
         "policy_loss sampledLogp", "the sampler's log-probs for the off-policy mask", "none");
}

}  // namespace

bool needs_sequences(const PolicyLossParams& params) {
  return params.off_policy_threshold < std::numeric_limits<double>::infinity() ||
         std::visit([](const auto& o) { return std::decay_t<decltype(o)>::kLevel != Level::Token; }, params.objective);
}

void policy_loss(int64_t n, const PolicyLossColumns& in, const PolicyLossParams& params, const PolicyLossResult& out) {
  check(n, in, params);
  if (n == 0) return;
  std::visit([&](const auto& objective) { rows(objective, n, in, params, out); }, params.objective);
}

}  // namespace rft::ops
