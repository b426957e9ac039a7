// What the kernels of native/ops share: storage types, 16-byte vectors, and sums whose order depends on the row's own
// length only. Values are stored as float or bf16; arithmetic is float throughout.
#pragma once
#include "simt/simt.h"

namespace rft::cuda {

using simt::bf16;
using simt::launch;
using simt::Launch;
using simt::Stream;

constexpr unsigned kWarp = 32, kFullWarp = ~0u;

template <class Int>
constexpr Int ceil_div(Int n, Int d) {
  return (n + d - 1) / d;
}

__device__ __forceinline__ float to_float(float x) { return x; }
__device__ __forceinline__ float to_float(bf16 x) { return __bfloat162float(x); }
template <class T>
__device__ __forceinline__ T from_float(float x) {
  if constexpr (sizeof(T) == 2) return __float2bfloat16_rn(x);
  else return x;
}

// 16 bytes of T as floats. A row is processed in vectors when its width is a multiple of kLanes<T> and its address is
// 16-byte aligned, else element by element; the order of sums is the same for both (see row_sum).
template <class T>
constexpr int kLanes = 16 / int(sizeof(T));

template <class T>
struct alignas(16) Pack {
  T v[kLanes<T>];
};

template <class T>
__device__ __forceinline__ void load_pack(const T* p, float (&out)[kLanes<T>]) {
  const Pack<T> pack = *reinterpret_cast<const Pack<T>*>(p);
#pragma unroll
  for (int i = 0; i < kLanes<T>; ++i) out[i] = to_float(pack.v[i]);
}

template <class T>
__device__ __forceinline__ void store_pack(T* p, const float (&in)[kLanes<T>]) {
  Pack<T> pack;
#pragma unroll
  for (int i = 0; i < kLanes<T>; ++i) pack.v[i] = from_float<T>(in[i]);
  *reinterpret_cast<Pack<T>*>(p) = pack;
}

// Can these pointers and this width be processed in packs?
template <class... P>
bool packable(int64_t width, size_t element, const P*... p) {
  return width % int64_t(16 / element) == 0 && ((reinterpret_cast<uintptr_t>(p) % 16 == 0) && ...);
}

__device__ __forceinline__ float warp_sum(float x) {
#pragma unroll
  for (int d = 16; d > 0; d /= 2) x += __shfl_xor_sync(kFullWarp, x, d);
  return x;
}
__device__ __forceinline__ float warp_max(float x) {
#pragma unroll
  for (int d = 16; d > 0; d /= 2) x = fmaxf(x, __shfl_xor_sync(kFullWarp, x, d));
  return x;
}

// The sum over a block of Threads threads, given to all of them; `partial` is shared memory for Threads / 32 floats,
// free again after the next barrier.
template <int Threads>
__device__ __forceinline__ float block_sum(float x, float* partial) {
  x = warp_sum(x);
  if constexpr (Threads == 32) return x;
  __syncthreads();
  if (threadIdx.x % kWarp == 0) partial[threadIdx.x / kWarp] = x;
  __syncthreads();
  float sum = 0.0f;
#pragma unroll
  for (int w = 0; w < Threads / 32; ++w) sum += partial[w];
  return sum;
}

}  // namespace rft::cuda
