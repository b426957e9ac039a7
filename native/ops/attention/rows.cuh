// Where the rows of a tile lie in global memory.
#pragma once
#include "ops/attention/tile.cuh"

namespace rft::cuda::attention {

using ops::Segment;

// Sizes of an attention call: q (query_rows, heads * head_dim), k and v (.., kv_heads * head_dim).
struct HeadSizes {
  int heads, kv_heads, head_dim, query_rows;

  __device__ __forceinline__ int group() const { return heads / kv_heads; }
};

// How many logical keys query i of the segment sees.
__device__ __forceinline__ int visible_keys(const Segment& s, int i) {
  return s.kv0_len + (s.causal ? max(0, min(s.kv1_len - s.q_len + i + 1, s.kv1_len)) : s.kv1_len);
}

// Packed rows [first, first + count) of queries [q_begin, ..) for one kv head: row r is query r / group. `most`: the
// rows of a tile.
struct PackedRows {
  HeadSizes sizes;
  int q_begin, first, count, kv_head;

  __device__ __forceinline__ PackedRows(const HeadSizes& s, int q_begin_, int q_len, int first_, int most, int kv_head_)
      : sizes(s), q_begin(q_begin_), first(first_), count(min(most, q_len * s.group() - first_)), kv_head(kv_head_) {}

  __device__ __forceinline__ bool empty() const { return count <= 0; }
  // Of row r of the tile: its query in the segment, its query in q, its head.
  __device__ __forceinline__ int local_query(int r) const { return (first + r) / sizes.group(); }
  __device__ __forceinline__ int query(int r) const { return q_begin + local_query(r); }
  __device__ __forceinline__ int head(int r) const { return kv_head * sizes.group() + (first + r) % sizes.group(); }

  // Its elements in q, out and their gradients; its place in lse and delta (heads, query_rows).
  __device__ __forceinline__ size_t element(int r) const {
    return (size_t(query(r)) * size_t(sizes.heads) + size_t(head(r))) * size_t(sizes.head_dim);
  }
  __device__ __forceinline__ size_t statistic(int r) const {
    return size_t(head(r)) * size_t(sizes.query_rows) + size_t(query(r));
  }
  template <class T>
  __device__ __forceinline__ T* row(T* x, int r) const {
    return r < count ? x + element(r) : nullptr;
  }
};

// The two regions of a segment's keys, for one kv head.
template <class T>
struct KeyRows {
  const T *k0, *v0, *k1, *v1;
  int len0;
  size_t stride;  // elements between rows

  __device__ __forceinline__ const T* key(int j) const {
    return j < len0 ? k0 + size_t(j) * stride : k1 + size_t(j - len0) * stride;
  }
  __device__ __forceinline__ const T* value(int j) const {
    return j < len0 ? v0 + size_t(j) * stride : v1 + size_t(j - len0) * stride;
  }
};

template <class T>
__device__ __forceinline__ KeyRows<T> key_rows(const Segment& s, const T* k, const T* v, const HeadSizes& sizes,
                                               int kv_head) {
  const size_t stride = size_t(sizes.kv_heads) * size_t(sizes.head_dim);
  const size_t region0 = size_t(s.kv0_begin) * stride + size_t(kv_head) * size_t(sizes.head_dim);
  const size_t region1 = size_t(s.kv1_begin) * stride + size_t(kv_head) * size_t(sizes.head_dim);
  return {k + region0, v + region0, k + region1, v + region1, s.kv0_len, stride};
}

}  // namespace rft::cuda::attention
