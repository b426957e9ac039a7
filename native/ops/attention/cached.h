// Attention of one new query row per sequence over cached keys and values: the decode step. No gradients. A row's bits
// equal those of ops::attention on the whole sequence.
//
// The cache holds what the matrix products read, so that a step rearranges nothing: per kv head the keys as panels of
// K^T, then the values as rows.
//
//   keys (kv_heads, keys_size(capacity, D))    values (kv_heads, capacity, D)
#pragma once
#include <cstdint>
#include <vector>

#include "tensor/ctx.h"

namespace rft::ops {

// Keys and values of up to `capacity` rows.
struct KvCache {
  float* keys = nullptr;
  float* values = nullptr;
  int64_t capacity = 0;
};

// Floats that the keys of one kv head take.
int64_t keys_size(int64_t capacity, int64_t head_dim);
// Floats that a cache takes.
int64_t kv_cache_size(int64_t capacity, int kv_heads, int head_dim);
// Lays a cache out over that many floats.
KvCache kv_cache_at(float* memory, int64_t capacity, int kv_heads, int head_dim);
// k, v (len, kv_heads * head_dim), row-major: a whole prompt that fills a cache of capacity len.
void fill_kv_cache(const KvCache& cache, const float* k, const float* v, int kv_heads, int head_dim);
// k, v (kv_heads * head_dim): row `position` of the cache.
void write_kv_cache(const KvCache& cache, int64_t position, const float* k, const float* v, int kv_heads, int head_dim);

// What one sequence sees: its prompt, then its own rows (the new one included).
struct CachedRow {
  KvCache prompt;  // full
  KvCache own;
  int64_t own_len = 0;
};

// q, out: (B, heads * head_dim), one row per entry of `rows`. Neighbours with the same prompt share its work.
// A sequence without any key gives 0. Runs on the thread pool.
void cached_attention(const float* q, float* out, const std::vector<CachedRow>& rows, int heads, int kv_heads,
                      int head_dim, float scale);

}  // namespace rft::ops
