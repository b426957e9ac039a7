// A block updates one chunk of one tensor, found in the table by bisection. The arithmetic is the CPU's (simd::adamw,
// moments.cpp), operation by operation. Bytes an element with a bf16 weight, its float copy and a float gradient: 30
// with float moments, 18 with 8-bit ones.
#pragma once
#include "ops/adamw/launch.h"
#include "ops/adamw/rounding.h"
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

__device__ __forceinline__ bf16 stochastic_bf16(float x, uint64_t noise, int64_t element) {
  const uint32_t high = ops::round_stochastic(__float_as_uint(x), ops::noise16(noise, uint64_t(element)));
  return __float2bfloat16_rn(__uint_as_float(high << 16));
}

__device__ __forceinline__ uint64_t noise_of(const AdamW& a, const AdamWEntry& e, uint64_t which) {
  return ops::noise_stream(a.seed, uint64_t(a.step), 3 * uint64_t(e.id) + which);
}

// One element: its moments and its parameter.
template <class T, class G>
__device__ __forceinline__ void update_element(const AdamW& a, const AdamWEntry& e, int64_t i, float& m, float& v) {
  T* p = static_cast<T*>(e.p);
  const float g = to_float(static_cast<const G*>(e.g)[i]) * a.grad_scale;
  m = fmaf(a.beta1, m, (1.0f - a.beta1) * g);
  v = fmaf(a.beta2, v, (1.0f - a.beta2) * (g * g));
  const float update = (-(a.lr * e.lr_factor) * a.c1 * m) / (sqrtf(v * a.c2) + a.eps);
  const float old = e.master != nullptr ? e.master[i] : to_float(p[i]);
  const float x = old + fmaf(old, -e.decay, update);  // 1 - decay would round to 1 for a decay below 3e-8
  if (e.master != nullptr) e.master[i] = x;
  if constexpr (sizeof(T) == 2) {
    const bool dither = a.stochastic && e.master == nullptr;
    p[i] = dither ? stochastic_bf16(x, noise_of(a, e, 0), i) : from_float<T>(x);
  } else {
    p[i] = x;
  }
}

template <class S>
__device__ __forceinline__ S stored(float x, uint64_t noise, int64_t element) {
  if constexpr (sizeof(S) == 2) return stochastic_bf16(x, noise, element);
  else return x;
}

// Moments of type S, float or bf16.
template <class T, class G, class S>
__global__ void __launch_bounds__(256) adamw_kernel(AdamW a) {
  const AdamWEntry e = *entry_of(a.table, a.tensors, blockIdx.x);
  const int64_t begin = (int64_t(blockIdx.x) - e.first_chunk) * kAdamWChunk;
  const int64_t end = min(begin + kAdamWChunk, e.n);
  S *ms = static_cast<S*>(e.m), *vs = static_cast<S*>(e.v);
  for (int64_t i = begin + threadIdx.x; i < end; i += 256) {
    float m = to_float(ms[i]), v = to_float(vs[i]);
    update_element<T, G>(a, e, i, m, v);
    ms[i] = stored<S>(m, noise_of(a, e, 1), i);
    vs[i] = stored<S>(v, noise_of(a, e, 2), i);
  }
}

// The code nearest to x, of -1 .. 1.
__device__ __forceinline__ int nearest_code(const ops::DynamicMap& map, float x) {
  int code = 0;
#pragma unroll
  for (int step = 128; step > 0; step /= 2) code += x >= map.upper[code + step - 1] ? step : 0;
  return code;
}

// 8-bit moments: a warp updates one block of them, 4 pairs of neighbours a lane.
template <class T, class G>
__global__ void __launch_bounds__(256) adamw_8bit_kernel(AdamW a) {
  constexpr int kEach = int(ops::kStateBlock) / int(kWarp), kTable = int(sizeof(ops::DynamicMaps) / sizeof(float));
  SIMT_SHARED(float, table, [kTable]);
  for (int i = int(threadIdx.x); i < kTable; i += 256) table[i] = reinterpret_cast<const float*>(a.maps)[i];
  __syncthreads();
  const ops::DynamicMaps& maps = *reinterpret_cast<const ops::DynamicMaps*>(table);
  const AdamWEntry e = *entry_of(a.table, a.tensors, blockIdx.x);
  const int64_t begin = (int64_t(blockIdx.x) - e.first_chunk) * kAdamWChunk;
  const int64_t end = min(begin + kAdamWChunk, e.n);
  uint8_t *ms = static_cast<uint8_t*>(e.m), *vs = static_cast<uint8_t*>(e.v);
  const int lane = int(threadIdx.x % kWarp);
  const auto element_of = [lane](int j) { return j / 2 * 2 * int(kWarp) + 2 * lane + j % 2; };
  for (int64_t first = begin + int64_t(threadIdx.x / kWarp) * ops::kStateBlock; first < end;
       first += 8 * ops::kStateBlock) {
    const int64_t block = first / ops::kStateBlock;
    const float m_scale = e.m_scales[block], v_scale = e.v_scales[block];
    float m[kEach], v[kEach], m_most = 0.0f, v_most = 0.0f;
#pragma unroll
    for (int j = 0; j < kEach; ++j) {
      const int64_t i = first + element_of(j);
      m[j] = v[j] = 0.0f;
      if (i >= end) continue;
      m[j] = maps.first.value[ms[i]] * m_scale;
      v[j] = maps.second.value[vs[i]] * v_scale;
      update_element<T, G>(a, e, i, m[j], v[j]);
      m_most = fmaxf(m_most, fabsf(m[j]));
      v_most = fmaxf(v_most, v[j]);
    }
    m_most = warp_max(m_most);
    v_most = warp_max(v_most);
    const float m_unit = m_most > 0.0f ? m_most : 1.0f, v_unit = v_most > 0.0f ? v_most : 1.0f;
#pragma unroll
    for (int j = 0; j < kEach; ++j) {
      const int64_t i = first + element_of(j);
      if (i >= end) continue;
      const int code = nearest_code(maps.second, v[j] / v_unit);
      ms[i] = uint8_t(nearest_code(maps.first, m[j] / m_unit));
      vs[i] = uint8_t(code == 0 && v[j] > 0.0f ? 1 : code);
    }
    __syncwarp();  // every lane has read the scales
    if (lane == 0) {
      e.m_scales[block] = m_most;
      e.v_scales[block] = v_most;
    }
  }
}

}  // namespace rft::cuda
