// Samples without sorting, a block a row; the rules are those of sample.h.
//
// Probabilities are counted in units of 2^-40 of the highest one, as integers: sums are exact in any order, so shared
// atomics keep the result a function of the row alone, and a token below 2^-41 of the highest is never drawn. The last
// weight that top-k or top-p keeps is found by four passes over the row, one for each byte of a float, from the top.
// Among equal weights at top-p's edge the lower tokens stay.
#pragma once
#include "ops/kernel.cuh"
#include "ops/sample/launch.h"

namespace rft::cuda {

constexpr int kSampleThreads = 512;
using Mass = unsigned long long;

__device__ __forceinline__ Mass mass_of(float weight) { return Mass(double(weight) * 0x1p40 + 0.5); }

// Sum, or exclusive sum over threads, of one number each; `shared` (kSampleThreads).
__device__ __forceinline__ Mass sum_before(Mass own, Mass* shared, Mass* total) {
  const unsigned t = threadIdx.x;
  __syncthreads();
  shared[t] = own;
  for (unsigned d = 1; d < kSampleThreads; d *= 2) {
    __syncthreads();
    const Mass below = t >= d ? shared[t - d] : 0;
    __syncthreads();
    shared[t] += below;
  }
  __syncthreads();
  *total = shared[kSampleThreads - 1];
  return shared[t] - own;
}

__device__ __forceinline__ float block_max(float x, float* shared) {
  x = warp_max(x);
  __syncthreads();
  if (threadIdx.x % kWarp == 0) shared[threadIdx.x / kWarp] = x;
  __syncthreads();
  float most = shared[0];
  for (int w = 1; w < kSampleThreads / 32; ++w) most = fmaxf(most, shared[w]);
  return most;
}

struct Descent {
  uint32_t bits;  // of the weight found
  Mass before;    // what the heavier ones count
};

// The heaviest weight at which the count (or mass) of all weights from the top reaches `target`, among those whose bits
// are at least `least`. Something reaches it.
template <bool ByMass>
__device__ Descent descend(const float* weights, int64_t V, uint32_t least, double target, Mass* histogram,
                           Descent* found) {
  if (threadIdx.x == 0) *found = {0, 0};
  for (int shift = 24; shift >= 0; shift -= 8) {
    __syncthreads();
    const Descent so_far = *found;
    for (int i = int(threadIdx.x); i < 256; i += kSampleThreads) histogram[i] = 0;
    __syncthreads();
    for (int64_t i = threadIdx.x; i < V; i += kSampleThreads) {
      const uint32_t bits = __float_as_uint(weights[i]);
      const Mass mass = mass_of(weights[i]);
      if (mass == 0 || bits < least || uint64_t(bits) >> (shift + 8) != uint64_t(so_far.bits) >> (shift + 8)) continue;
      atomicAdd(histogram + (bits >> shift & 255), ByMass ? mass : Mass(1));
    }
    __syncthreads();
    if (threadIdx.x == 0) {
      Mass before = so_far.before;
      int digit = 255, lowest = 0;
      for (int i = 255; i >= 0; --i)
        if (histogram[i] != 0) lowest = i;
      while (digit > lowest && double(before + histogram[digit]) < target) before += histogram[digit--];
      *found = {so_far.bits | uint32_t(digit) << shift, before};
    }
  }
  __syncthreads();
  return *found;
}

// The tokens that may be drawn: those heavier than `edge`, and the first `ties` of those that weigh just that.
struct Kept {
  uint32_t edge;
  Mass ties;
  float least;  // min_p

  __device__ bool heavier(float w) const { return __float_as_uint(w) > edge && w >= least && mass_of(w) != 0; }
  __device__ bool tied(float w) const { return __float_as_uint(w) == edge && w >= least && mass_of(w) != 0; }
};

__device__ __forceinline__ Kept truncate(const SampleRows& a, const float* weights, Mass total, Mass* histogram,
                                         Descent* found) {
  Kept kept{0, ~Mass(0), a.min_p};
  Mass mass = total;
  if (a.top_k > 0 && a.top_k < a.V) {
    kept.edge = descend<false>(weights, a.V, 0, double(a.top_k), histogram, found).bits;
    Mass own = 0;
    for (int64_t i = threadIdx.x; i < a.V; i += kSampleThreads)
      if (__float_as_uint(weights[i]) >= kept.edge) own += mass_of(weights[i]);
    sum_before(own, histogram, &mass);
  }
  if (a.top_p >= 1.0f) return kept;
  const double target = double(a.top_p) * double(mass);
  const Descent edge = descend<true>(weights, a.V, kept.edge, target, histogram, found);
  const double each = double(mass_of(__uint_as_float(edge.bits))), missing = target - double(edge.before);
  kept.edge = edge.bits;
  kept.ties = Mass(fmax(1.0, ceil(missing / each)));
  return kept;
}

// Each thread owns a stretch of the vocabulary; the one in whose stretch the running mass passes u walks it.
__device__ __forceinline__ void draw(const SampleRows& a, const float* weights, const Kept& kept, double u,
                                     Mass* shared, int32_t* token) {
  const int64_t stretch = ceil_div<int64_t>(a.V, kSampleThreads);
  const int64_t begin = min(int64_t(threadIdx.x) * stretch, a.V), end = min(begin + stretch, a.V);
  Mass ties = 0, heavier = 0, total;
  for (int64_t i = begin; i < end; ++i) {
    ties += kept.tied(weights[i]);
    heavier += kept.heavier(weights[i]) ? mass_of(weights[i]) : 0;
  }
  const Mass first_tie = sum_before(ties, shared, &total);
  const Mass own_ties = first_tie >= kept.ties ? 0 : min(ties, kept.ties - first_tie);
  const Mass own = heavier + own_ties * mass_of(__uint_as_float(kept.edge));
  Mass running = sum_before(own, shared, &total);
  const double target = u * double(total);
  if (own == 0 || !(double(running) <= target && target < double(running + own))) return;
  Mass tie = first_tie;
  for (int64_t i = begin; i < end; ++i) {
    const bool tied = kept.tied(weights[i]);
    if (!kept.heavier(weights[i]) && !(tied && tie < kept.ties)) continue;
    tie += tied;
    running += mass_of(weights[i]);
    *token = int32_t(i);
    if (double(running) > target) return;
  }
}

static __global__ void __launch_bounds__(kSampleThreads, 1) sample_kernel(SampleRows a) {
  SIMT_SHARED(Mass, shared, [kSampleThreads]);
  SIMT_SHARED(float, partial, [kSampleThreads / 32]);
  SIMT_SHARED(Descent, found, [1]);
  const int64_t row = blockIdx.x;
  const float* logits = a.logits + row * a.ldz;
  float* weights = a.weights + row * a.V;
  const float factor = a.greedy ? 1.0f : 1.0f / a.temperature, never = -INFINITY;
  float most = never;
  for (int64_t i = threadIdx.x; i < a.V; i += kSampleThreads) {
    const float z = a.forbidden != nullptr && a.forbidden[i] != 0 ? never : logits[i] * factor;
    weights[i] = z == z ? z : never;
    most = fmaxf(most, weights[i]);
  }
  most = block_max(most, partial);
  if (threadIdx.x == 0) a.tokens[row] = -1;
  if (most == never) return;
  if (a.greedy) {  // the first of the highest
    float first = never;
    for (int64_t i = threadIdx.x; i < a.V && first == never; i += kSampleThreads)
      if (weights[i] == most) first = -float(i);
    first = block_max(first, partial);
    if (threadIdx.x == 0) a.tokens[row] = int32_t(-first);
    return;
  }
  Mass own = 0, total;
  for (int64_t i = threadIdx.x; i < a.V; i += kSampleThreads) {
    const float z = weights[i];
    weights[i] = most == INFINITY ? (z == most ? 1.0f : 0.0f) : expf(z - most);
    own += mass_of(weights[i]);
  }
  sum_before(own, shared, &total);
  const Kept kept = truncate(a, weights, total, shared, found);
  draw(a, weights, kept, a.u[row], shared, a.tokens + row);
}

}  // namespace rft::cuda
