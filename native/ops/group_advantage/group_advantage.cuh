// One warp a group, in double, in two passes about the group's first value, so that a group of equal rewards has
// advantage exactly 0. The order of the sums is that of the members; rows without a value are passed over.
#pragma once
#include "ops/group_advantage/launch.h"
#include "ops/kernel.cuh"

namespace rft::cuda {

// The values of members [begin, end), those that are not NaN.
struct WarpMoments {
  double count, first, shift, std;  // the mean is first + shift
};

// value(i): of member i; NaN = none.
template <class Value>
__device__ __forceinline__ WarpMoments warp_moments(int begin, int end, int ddof, const Value& value) {
  const int lane = int(threadIdx.x % kWarp);
  double count = 0.0, first = 0.0;
  for (int block = begin; block < end; block += 32) {
    const double x = block + lane < end ? value(block + lane) : double(NAN);
    const unsigned valued = __ballot_sync(kFullWarp, x == x);
    if (count == 0.0 && valued != 0) first = __shfl_sync(kFullWarp, x, __ffs(int(valued)) - 1);
    count += double(__popc(valued));
  }
  if (count == 0.0) return {0.0, 0.0, 0.0, 0.0};
  double shift = 0.0, squares = 0.0;
  for (int i = begin + lane; i < end; i += 32) {
    const double x = value(i);
    if (x == x) shift += x - first;
  }
  shift = warp_sum(shift) / count;
  for (int i = begin + lane; i < end; i += 32) {
    const double x = value(i);
    if (x == x) squares += (x - first - shift) * (x - first - shift);
  }
  squares = warp_sum(squares);
  return {count, first, shift, count > double(ddof) ? sqrt(squares / (count - double(ddof))) : 0.0};
}

static __global__ void __launch_bounds__(32)
    batch_moments_kernel(int64_t rows, const float* rewards, int ddof, BatchMoments* batch) {
  const WarpMoments m = warp_moments(0, int(rows), ddof, [&](int i) { return double(rewards[i]); });
  double rewarded = 0.0;
  for (int64_t i = threadIdx.x; i < rows; i += 32) rewarded += rewards[i] == rewards[i] && rewards[i] != 0.0f;
  rewarded = warp_sum(rewarded);
  if (threadIdx.x == 0) *batch = {m.first + m.shift, m.std, m.count / (rewarded > 1.0 ? rewarded : 1.0)};
}

// The largest value and the first member that has it, over the warp.
struct Best {
  double value;
  int at;
};
__device__ __forceinline__ Best warp_best(Best own) {
#pragma unroll
  for (int d = 16; d > 0; d /= 2) {
    const Best other{__shfl_xor_sync(kFullWarp, own.value, d), __shfl_xor_sync(kFullWarp, own.at, d)};
    if (other.value > own.value || (other.value == own.value && other.at < own.at)) own = other;
  }
  return own;
}

// Of the members, without one of them.
template <class Value>
__device__ __forceinline__ Best best_of(int begin, int end, int without, const Value& value) {
  Best own{-double(INFINITY), end};
  for (int i = begin + int(threadIdx.x % kWarp); i < end; i += 32)
    if (i != without && value(i) > own.value) own = {value(i), i};
  return warp_best(own);
}

template <class Rule>
__global__ void __launch_bounds__(kThreads) group_advantage_kernel(GroupAdvantage a, Rule rule, int ddof) {
  const int64_t group = item_index() / kWarp;
  const int lane = int(threadIdx.x % kWarp);
  if (group >= a.groups) return;
  const int begin = a.begins[group], end = a.begins[group + 1];
  const auto value = [&](int i) { return double(a.in.rewards[a.members[i]]); };
  const WarpMoments m = warp_moments(begin, end, ddof, value);
  const double mean = m.first + m.shift;
  ops::GroupStats stats{m.count, mean, m.std, mean, 0.0, 0.0, a.batch->std, a.batch->alpha};
  if (a.in.lengths != nullptr) {
    double tokens = 0.0, above = 0.0;
    for (int i = begin + lane; i < end; i += 32) {
      if (value(i) != value(i)) continue;
      const double length = double(a.in.lengths[a.members[i]]);
      tokens += length;
      above += length * (value(i) - m.first);
    }
    tokens = warp_sum(tokens);
    above = warp_sum(above);
    if (tokens > 0.0) stats.length_mean = m.first + above / tokens;
  }
  const Best best = best_of(begin, end, end, value);
  stats.best = best.value;
  stats.second = best_of(begin, end, best.at, value).value;
  for (int i = begin + lane; i < end; i += 32) {
    const int32_t row = a.members[i];
    const double baseline = a.in.baselines != nullptr ? double(a.in.baselines[row]) : 0.0;
    const bool valued = value(i) == value(i) && baseline == baseline;
    a.advantages[row] = valued ? float(rule(ops::RowValue{value(i), baseline, i == best.at}, stats)) : 0.0f;
  }
}

// sums (rows): weighted over the rewards, NaN where a row has none.
static __global__ void __launch_bounds__(kThreads)
    gdpo_sum_kernel(int64_t rows, int64_t K, const float* rewards, const float* weights, const float* parts,
                    float* sums) {
  const int64_t i = item_index();
  if (i >= rows) return;
  double sum = 0.0;
  bool valued = false;
  for (int64_t k = 0; k < K; ++k) {
    if (rewards[k * rows + i] != rewards[k * rows + i]) continue;
    valued = true;
    sum += double(weights[k]) * double(parts[k * rows + i]);
  }
  sums[i] = valued ? float(sum) : NAN;
}

// (x - mean) / (std + eps) in place; NaN becomes 0.
static __global__ void __launch_bounds__(kThreads)
    standardize_kernel(int64_t rows, const BatchMoments* batch, double eps, float* x) {
  const int64_t i = item_index();
  if (i >= rows) return;
  const double above = x[i] == x[i] ? double(x[i]) - batch->mean : 0.0;
  x[i] = above == 0.0 ? 0.0f : float(above / (batch->std + eps));
}

}  // namespace rft::cuda
