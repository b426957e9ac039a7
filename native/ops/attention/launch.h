// Attention on the device: raw device pointers, no CUDA headers. Storage T is float or bf16; sums are fp32 in both.
// Semantics: ops.h (Segment) and attention.cpp; bits: online_softmax.cuh.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "ops/attention/device_plan.h"
#include "simt/handles.h"

namespace rft::cuda {

struct AttentionSizes {
  int64_t query_rows, key_rows;   // of q; of k and v
  int heads, kv_heads, head_dim;  // head_dim: a multiple of 8 up to 128
  float scale;                    // positive

  bool operator==(const AttentionSizes&) const = default;
};

// q, out (query_rows, heads * head_dim); k, v (key_rows, kv_heads * head_dim); lse (heads, query_rows), natural log.
// Rows of q in no segment, and rows that see no key, give 0 and -inf. `plan` is DevicePlan::view of a plan on the
// device.
template <class T>
void attention_forward(const AttentionSizes& sizes, const PlanView& plan, const T* q, const T* k, const T* v, T* out,
                       float* lse, simt::Stream stream);

// The same on sm_90a, faster; for head sizes and plans that has_ accepts.
bool has_attention_forward_sm90(const AttentionSizes& sizes, const PlanView& plan);
void attention_forward_sm90(const AttentionSizes& sizes, const PlanView& plan, const simt::bf16* q, const simt::bf16* k,
                            const simt::bf16* v, simt::bf16* out, float* lse, simt::Stream stream);

// `delta` is workspace of heads * query_rows floats. Each of dq, dk, dv is written whole (rows that take no part: 0)
// unless it is nullptr. Sums have a fixed order: the same input gives the same bits.
template <class T>
struct BackwardCall {
  const T *q, *k, *v, *out, *dout;
  const float* lse;
  float* delta;
  T *dq, *dk, *dv;
};
template <class T>
void attention_backward(const AttentionSizes& sizes, const PlanView& plan, const BackwardCall<T>& call,
                        simt::Stream stream);

// ---- decode: one new query per sequence
// ------------------------------------------------------------------------------ Cached keys and values are (kv_heads,
// capacity, head_dim): rows of a head lie together. A prompt fills its capacity.
template <class T>
struct CachedSequence {
  const T *prompt_k, *prompt_v;
  T *own_k, *own_v;
  int32_t prompt_len, own_len, own_capacity;  // own_len counts the new row
};
// k, v (len, kv_heads * head_dim) into rows [0, len) of a cache.
template <class T>
struct FillCache {
  const T *k, *v;
  T *cached_k, *cached_v;
  int64_t len, capacity;
};
template <class T>
void fill_kv_cache(const AttentionSizes& sizes, const FillCache<T>& call, simt::Stream stream);
// k, v (sequences, kv_heads * head_dim): row s becomes row own_len - 1 of sequence s.
template <class T>
void append_kv_cache(const AttentionSizes& sizes, const CachedSequence<T>* sequences, const T* k, const T* v,
                     simt::Stream stream);

// Neighbouring sequences with one prompt.
struct DecodeGroup {
  int32_t sequences, prompt_len;
};
// Packed rows [first_row, first_row + kTileRows) of `sequences` sequences: of their common prompt's whole chunks, or
// (one sequence) of all later ones.
struct DecodeTile {
  int32_t first_sequence, sequences, first_row, of_prompt;
};
std::vector<DecodeTile> decode_tiles(const std::vector<DecodeGroup>& groups, int group);

// Of the largest call: most_keys is at least prompt_len + own_len of every sequence.
constexpr int64_t decode_workspace_floats(const AttentionSizes& sizes, int64_t most_keys) {
  const int64_t chunks = (most_keys + kChunkKeys - 1) / kChunkKeys;
  return sizes.query_rows * sizes.heads * chunks * (sizes.head_dim + 2);
}

// Everything but the counts is in device memory, so a captured graph serves later steps: only own_len and the caches
// change. `tiles` stay valid while groups do.
template <class T>
struct DecodeCall {
  const T* q;  // (sequences, heads * head_dim), as out
  T* out;
  const CachedSequence<T>* sequences;
  const DecodeTile* tiles;
  int64_t tile_count, most_keys;
  float* workspace;
};
// sizes.query_rows: sequences; sizes.key_rows is not read. A sequence without keys gives 0.
template <class T>
void attention_decode(const AttentionSizes& sizes, const DecodeCall<T>& call, simt::Stream stream);

}  // namespace rft::cuda
