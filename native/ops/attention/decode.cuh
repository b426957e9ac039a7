// Attention of one new query per sequence over cached keys: a block per chunk of kChunkKeys logical keys, then a merge.
//
//   sequences a b c with one prompt:   chunks that lie in the prompt alone: one block for the rows of a, b and c
//                                      later chunks (the prompt's end, own keys): one block for each sequence
// Chunks do not depend on the batch, so neither do the bits; online_softmax.cuh says why they are those of training.
#pragma once
#include "ops/attention/attend.cuh"
#include "ops/attention/launch.h"

namespace rft::cuda::attention {

template <class T>
struct DecodeParams {
  const T* q;  // (sequences, heads * head_dim)
  T* out;
  const CachedSequence<T>* sequences;
  const DecodeTile* tiles;
  float* partial;  // (sequences, heads, most_chunks, head_dim + 2): o, m, l of a chunk
  int most_chunks;
  HeadSizes sizes;  // query_rows: sequences
  float scale;

  __device__ __forceinline__ float* partial_of(int sequence, int head, int chunk) const {
    return partial + ((size_t(sequence) * size_t(sizes.heads) + size_t(head)) * size_t(most_chunks) + size_t(chunk)) *
                         size_t(sizes.head_dim + 2);
  }
};

template <class T, int D, int Warps>
__global__ void __launch_bounds__(32 * Warps, sizeof(T) == 2 ? 2 : 1) attention_decode_kernel(const DecodeParams<T> p) {
  SIMT_DYN_SHARED(smem);
  const AttendMemory<T, D, Warps> memory{smem};
  const DecodeTile tile = p.tiles[int(blockIdx.z) / kParts<Warps>];
  const int kv_head = int(blockIdx.y), chunk = int(blockIdx.x), first_key = chunk * kChunkKeys;
  const CachedSequence<T> first = p.sequences[tile.first_sequence];
  const bool in_prompt = first_key + kChunkKeys <= first.prompt_len;
  const int end_key =
      in_prompt ? first_key + kChunkKeys : min(first_key + kChunkKeys, first.prompt_len + first.own_len);
  if (in_prompt != (tile.of_prompt != 0) || first_key >= end_key) return;

  const int first_row = tile.first_row + int(blockIdx.z) % kParts<Warps> * (Warps * kWarpRows);
  const PackedRows rows(p.sizes, tile.first_sequence, tile.sequences, first_row, Warps * kWarpRows, kv_head);
  if (rows.empty()) return;
  const size_t head_dim = size_t(p.sizes.head_dim);
  const size_t prompt = size_t(kv_head) * size_t(first.prompt_len) * head_dim;
  const size_t own = size_t(kv_head) * size_t(first.own_capacity) * head_dim;
  const KeyRows<T> keys{first.prompt_k + prompt, first.prompt_v + prompt, first.own_k + own,
                        first.own_v + own,       first.prompt_len,        head_dim};
  Sums<D> sums;
  attend<false>(memory, p.q, rows, keys, {first_key, end_key, end_key, {end_key, end_key}}, p.scale * kLog2e, sums);

  const float keep[2] = {1.0f, 1.0f};
  float* to[2];
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    const int r = warp_id() * kWarpRows + lane_id() / 4 + 8 * h;
    to[h] = r < rows.count ? p.partial_of(rows.query(r), rows.head(r), chunk) : nullptr;
    if (to[h] != nullptr && lane_id() % 4 == 0) store_pair(to[h] + p.sizes.head_dim, sums.m[h], sums.l[h]);
  }
  store_rows(to, sums.o, keep, p.sizes.head_dim);
}

// A warp per sequence and head; a lane owns pairs of columns.
template <class T>
__global__ void __launch_bounds__(kBlockThreads) attention_merge_kernel(const DecodeParams<T> p) {
  const int sequence = int(blockIdx.x), head = int(blockIdx.y) * kWarps + warp_id();
  if (head >= p.sizes.heads) return;
  const CachedSequence<T> s = p.sequences[sequence];
  const int chunks = (s.prompt_len + s.own_len + kChunkKeys - 1) / kChunkKeys, D = p.sizes.head_dim;
  const float c = p.scale * kLog2e;
  T* out = p.out + (size_t(sequence) * size_t(p.sizes.heads) + size_t(head)) * size_t(D);
  for (int d = lane_id() * 2; d < D; d += 64) {
    float m = -INFINITY, l = 0.0f, a = 0.0f, b = 0.0f;
    for (int chunk = 0; chunk < chunks; ++chunk) {
      const float* from = p.partial_of(sequence, head, chunk);
      const Merge merge(m, from[D], c);
      m = merge.m;
      l = merge(l, from[D + 1]);
      a = merge(a, from[d]);
      b = merge(b, from[d + 1]);
    }
    const float inverse = inverse_sum(l);
    store_pair(out + d, a * inverse, b * inverse);
  }
}

}  // namespace rft::cuda::attention
