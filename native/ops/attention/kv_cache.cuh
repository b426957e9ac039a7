// Rows of k and v (rows, kv_heads * head_dim) into caches (kv_heads, capacity, head_dim), 16 bytes a thread.
#pragma once
#include "ops/attention/launch.h"
#include "ops/attention/rows.cuh"

namespace rft::cuda::attention {

// Vector i of a row: kv head and column are those of the element it begins with.
template <class T>
__device__ __forceinline__ void copy_to_cache(const HeadSizes& sizes, const T* k, const T* v, size_t source_row,
                                              T* cached_k, T* cached_v, size_t row, size_t capacity, int vector) {
  const int element = vector * kLanes<T>, head = element / sizes.head_dim, d = element % sizes.head_dim;
  const size_t from = source_row * size_t(sizes.kv_heads) * size_t(sizes.head_dim) + size_t(element);
  const size_t to = (size_t(head) * capacity + row) * size_t(sizes.head_dim) + size_t(d);
  *reinterpret_cast<uint4*>(cached_k + to) = *reinterpret_cast<const uint4*>(k + from);
  *reinterpret_cast<uint4*>(cached_v + to) = *reinterpret_cast<const uint4*>(v + from);
}

template <class T>
__global__ void __launch_bounds__(kBlockThreads) fill_kv_cache_kernel(const FillCache<T> p, const HeadSizes sizes) {
  const int vectors = sizes.kv_heads * sizes.head_dim / kLanes<T>;
  const int64_t item = int64_t(blockIdx.x) * kBlockThreads + threadIdx.x;
  if (item >= p.len * vectors) return;
  const size_t row = size_t(item / vectors);
  copy_to_cache(sizes, p.k, p.v, row, p.cached_k, p.cached_v, row, size_t(p.capacity), int(item % vectors));
}

template <class T>
__global__ void __launch_bounds__(kBlockThreads)
    append_kv_cache_kernel(const CachedSequence<T>* sequences, const T* k, const T* v, const HeadSizes sizes) {
  const CachedSequence<T> s = sequences[blockIdx.x];
  for (int i = int(threadIdx.x); i < sizes.kv_heads * sizes.head_dim / kLanes<T>; i += kBlockThreads)
    copy_to_cache(sizes, k, v, size_t(blockIdx.x), s.own_k, s.own_v, size_t(s.own_len - 1), size_t(s.own_capacity), i);
}

}  // namespace rft::cuda::attention
