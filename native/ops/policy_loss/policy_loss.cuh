// One thread a row, or, where completions matter as a whole, one block a completion: thread t takes its rows t, t +
// 256,
// .., and a fixed tree adds the threads, so that the order of a sum depends on the completion's own length only. In
// double, as on the CPU. An objective and a KL estimator are template arguments: no kernel asks which one it runs.
//
// The KL term is a launch of its own, before the objective's: 4 + 10 kernels rather than 40.
#pragma once
#include "ops/kernel.cuh"
#include "ops/policy_loss/launch.h"

namespace rft::cuda {

struct LogRatio {
  double delta, live;  // clamped; 0 where the clamp acts
};

__device__ __forceinline__ LogRatio log_ratio(double x) {
  return {ops::clamp(x, -ops::kMaxLogRatio, ops::kMaxLogRatio),
          (x > ops::kMaxLogRatio) | (x < -ops::kMaxLogRatio) ? 0.0 : 1.0};
}

// Of the policy against the one that sampled.
__device__ __forceinline__ LogRatio own_log_ratio(const ops::PolicyLossColumns& in, int64_t i) {
  if (in.old_logp == nullptr) return {0.0, 1.0};
  return log_ratio(double(in.logp[i]) - double(in.old_logp[i]));
}

// kl (n), and what it adds to loss and slope: kl_terms (n, 2).
template <class Estimator>
__global__ void __launch_bounds__(kThreads) kl_kernel(PolicyLoss a, double kl_coef, bool bias_corrected) {
  const int64_t i = item_index();
  if (i >= a.n) return;
  const LogRatio reference = log_ratio(double(a.in.ref_logp[i]) - double(a.in.logp[i]));
  const ops::KlRow row = Estimator{}(reference.delta);
  double value = row.value, slope = reference.live != 0.0 ? row.slope : 0.0;
  if (bias_corrected) {
    const LogRatio own = own_log_ratio(a.in, i);
    const double ratio = ops::exp_both(own.delta).value;
    slope = ratio * (slope + own.live * value);
    value *= ratio;
  }
  const double coef = a.in.kl_coef != nullptr ? double(a.in.kl_coef[i]) : kl_coef;
  a.kl[i] = a.in.weights[i] != 0.0f ? float(value) : 0.0f;
  a.kl_terms[2 * i] = coef * value;
  a.kl_terms[2 * i + 1] = coef * slope;
}

struct LossRow {
  ops::Token token;
  double weight, factor;
};

// `kept`: what the off-policy mask says of a negative advantage.
template <class Objective>
__device__ __forceinline__ LossRow load_row(const ops::PolicyLossColumns& in, int64_t i, double kept) {
  const LogRatio own = own_log_ratio(in, i);
  const double advantage = in.advantages[i], importance = in.importance != nullptr ? double(in.importance[i]) : 1.0;
  const bool has_ratio = Objective::kLevel == ops::Level::Token && in.old_logp != nullptr;
  const double ratio = has_ratio ? ops::exp_both(own.delta).value : 1.0;
  const double selected = in.selected != nullptr && in.selected[i] != 0 ? 1.0 : 0.0;
  double factor = in.keep != nullptr && in.keep[i] == 0 ? 0.0 : advantage >= 0.0 ? 1.0 : kept;
  if constexpr (!ops::kTakesImportance<Objective>) factor *= importance;
  return {
      {double(in.logp[i]), advantage, own.delta, ratio, own.live, importance, selected}, double(in.weights[i]), factor};
}

// With its factor. A dropped token is dropped even where its loss is not finite.
__device__ __forceinline__ ops::Row scaled(const ops::Row& row, double factor) {
  if (factor == 0.0) return {0.0, 0.0, 0.0, row.clipped};
  return {factor * row.loss, factor * row.slope, factor * row.through, row.clipped};
}

// `through`: what the statistic of the completion adds to d total / d logp.
__device__ __forceinline__ void write_row(const PolicyLoss& a, int64_t i, double weight, const ops::Row& row,
                                          double through) {
  const bool used = weight != 0.0, has_kl = a.in.ref_logp != nullptr;
  const double loss = has_kl ? row.loss + a.kl_terms[2 * i] : row.loss;
  const double slope = has_kl ? row.slope + a.kl_terms[2 * i + 1] : row.slope;
  a.loss[i] = used ? float(loss) : 0.0f;
  a.dlogp[i] = used ? float(weight * slope + through) : 0.0f;
  if (!has_kl) a.kl[i] = 0.0f;
  a.clipped[i] = used ? int32_t(row.clipped) : 0;
}

constexpr double kNoThreshold = std::numeric_limits<double>::infinity();

// 1 when a completion of negative advantage keeps its loss, else 0. A token without a sampler's log-prob says nothing.
__device__ __forceinline__ double block_keeps(const PolicyLoss& a, double threshold, int64_t begin, int64_t end,
                                              double* partial) {
  double sum = 0.0, count = 0.0;
  for (int64_t i = begin + threadIdx.x; i < end; i += kThreads) {
    if (a.in.weights[i] == 0.0f) continue;
    const double above = double(a.in.sampled_logp[i]) - double(a.in.logp[i]);
    sum += above == above ? above : 0.0;
    count += 1.0;
  }
  sum = block_sum<int(kThreads)>(sum, partial);
  count = block_sum<int(kThreads)>(count, partial);
  return sum <= threshold * count ? 1.0 : 0.0;
}

// A loss of tokens. With a threshold of the off-policy mask a block has one completion, else 256 rows.
template <class Objective>
__global__ void __launch_bounds__(kThreads) token_loss_kernel(Objective objective, PolicyLoss a, double threshold) {
  SIMT_SHARED(double, partial, [kThreads / kWarp]);
  int64_t begin = int64_t(blockIdx.x) * kThreads, end = min(begin + int64_t(kThreads), a.n);
  double kept = 1.0;
  if (threshold < kNoThreshold) {
    begin = a.in.sequences[blockIdx.x], end = a.in.sequences[blockIdx.x + 1];
    kept = block_keeps(a, threshold, begin, end, partial);
  }
  for (int64_t i = begin + threadIdx.x; i < end; i += kThreads) {
    const LossRow in = load_row<Objective>(a.in, i, kept);
    write_row(a, i, in.weight, scaled(objective(in.token), in.factor), 0.0);
  }
}

// A loss of whole completions: the statistic, what the total has to say about it, then losses and gradients.
template <class Objective>
__global__ void __launch_bounds__(kThreads) sequence_loss_kernel(Objective objective, PolicyLoss a, double threshold) {
  SIMT_SHARED(double, partial, [kThreads / kWarp]);
  const int64_t begin = a.in.sequences[blockIdx.x], end = a.in.sequences[blockIdx.x + 1];
  const double kept = threshold < kNoThreshold ? block_keeps(a, threshold, begin, end, partial) : 1.0;
  double statistic = 0.0, count = 0.0, through = 0.0;
  for (int64_t i = begin + threadIdx.x; i < end; i += kThreads) {
    const LossRow in = load_row<Objective>(a.in, i, kept);
    if (in.weight == 0.0) continue;
    statistic += objective.part(in.token).value;
    count += 1.0;
  }
  statistic = block_sum<int(kThreads)>(statistic, partial);
  count = block_sum<int(kThreads)>(count, partial);
  const double share = Objective::kLevel == ops::Level::SequenceMean && count > 0.0 ? 1.0 / count : 1.0;
  const auto shared = objective.summary(statistic * share);
  for (int64_t i = begin + threadIdx.x; i < end; i += kThreads) {
    const LossRow in = load_row<Objective>(a.in, i, kept);
    if (in.weight != 0.0) through += in.weight * scaled(objective(in.token, shared), in.factor).through;
  }
  through = block_sum<int(kThreads)>(through, partial) * share;
  for (int64_t i = begin + threadIdx.x; i < end; i += kThreads) {
    const LossRow in = load_row<Objective>(a.in, i, kept);
    const ops::Row row = scaled(objective(in.token, shared), in.factor);
    write_row(a, i, in.weight, row, through * objective.part(in.token).slope);
  }
}

}  // namespace rft::cuda
