#include "ops/attention/cached.h"

#include <algorithm>
#include <cstring>

#include "base/parallel_for.h"
#include "ops/attention/softmax_row.h"
#include "ops/lanes.h"
#include "simd/gemm.h"

namespace rft::ops {
namespace {

using simd::Trans;

constexpr int64_t kTile = 32;  // sequences of a task, which share a prompt

// Sequences [first, last) with one prompt, for one kv head.
struct Task {
  int64_t first, last;
  int kv_head;
};

struct Decode {
  const float* q;
  float* out;
  const std::vector<CachedRow>& rows;
  int64_t heads, kv_heads, D;
  float scale;

  std::vector<Task> tasks() const;
  void run(const Task& task) const;

 private:
  int64_t group() const { return heads / kv_heads; }
  // Where the heads of a task's kv head begin in sequence s of q and out; (group, D) contiguous.
  int64_t element(const Task& task, int64_t s) const { return (s * heads + task.kv_head * group()) * D; }
  // (m, n) scores += (m, D) queries times the first n keys.
  void scores(const Task& task, int64_t m, const float* queries, const KvCache& cache, int64_t n, float* out,
              int64_t stride) const {
    const float* keys = cache.keys + task.kv_head * keys_size(cache.capacity, D);
    simd::gemm_packed_serial(Trans::No, m, n, D, queries, D, keys, 0.0f, out, stride);
  }
  // (m, D) mixed = beta mixed + (m, n) weights times the first n values.
  void mix(const Task& task, int64_t m, const float* weights, int64_t stride, const KvCache& cache, int64_t n,
           float beta, float* mixed) const {
    const float* values = cache.values + task.kv_head * cache.capacity * D;
    simd::gemm_serial(Trans::No, Trans::No, m, D, n, weights, stride, values, D, beta, mixed, D);
  }
};

std::vector<Task> Decode::tasks() const {
  std::vector<Task> list;
  const int64_t count = int64_t(rows.size());
  for (int64_t first = 0; first < count;) {
    const KvCache& prompt = rows[size_t(first)].prompt;
    int64_t last = first + 1;
    while (last < count && last - first < kTile && rows[size_t(last)].prompt.keys == prompt.keys &&
           rows[size_t(last)].prompt.capacity == prompt.capacity)
      ++last;
    for (int h = 0; h < kv_heads; ++h) list.push_back({first, last, h});
    first = last;
  }
  return list;
}

void Decode::run(const Task& task) const {
  const int64_t group = this->group(), m = (task.last - task.first) * group;
  const KvCache& prompt = rows[size_t(task.first)].prompt;
  const int64_t P = prompt.capacity;
  int64_t own = 0;
  for (int64_t s = task.first; s < task.last; ++s) own = std::max(own, rows[size_t(s)].own_len);
  const int64_t stride = round_up(P + own, 16);
  thread_local std::vector<float> memory;
  if (int64_t(memory.size()) < m * (stride + 2 * D + 1)) memory.resize(size_t(m * (stride + 2 * D + 1)));
  float* weights = memory.data();        // (m, stride): scores, then e^(score - max)
  float* scaled = weights + m * stride;  // (m, D): scale * q
  float* mixed = scaled + m * D;         // (m, D)
  float* inverse = mixed + m * D;        // (m)

  for (int64_t s = task.first; s < task.last; ++s)
    simd::scale(scale, q + element(task, s), scaled + (s - task.first) * group * D, group * D);
  scores(task, m, scaled, prompt, P, weights, stride);
  for (int64_t s = task.first; s < task.last; ++s) {
    const CachedRow& r = rows[size_t(s)];
    const int64_t at = (s - task.first) * group;
    scores(task, group, scaled + at * D, r.own, r.own_len, weights + at * stride + P, stride);
  }
  for (int64_t i = 0; i < m; ++i) {
    const int64_t n = P + rows[size_t(task.first + i / group)].own_len;
    inverse[i] = attention_detail::softmax_row(weights + i * stride, n, n).inverse;
  }
  mix(task, m, weights, stride, prompt, P, 0.0f, mixed);
  for (int64_t s = task.first; s < task.last; ++s) {
    const CachedRow& r = rows[size_t(s)];
    const int64_t at = (s - task.first) * group;
    mix(task, group, weights + at * stride + P, stride, r.own, r.own_len, 1.0f, mixed + at * D);
    for (int64_t i = at; i < at + group; ++i)
      simd::scale(inverse[i], mixed + i * D, out + element(task, s) + (i - at) * D, D);
  }
}

}  // namespace

int64_t keys_size(int64_t capacity, int64_t head_dim) { return round_up(simd::packed_size(capacity, head_dim), 16); }

int64_t kv_cache_size(int64_t capacity, int kv_heads, int head_dim) {
  return kv_heads * (keys_size(capacity, head_dim) + capacity * head_dim);
}

KvCache kv_cache_at(float* memory, int64_t capacity, int kv_heads, int head_dim) {
  return {memory, memory + kv_heads * keys_size(capacity, head_dim), capacity};
}

void fill_kv_cache(const KvCache& cache, const float* k, const float* v, int kv_heads, int head_dim) {
  const int64_t D = head_dim, width = kv_heads * D, len = cache.capacity;
  if (len == 0) return;
  parallel_for(kv_heads, [&](int64_t h) {
    simd::pack_b_serial(Trans::Yes, len, D, k + h * D, width, cache.keys + h * keys_size(len, D));
    float* values = cache.values + h * len * D;
    for (int64_t i = 0; i < len; ++i) std::memcpy(values + i * D, v + i * width + h * D, size_t(D) * sizeof(float));
  });
}

void write_kv_cache(const KvCache& cache, int64_t position, const float* k, const float* v, int kv_heads,
                    int head_dim) {
  const int64_t D = head_dim;
  for (int64_t h = 0; h < kv_heads; ++h) {
    simd::pack_b_column(position, D, k + h * D, cache.keys + h * keys_size(cache.capacity, D));
    std::memcpy(cache.values + (h * cache.capacity + position) * D, v + h * D, size_t(D) * sizeof(float));
  }
}

void cached_attention(const float* q, float* out, const std::vector<CachedRow>& rows, int heads, int kv_heads,
                      int head_dim, float scale) {
  if (heads <= 0 || kv_heads <= 0 || heads % kv_heads != 0)
    fail("cached_attention heads", "a positive multiple of kv heads", concat(heads, " heads, ", kv_heads, " kv heads"));
  for (const CachedRow& r : rows)
    if (r.own_len < 0 || r.own_len > r.own.capacity)
      fail("cached_attention own rows", concat("at most ", r.own.capacity, ", the cache's capacity"), r.own_len);
  const Decode decode{q, out, rows, heads, kv_heads, head_dim, scale};
  const std::vector<Task> tasks = decode.tasks();
  parallel_for(int64_t(tasks.size()), [&](int64_t i) { decode.run(tasks[size_t(i)]); });
}

}  // namespace rft::ops
