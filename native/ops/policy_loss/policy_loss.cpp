// policy_loss: what all policy losses share, around one formula each (clip.h, sequence_clip.h, cispo.h, ...).
//
//   delta = clamp(logp - old, -20, 20)      ratio = exp(delta)          0 and 1 when old is absent
//   base  = formula(ratio, A, ..) x off-policy mask x keep x importance
//   loss  = base + kl_coef kl(ref - logp) [x ratio, when bias-corrected]
//   total = sum of weight loss              dlogp = d total / d logp
//
// The order is TRL's: no mask and no weight touches the KL term. Sequence losses first reduce each completion to a
// statistic (the mean or the sum of parts over its rows of weight != 0), and their gradient runs through it:
//
//   dtotal/dlogp_t = weight_t slope_t + (sum_s weight_s through_s) dstatistic/dlogp_t
//
// Where a clamp at 20 acts, that term is constant. NaN in a weighted row comes out as NaN, so that the step can be
// skipped. Computed in double, rounded once: k3 is a small difference of large terms.
//
// Rows go through blocks of kBlock: each column is widened to double, or filled with what its absence means, and then
// every formula is one plain loop over double columns, which the compiler vectorises. A row's value depends on itself
// and its completion only.
#include "ops/policy_loss/policy_loss.h"

#include <algorithm>
#include <type_traits>

#include "base/error.h"
#include "base/parallel_for.h"
#include "ops/sequences.h"
#include "simd/multiversion.h"

namespace rft::ops {
namespace {

constexpr int64_t kBlock = 256;

// Columns of one block: what the formulas read, and what they write.
struct Block {
  double logp[kBlock], advantage[kBlock], weight[kBlock], delta[kBlock], live[kBlock], ratio[kBlock],
      importance[kBlock], selected[kBlock], factor[kBlock];
  double loss[kBlock], slope[kBlock], through[kBlock], clipped[kBlock], kl[kBlock];
  double part[kBlock], part_slope[kBlock];

  RFT_HOST_DEVICE Token token(int64_t j) const {
    return {logp[j], advantage[j], delta[j], ratio[j], live[j], importance[j], selected[j]};
  }
};

template <class T>
RFT_HOST_DEVICE void widen(const T* column, int64_t begin, int64_t count, double absent, double* out) {
  if (column)
    for (int64_t j = 0; j < count; ++j) out[j] = double(column[begin + j]);
  else
    for (int64_t j = 0; j < count; ++j) out[j] = absent;
}

// `kept`: what the off-policy mask says of a negative advantage.
template <class Objective>
RFT_HOST_DEVICE void load_pass(const PolicyLossColumns& in, int64_t begin, int64_t count, double kept, Block& block) {
  widen(in.logp, begin, count, 0.0, block.logp);
  widen(in.advantages, begin, count, 0.0, block.advantage);
  widen(in.weights, begin, count, 0.0, block.weight);
  widen(in.importance, begin, count, 1.0, block.importance);
  widen(in.selected, begin, count, 0.0, block.selected);
  widen(in.keep, begin, count, 1.0, block.factor);
  if (in.old_logp)
    for (int64_t j = 0; j < count; ++j) {
      const double raw = block.logp[j] - double(in.old_logp[begin + j]);
      block.delta[j] = clamp(raw, -kMaxLogRatio, kMaxLogRatio);
      block.live[j] = (raw > kMaxLogRatio) | (raw < -kMaxLogRatio) ? 0.0 : 1.0;
    }
  else
    for (int64_t j = 0; j < count; ++j) {
      block.delta[j] = 0.0;
      block.live[j] = 1.0;
    }
  for (int64_t j = 0; j < count; ++j) {
    block.selected[j] = block.selected[j] != 0.0 ? 1.0 : 0.0;
    block.factor[j] = block.factor[j] == 0.0 ? 0.0 : block.advantage[j] >= 0.0 ? 1.0 : kept;
  }
  if (!kTakesImportance<Objective> && in.importance)
    for (int64_t j = 0; j < count; ++j) block.factor[j] *= block.importance[j];
  if (Objective::kLevel == Level::Token && in.old_logp)
    for (int64_t j = 0; j < count; ++j) block.ratio[j] = exp_both(block.delta[j]).value;
  else
    for (int64_t j = 0; j < count; ++j) block.ratio[j] = 1.0;
}

// The base loss, with its factor. A dropped token is dropped even where its loss is not finite.
// Absent for token losses: Shared = int, unused.
template <class Objective, class Shared>
RFT_HOST_DEVICE void base_pass(const Objective objective, int64_t count, const Shared shared, Block& block) {
  for (int64_t j = 0; j < count; ++j) {
    Row row;
    if constexpr (Objective::kLevel == Level::Token) row = objective(block.token(j));
    else row = objective(block.token(j), shared);
    const double factor = block.factor[j];
    block.loss[j] = factor == 0.0 ? 0.0 : factor * row.loss;
    block.slope[j] = factor == 0.0 ? 0.0 : factor * row.slope;
    block.through[j] = factor == 0.0 ? 0.0 : factor * row.through;
    block.clipped[j] = row.clipped;
  }
}

// The KL term, added to loss and slope.
template <class Estimator>
RFT_HOST_DEVICE void kl_pass(bool bias_corrected, const PolicyLossColumns& in, int64_t begin, int64_t count,
                             Block& block) {
  double slope[kBlock];
  for (int64_t j = 0; j < count; ++j) {
    const KlRow row = kl_row(Estimator{}, block.logp[j], double(in.ref_logp[begin + j]));
    block.kl[j] = row.value;
    slope[j] = row.slope;
  }
  if (bias_corrected)
    for (int64_t j = 0; j < count; ++j) {
      const double ratio = exp_both(block.delta[j]).value;
      slope[j] = ratio * (slope[j] + block.live[j] * block.kl[j]);
      block.kl[j] *= ratio;
    }
  for (int64_t j = 0; j < count; ++j) {
    const double coef = in.kl_coef[begin + j];
    block.loss[j] += coef * block.kl[j];
    block.slope[j] += coef * slope[j];
  }
}

// through: d total / d statistic of the completion, whose derivative by a row's log-prob is share x part_slope.
template <bool kSequence>
RFT_HOST_DEVICE void write_pass(bool has_kl, int64_t begin, int64_t count, double through, const Block& block,
                                const PolicyLossResult& out) {
  float* __restrict loss = out.loss + begin, * __restrict dlogp = out.dlogp + begin, * __restrict kl = out.kl + begin;
  for (int64_t j = 0; j < count; ++j) {
    const bool used = block.weight[j] != 0.0;
    double gradient = block.weight[j] * block.slope[j];
    if (kSequence) gradient += through * block.part_slope[j];
    loss[j] = used ? float(block.loss[j]) : 0.0f;
    dlogp[j] = used ? float(gradient) : 0.0f;
  }
  if (has_kl)
    for (int64_t j = 0; j < count; ++j) kl[j] = block.weight[j] != 0.0 ? float(block.kl[j]) : 0.0f;
  else
    for (int64_t j = 0; j < count; ++j) kl[j] = 0.0f;
  uint8_t* __restrict clipped = out.clipped + begin;
  for (int64_t j = 0; j < count; ++j) clipped[j] = uint8_t(int(block.weight[j] != 0.0 ? block.clipped[j] : 0.0));
}

// A sum over a completion: row j goes to partial j mod 8, then a fixed tree, so its order depends on the length only.
// Values of rows that are not used may be anything; they do not reach it.
struct Sum {
  double partial[8] = {};

  RFT_HOST_DEVICE void add(const double* values, const double* weights, int64_t n) {
    int64_t j = 0;
    for (; j + 8 <= n; j += 8)
      for (int k = 0; k < 8; ++k) partial[k] += weights[j + k] != 0.0 ? values[j + k] : 0.0;
    for (int k = 0; j + k < n; ++k) partial[k] += weights[j + k] != 0.0 ? values[j + k] : 0.0;
  }
  double total() const {
    return ((partial[0] + partial[4]) + (partial[2] + partial[6])) +
           ((partial[1] + partial[5]) + (partial[3] + partial[7]));
  }
};

using KlPass = void (*)(bool bias_corrected, const PolicyLossColumns&, int64_t begin, int64_t count, Block&);

KlPass kl_pass_of(const KlEstimator& estimator) {
  return std::visit(
      [](const auto& e) -> KlPass {
        return [](bool bias_corrected, const PolicyLossColumns& in, int64_t begin, int64_t count, Block& block) {
          simd::multiversion(
              [&]() RFT_INLINE_LAMBDA { kl_pass<std::decay_t<decltype(e)>>(bias_corrected, in, begin, count, block); });
        };
      },
      estimator);
}

// One call: an objective over columns.
template <class Objective>
class Pass {
 public:
  Pass(const Objective& objective, const PolicyLossColumns& in, const PolicyLossParams& params,
       const PolicyLossResult& out)
      : objective_(objective),
        in_(in),
        out_(out),
        bias_corrected_(params.bias_corrected),
        kl_(in.ref_logp ? kl_pass_of(params.estimator) : nullptr) {}

  void tokens(int64_t begin, int64_t end, double kept) const {
    Block block;
    for_blocks(begin, end, [&](int64_t first, int64_t n) {
      simd::multiversion([&]() RFT_INLINE_LAMBDA {
        load_pass<Objective>(in_, first, n, kept, block);
        base_pass(objective_, n, 0, block);
      });
      finish<false>(first, n, 0.0, block);
    });
  }

  // A completion's rows: its statistic, what the total has to say about it, and then losses and gradients.
  void sequence(int64_t begin, int64_t end, double kept) const {
    Block block;
    Sum statistic, rows, weighted;
    for_blocks(begin, end, [&](int64_t first, int64_t n) {
      parts(first, n, kept, block);
      simd::multiversion([&]() RFT_INLINE_LAMBDA {
        statistic.add(block.part, block.weight, n);
        for (int64_t j = 0; j < n; ++j) block.through[j] = 1.0;
        rows.add(block.through, block.weight, n);
      });
    });
    const double count = rows.total();
    const double share = Objective::kLevel == Level::SequenceMean && count > 0.0 ? 1.0 / count : 1.0;
    const auto shared = objective_.summary(statistic.total() * share);
    const bool in_place = end - begin <= kBlock;  // the block still holds what was loaded first
    for_blocks(begin, end, [&](int64_t first, int64_t n) {
      if (!in_place) parts(first, n, kept, block);
      base(n, shared, block);
      simd::multiversion([&]() RFT_INLINE_LAMBDA {
        for (int64_t j = 0; j < n; ++j) block.through[j] *= block.weight[j];
        weighted.add(block.through, block.weight, n);
      });
    });
    const double through = weighted.total();
    for_blocks(begin, end, [&](int64_t first, int64_t n) {
      if (!in_place) {
        parts(first, n, kept, block);
        base(n, shared, block);
      }
      finish<true>(first, n, through * share, block);
    });
  }

 private:
  template <class Body>
  static void for_blocks(int64_t begin, int64_t end, const Body& body) {
    for (int64_t first = begin; first < end; first += kBlock) body(first, std::min(kBlock, end - first));
  }
  void parts(int64_t first, int64_t n, double kept, Block& block) const {
    simd::multiversion([&]() RFT_INLINE_LAMBDA {
      load_pass<Objective>(in_, first, n, kept, block);
      const Objective objective = objective_;
      for (int64_t j = 0; j < n; ++j) {
        const Part part = objective.part(block.token(j));
        block.part[j] = part.value;
        block.part_slope[j] = part.slope;
      }
    });
  }
  template <class Shared>
  void base(int64_t n, const Shared& shared, Block& block) const {
    const Objective objective = objective_;  // copies: the compiler need not fear that writing columns changes them
    simd::multiversion([&, objective, shared]() RFT_INLINE_LAMBDA { base_pass(objective, n, shared, block); });
  }
  template <bool kSequence>
  void finish(int64_t first, int64_t n, double through, Block& block) const {
    if (kl_) kl_(bias_corrected_, in_, first, n, block);
    simd::multiversion(
        [&]() RFT_INLINE_LAMBDA { write_pass<kSequence>(kl_ != nullptr, first, n, through, block, out_); });
  }

  const Objective& objective_;
  const PolicyLossColumns& in_;
  const PolicyLossResult& out_;
  bool bias_corrected_;
  KlPass kl_;
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

template <class Objective>
void rows(const Objective& objective, int64_t n, const PolicyLossColumns& in, const PolicyLossParams& params,
          const PolicyLossResult& out) {
  const Pass<Objective> pass(objective, in, params, out);
  const auto piece = [&](int64_t begin, int64_t end, double kept) {
    if constexpr (Objective::kLevel == Level::Token) pass.tokens(begin, end, kept);
    else pass.sequence(begin, end, kept);
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

}  // namespace

void check_policy_loss(int64_t n, const PolicyLossColumns& in, const PolicyLossParams& params) {
  if (n == 0) return;
  expect(!in.ref_logp || in.kl_coef, "policy_loss klCoef", "a value per token beside refLogp", "none");
  if (in.sequences == nullptr && !needs_sequences(params)) return;
  expect(in.sequences != nullptr && in.sequence_count >= 0, "policy_loss sequences",
         "offsets of the completions, which this loss looks at as a whole", "none");
  check_sequences("policy_loss sequences", in.sequences, in.sequence_count, n);
  expect(params.off_policy_threshold == std::numeric_limits<double>::infinity() || in.sampled_logp,
         "policy_loss sampledLogp", "the sampler's log-probs for the off-policy mask", "none");
}

bool needs_sequences(const PolicyLossParams& params) {
  return params.off_policy_threshold < std::numeric_limits<double>::infinity() ||
         std::visit([](const auto& o) { return std::decay_t<decltype(o)>::kLevel != Level::Token; }, params.objective);
}

void policy_loss(int64_t n, const PolicyLossColumns& in, const PolicyLossParams& params, const PolicyLossResult& out) {
  check_policy_loss(n, in, params);
  if (n == 0) return;
  std::visit([&](const auto& objective) { rows(objective, n, in, params, out); }, params.objective);
}

}  // namespace rft::ops
