// What the kernels of native/ops share: storage types, 16-byte vectors, and sums whose order depends on the row's own
// length only. Values are stored as float or bf16; arithmetic is float throughout.
#pragma once
#include <type_traits>

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

// N values from p on, N being 1 or kLanes<T>.
template <class T, int N>
__device__ __forceinline__ void load(const T* p, float (&out)[N]) {
  if constexpr (N == 1) out[0] = to_float(*p);
  else load_pack(p, out);
}
template <class T, int N>
__device__ __forceinline__ void store(T* p, const float (&in)[N]) {
  if constexpr (N == 1) *p = from_float<T>(in[0]);
  else store_pack(p, in);
}
// p = in, or p += in: how gradients are written (GradTarget's beta).
template <class T, int N>
__device__ __forceinline__ void put(T* p, const float (&in)[N], float beta) {
  float sum[N] = {};
  if (beta != 0.0f) load<T, N>(p, sum);
#pragma unroll
  for (int i = 0; i < N; ++i) sum[i] += in[i];
  store<T, N>(p, sum);
}

// Can these pointers and this width be processed in packs?
template <class... P>
bool packable(int64_t width, size_t element, const P*... p) {
  return width % int64_t(16 / element) == 0 && ((reinterpret_cast<uintptr_t>(p) % 16 == 0) && ...);
}

template <class T>
__device__ __forceinline__ T warp_sum(T x) {
#pragma unroll
  for (int d = 16; d > 0; d /= 2) x += __shfl_xor_sync(kFullWarp, x, d);
  return x;
}
__device__ __forceinline__ float warp_max(float x) {
#pragma unroll
  for (int d = 16; d > 0; d /= 2) x = fmaxf(x, __shfl_xor_sync(kFullWarp, x, d));
  return x;
}

// The sum over a block of Threads threads, given to all of them; `partial` is shared memory for Threads / 32 values,
// free again after the next barrier.
template <int Threads, class T>
__device__ __forceinline__ T block_sum(T x, T* partial) {
  x = warp_sum(x);
  if constexpr (Threads == 32) return x;
  else {
    __syncthreads();
    if (threadIdx.x % kWarp == 0) partial[threadIdx.x / kWarp] = x;
    __syncthreads();
    T sum = 0;
#pragma unroll
    for (int w = 0; w < Threads / 32; ++w) sum += partial[w];
    return sum;
  }
}

// Calls body(std::true_type or std::false_type): packs or single elements.
template <class Body>
void with_packing(bool packed, const Body& body) {
  if (packed) body(std::true_type{});
  else body(std::false_type{});
}

constexpr unsigned kThreads = 256;

// A grid of blocks of kThreads threads, one thread an item.
inline Launch over_items(const char* name, int64_t items, Stream stream) {
  return {name, dim3(unsigned(ceil_div<int64_t>(items, kThreads))), dim3(kThreads), 0, stream};
}
__device__ __forceinline__ int64_t item_index() { return int64_t(blockIdx.x) * blockDim.x + threadIdx.x; }

}  // namespace rft::cuda
