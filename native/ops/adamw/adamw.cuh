// A block updates one chunk of one tensor, found in the table by bisection. The arithmetic is the CPU's (simd::adamw),
// operation by operation. 28 bytes an element with a master copy.
#pragma once
#include "ops/adamw/launch.h"
#include "ops/kernel.cuh"

namespace rft::cuda {

// The table's last entry that starts at or before this chunk.
__device__ __forceinline__ const AdamWEntry* entry_of(const AdamWEntry* table, int tensors, int64_t chunk) {
  int low = 0, high = tensors - 1;
  while (low < high) {
    const int middle = (low + high + 1) / 2;
    if (table[middle].first_chunk <= chunk) low = middle;
    else high = middle - 1;
  }
  return table + low;
}

// 16 random bits of a place: two rounds of a 64-bit mixer.
__device__ __forceinline__ uint32_t noise16(uint64_t seed, uint64_t step, uint64_t tensor, uint64_t element) {
  uint64_t z = seed ^ (step * 0x9E3779B97F4A7C15ull) ^ (tensor << 40) ^ element;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return uint32_t((z ^ (z >> 31)) >> 48);
}

// Up with the probability of the part that is cut off. Infinities and NaN stay.
__device__ __forceinline__ bf16 round_stochastic(float x, uint32_t noise) {
  const uint32_t bits = __float_as_uint(x);
  if ((bits & 0x7f800000u) == 0x7f800000u) return __float2bfloat16_rn(x);
  return __float2bfloat16_rn(__uint_as_float((bits + noise) & 0xffff0000u));
}

template <class T>
__global__ void __launch_bounds__(256) adamw_kernel(AdamW a) {
  const AdamWEntry e = *entry_of(a.table, a.tensors, blockIdx.x);
  const int64_t begin = (int64_t(blockIdx.x) - e.first_chunk) * kAdamWChunk;
  const int64_t end = min(begin + kAdamWChunk, e.n);
  T* p = static_cast<T*>(e.p);
  for (int64_t i = begin + threadIdx.x; i < end; i += 256) {
    const float g = e.g[i] * a.grad_scale;
    const float m = fmaf(a.beta1, e.m[i], (1.0f - a.beta1) * g);
    const float v = fmaf(a.beta2, e.v[i], (1.0f - a.beta2) * (g * g));
    const float update = (-(a.lr * e.lr_factor) * a.c1 * m) / (sqrtf(v * a.c2) + a.eps);
    const float old = e.master != nullptr ? e.master[i] : to_float(p[i]);
    const float x = old + fmaf(old, -e.decay, update);  // 1 - decay would round to 1 for a decay below 3e-8
    e.m[i] = m;
    e.v[i] = v;
    if (e.master != nullptr) e.master[i] = x;
    if constexpr (sizeof(T) == 2) {
      const bool dither = a.stochastic && e.master == nullptr;
      p[i] = dither ? round_stochastic(x, noise16(a.seed, uint64_t(a.step), e.id, uint64_t(i))) : from_float<T>(x);
    } else {
      p[i] = x;
    }
  }
}

}  // namespace rft::cuda
