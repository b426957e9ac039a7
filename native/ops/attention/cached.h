// Attention of one new query row per sequence over cached keys and values: the decode step. No gradients. A row's bits
// equal those of ops::attention on the whole sequence.
#pragma once
#include <cstdint>
#include <vector>

#include "tensor/ctx.h"

namespace rft::ops {

// A prompt's keys and values arranged for the matrix products, once after prefill, for all decode steps that share it.
struct PackedPrompt {
  Tensor panels;  // per kv head: K^T, then V
  int64_t len = 0;
};
// k, v: (len, kv_heads * head_dim), row-major. On META only accounts for memory.
PackedPrompt pack_prompt(Ctx& ctx, const float* k, const float* v, int64_t len, int kv_heads, int head_dim);

// What one sequence sees: its prompt, then its own rows (the new one included). All are (len, kv_heads * head_dim),
// row-major. With `packed`, prompt_k and prompt_v are only compared, not read.
struct CachedRow {
  const float* prompt_k;
  const float* prompt_v;
  int64_t prompt_len;
  const float* own_k;
  const float* own_v;
  int64_t own_len;
  const PackedPrompt* packed = nullptr;
};

// q, out: (B, heads * head_dim), one row per entry of `rows`. Neighbours with the same prompt share its work.
// A sequence without any key gives 0. Runs on the thread pool.
void cached_attention(const float* q, float* out, const std::vector<CachedRow>& rows, int heads, int kv_heads,
                      int head_dim, float scale);

}  // namespace rft::ops
