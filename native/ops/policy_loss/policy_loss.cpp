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
// Rows go through blocks of kBlock in two loops, which the compiler vectorises: one has the objective, one the KL term
// and the results, so that there are 10 + 9 loops and not 90. A column that is absent is a block of its neutral value.
// A row's value depends on itself and its completion only.
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

// What an absent column holds.
struct Filled {
  float values[kBlock];
  constexpr explicit Filled(float value) : values() {
    for (float& x : values) x = value;
  }
};
constexpr Filled kOnes{1.0f}, kZeros{0.0f};

// The rows of one block.
struct Rows {
  int64_t count;
  const float *logp, *advantages, *weights, *old_logp, *importance, *selected;
  const float* factor;  // of the base loss

  RFT_HOST_DEVICE bool used(int64_t j) const { return weights[j] != 0.0f; }

  template <class Objective, bool kOld>
  RFT_HOST_DEVICE Token token(int64_t j) const {
    const double raw = kOld ? double(logp[j]) - double(old_logp[j]) : 0.0;
    const double delta = clamp(raw, -kMaxLogRatio, kMaxLogRatio), below = raw < -kMaxLogRatio ? 0.0 : 1.0;
    const double live = raw > kMaxLogRatio ? 0.0 : below;
    const double ratio = kOld && Objective::kLevel == Level::Token ? exp_both(delta).value : 1.0;
    return {double(logp[j]), double(advantages[j]), delta, ratio, live, double(importance[j]), double(selected[j])};
  }
};

// What the loops leave for each other. Of rows that are not used: anything, but 0 in `part` and `through`.
struct Block {
  float selected[kBlock], factor[kBlock];
  double loss[kBlock], slope[kBlock];       // with the row's factor
  double part[kBlock], part_slope[kBlock];  // of the completion's statistic
  double through[kBlock];                   // weight x d loss / d statistic
  int32_t clipped[kBlock];
};

const float* selected_of(const PolicyLossColumns& in, int64_t begin, int64_t count, float* out) {
  if (!in.selected) return kZeros.values;
  for (int64_t j = 0; j < count; ++j) out[j] = in.selected[begin + j] != 0 ? 1.0f : 0.0f;
  return out;
}

// kept: what the off-policy mask says of a negative advantage.
template <class Objective>
const float* factor_of(const PolicyLossColumns& in, int64_t begin, int64_t count, double kept, float* out) {
  const float* importance = kTakesImportance<Objective> || !in.importance ? nullptr : in.importance + begin;
  if (kept == 1.0 && !in.keep) return importance ? importance : kOnes.values;
  for (int64_t j = 0; j < count; ++j) out[j] = in.advantages[begin + j] >= 0.0f ? 1.0f : float(kept);
  if (importance)
    for (int64_t j = 0; j < count; ++j) out[j] *= importance[j];
  if (in.keep)
    for (int64_t j = 0; j < count; ++j) out[j] = in.keep[begin + j] != 0 ? out[j] : 0.0f;
  return out;
}

template <class Objective>
Rows rows_at(const PolicyLossColumns& in, int64_t begin, int64_t count, double kept, Block& block) {
  const float* logp = in.logp + begin;
  return {count,
          logp,
          in.advantages + begin,
          in.weights + begin,
          in.old_logp ? in.old_logp + begin : logp,
          in.importance ? in.importance + begin : kOnes.values,
          selected_of(in, begin, count, block.selected),
          factor_of<Objective>(in, begin, count, kept, block.factor)};
}

template <class Objective, bool kOld>
RFT_HOST_DEVICE void parts_pass(const Objective objective, const Rows rows, Block& block) {
#pragma GCC ivdep
  for (int64_t j = 0; j < rows.count; ++j) {
    const Part part = objective.part(rows.token<Objective, kOld>(j));
    block.part[j] = rows.used(j) ? part.value : 0.0;
    block.part_slope[j] = part.slope;
  }
}

// Shared: of the completion; absent for token losses (int, unused). A dropped token is dropped even where its loss is
// not finite.
template <class Objective, bool kOld, class Shared>
RFT_HOST_DEVICE void base_pass(const Objective objective, const Rows rows, const Shared shared, Block& block) {
#pragma GCC ivdep
  for (int64_t j = 0; j < rows.count; ++j) {
    const Token token = rows.token<Objective, kOld>(j);
    Row row;
    if constexpr (Objective::kLevel == Level::Token) row = objective(token);
    else row = objective(token, shared);
    const double factor = double(rows.factor[j]), weight = double(rows.weights[j]);
    const double loss = factor * row.loss, slope = factor * row.slope, through = weight * (factor * row.through);
    block.loss[j] = factor == 0.0 ? 0.0 : loss;
    block.slope[j] = factor == 0.0 ? 0.0 : slope;
    if constexpr (Objective::kLevel != Level::Token) {
      const double kept = factor == 0.0 ? 0.0 : through;
      block.through[j] = weight == 0.0 ? 0.0 : kept;
    }
    block.clipped[j] = int32_t(weight == 0.0 ? 0.0 : row.clipped);
  }
}

RFT_HOST_DEVICE void narrow(const int32_t* in, int64_t n, uint8_t* __restrict out) {
  for (int64_t j = 0; j < n; ++j) out[j] = uint8_t(in[j]);
}

struct NoKl {};

// The KL term, added to loss and slope, and the results. through: d total / d statistic of the completion, whose
// derivative by a row's log-prob is part_slope.
struct Results {
  const float *ref_logp, *kl_coef;  // kl_coef: nullptr = coef for every row
  double coef;
  float *loss, *dlogp, *kl;
};
template <class Estimator, bool kBiasCorrected, bool kSequence, bool kCoefs>
RFT_HOST_DEVICE void finish_pass(const Rows rows, const Block& block, double through, const Results out) {
#pragma GCC ivdep
  for (int64_t j = 0; j < rows.count; ++j) {
    const bool used = rows.used(j);
    double loss = block.loss[j], slope = block.slope[j], value = 0.0;
    if constexpr (!std::is_same_v<Estimator, NoKl>) {
      KlRow term = kl_row(Estimator{}, double(rows.logp[j]), double(out.ref_logp[j]));
      if constexpr (kBiasCorrected) {
        const Token token = rows.token<Clip, true>(j);
        term = {token.ratio * term.value, token.ratio * (term.slope + token.live * term.value)};
      }
      const double coef = kCoefs ? double(out.kl_coef[j]) : out.coef;
      loss += coef * term.value;
      slope += coef * term.slope;
      value = term.value;
    }
    double gradient = double(rows.weights[j]) * slope;
    if constexpr (kSequence) gradient += through * block.part_slope[j];
    out.loss[j] = used ? float(loss) : 0.0f;
    out.dlogp[j] = used ? float(gradient) : 0.0f;
    out.kl[j] = used ? float(value) : 0.0f;
  }
}

// A sum over a completion: row j goes to partial j mod 8, then a fixed tree, so its order depends on the length only.
struct Sum {
  double partial[8] = {};

  RFT_HOST_DEVICE void add(const double* values, int64_t n) {
    int64_t j = 0;
    for (; j + 8 <= n; j += 8)
      for (int k = 0; k < 8; ++k) partial[k] += values[j + k];
    for (int k = 0; j + k < n; ++k) partial[k] += values[j + k];
  }
  double total() const {
    return ((partial[0] + partial[4]) + (partial[2] + partial[6])) +
           ((partial[1] + partial[5]) + (partial[3] + partial[7]));
  }
};

RFT_HOST_DEVICE int64_t used_rows(const float* weights, int64_t n) {
  int64_t count = 0;
  for (int64_t j = 0; j < n; ++j) count += weights[j] != 0.0f;
  return count;
}

using Finish = void (*)(const Rows&, const Block&, double through, const Results&);

template <class Estimator, bool kBiasCorrected, bool kSequence>
void finish(const Rows& rows, const Block& block, double through, const Results& out) {
  simd::multiversion([&]() RFT_INLINE_LAMBDA {
    if (out.kl_coef) finish_pass<Estimator, kBiasCorrected, kSequence, true>(rows, block, through, out);
    else finish_pass<Estimator, kBiasCorrected, kSequence, false>(rows, block, through, out);
  });
}

template <bool kSequence>
Finish finish_of(const PolicyLossColumns& in, const PolicyLossParams& params) {
  if (!in.ref_logp) return finish<NoKl, false, kSequence>;
  return std::visit(
      [&]<class Estimator>(const Estimator&) -> Finish {
        return params.bias_corrected ? finish<Estimator, true, kSequence> : finish<Estimator, false, kSequence>;
      },
      params.estimator);
}

// One call: an objective over columns.
template <class Objective, bool kOld>
class Pass {
 public:
  static constexpr bool kSequence = Objective::kLevel != Level::Token;

  Pass(const Objective& objective, const PolicyLossColumns& in, const PolicyLossParams& params,
       const PolicyLossResult& out)
      : objective_(objective), in_(in), out_(out), coef_(params.kl_coef), finish_(finish_of<kSequence>(in, params)) {}

  void tokens(int64_t begin, int64_t end, double kept) const {
    Block block;
    for_blocks(begin, end, [&](int64_t first, int64_t n) {
      const Rows rows = rows_at<Objective>(in_, first, n, kept, block);
      base(rows, first, 0, block);
      finish_(rows, block, 0.0, results(first));
    });
  }

  // A completion's rows: its statistic, what the total has to say about it, and then losses and gradients.
  void sequence(int64_t begin, int64_t end, double kept) const {
    Block block;
    Sum statistic, weighted;
    int64_t used = 0;
    for_blocks(begin, end, [&](int64_t first, int64_t n) {
      const Rows rows = rows_at<Objective>(in_, first, n, kept, block);
      simd::multiversion([&]() RFT_INLINE_LAMBDA {
        parts_pass<Objective, kOld>(objective_, rows, block);
        statistic.add(block.part, n);
        used += used_rows(rows.weights, n);
      });
    });
    const double share = Objective::kLevel == Level::SequenceMean && used > 0 ? 1.0 / double(used) : 1.0;
    const auto shared = objective_.summary(statistic.total() * share);
    for_blocks(begin, end, [&](int64_t first, int64_t n) {
      base(rows_at<Objective>(in_, first, n, kept, block), first, shared, block);
      simd::multiversion([&]() RFT_INLINE_LAMBDA { weighted.add(block.through, n); });
    });
    const double through = weighted.total() * share;
    const bool in_place = end - begin <= kBlock;  // the block still holds what was computed first
    for_blocks(begin, end, [&](int64_t first, int64_t n) {
      const Rows rows = rows_at<Objective>(in_, first, n, kept, block);
      if (!in_place) {
        simd::multiversion([&]() RFT_INLINE_LAMBDA { parts_pass<Objective, kOld>(objective_, rows, block); });
        base(rows, first, shared, block);
      }
      finish_(rows, block, through, results(first));
    });
  }

 private:
  template <class Body>
  static void for_blocks(int64_t begin, int64_t end, const Body& body) {
    for (int64_t first = begin; first < end; first += kBlock) body(first, std::min(kBlock, end - first));
  }
  template <class Shared>
  void base(const Rows& rows, int64_t first, const Shared& shared, Block& block) const {
    uint8_t* clipped = out_.clipped + first;
    simd::multiversion([&]() RFT_INLINE_LAMBDA {
      base_pass<Objective, kOld>(objective_, rows, shared, block);
      narrow(block.clipped, rows.count, clipped);
    });
  }
  Results results(int64_t first) const {
    const auto at = [first](const float* column) { return column ? column + first : nullptr; };
    return {at(in_.ref_logp), at(in_.kl_coef), coef_, out_.loss + first, out_.dlogp + first, out_.kl + first};
  }

  const Objective& objective_;
  const PolicyLossColumns& in_;
  const PolicyLossResult& out_;
  double coef_;
  Finish finish_;
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

template <class Objective, bool kOld>
void run(const Objective& objective, int64_t n, const PolicyLossColumns& in, const PolicyLossParams& params,
         const PolicyLossResult& out) {
  const Pass<Objective, kOld> pass(objective, in, params, out);
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

void check_presence(const PolicyLossColumns& in, const PolicyLossParams& params) {
  if (!needs_sequences(params)) return;
  expect(in.sequences != nullptr && in.sequence_count >= 0, "policy_loss sequences",
         "offsets of the completions, which this loss looks at as a whole", "none");
  expect(params.off_policy_threshold == std::numeric_limits<double>::infinity() || in.sampled_logp,
         "policy_loss sampledLogp", "the sampler's log-probs for the off-policy mask", "none");
}

void check_policy_loss(int64_t n, const PolicyLossColumns& in, const PolicyLossParams& params) {
  if (n == 0) return;
  check_presence(in, params);
  if (in.sequences != nullptr) check_sequences("policy_loss sequences", in.sequences, in.sequence_count, n);
}

void policy_loss(int64_t n, const PolicyLossColumns& in, const PolicyLossParams& params, const PolicyLossResult& out) {
  check_policy_loss(n, in, params);
  if (n == 0) return;
  std::visit(
      [&]<class Objective>(const Objective& objective) {
    if (in.old_logp) run<Objective, true>(objective, n, in, params, out);
    else run<Objective, false>(objective, n, in, params, out);
      },
      params.objective);
}

}  // namespace rft::ops
