#include "ops/attention/cached.h"

#include <algorithm>

#include "base/parallel_for.h"
#include "ops/attention/softmax_row.h"
#include "ops/lanes.h"
#include "simd/gemm.h"

namespace rft::ops {
namespace {

using simd::Trans;

constexpr int64_t kPackedTile = 32;     // sequences of a task whose prompt is packed
constexpr int64_t kUnpackedTile = 128;  // a task packs the prompt on the way, so it should be shared by many

int64_t keys_size(int64_t len, int64_t D) { return round_up(simd::packed_size(len, D), 16); }
int64_t values_size(int64_t len, int64_t D) { return round_up(simd::packed_size(D, len), 16); }

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
  void prompt_scores(const Task& task, int64_t m, const float* scaled, float* scores, int64_t stride) const;
  void prompt_values(const Task& task, int64_t m, const float* scores, int64_t stride, float* mixed) const;
};

std::vector<Task> Decode::tasks() const {
  std::vector<Task> list;
  const int64_t count = int64_t(rows.size());
  for (int64_t first = 0; first < count;) {
    const CachedRow& head = rows[size_t(first)];
    const int64_t most = head.packed ? kPackedTile : kUnpackedTile;
    int64_t last = first + 1;
    while (last < count && last - first < most && rows[size_t(last)].prompt_k == head.prompt_k &&
           rows[size_t(last)].packed == head.packed && rows[size_t(last)].prompt_len == head.prompt_len)
      ++last;
    for (int h = 0; h < kv_heads; ++h) list.push_back({first, last, h});
    first = last;
  }
  return list;
}

void Decode::prompt_scores(const Task& task, int64_t m, const float* scaled, float* scores, int64_t stride) const {
  const CachedRow& r = rows[size_t(task.first)];
  if (r.prompt_len == 0) return;
  if (r.packed) {
    const float* keys = r.packed->panels.row(task.kv_head);
    return simd::gemm_packed_serial(Trans::No, m, r.prompt_len, D, scaled, D, keys, 0.0f, scores, stride);
  }
  simd::gemm_serial(Trans::No, Trans::Yes, m, r.prompt_len, D, scaled, D, r.prompt_k + task.kv_head * D, kv_heads * D,
                    0.0f, scores, stride);
}

void Decode::prompt_values(const Task& task, int64_t m, const float* scores, int64_t stride, float* mixed) const {
  const CachedRow& r = rows[size_t(task.first)];
  if (r.packed && r.prompt_len) {
    const float* values = r.packed->panels.row(task.kv_head) + keys_size(r.prompt_len, D);
    return simd::gemm_packed_serial(Trans::No, m, D, r.prompt_len, scores, stride, values, 0.0f, mixed, D);
  }
  const float* values = r.prompt_len ? r.prompt_v + task.kv_head * D : nullptr;
  simd::gemm_serial(Trans::No, Trans::No, m, D, r.prompt_len, scores, stride, values, kv_heads * D, 0.0f, mixed, D);
}

void Decode::run(const Task& task) const {
  const int64_t group = heads / kv_heads, m = (task.last - task.first) * group, width = kv_heads * D;
  const int64_t prompt = rows[size_t(task.first)].prompt_len;
  int64_t own = 0;
  for (int64_t s = task.first; s < task.last; ++s) own = std::max(own, rows[size_t(s)].own_len);
  const int64_t stride = round_up(prompt + own, 16);
  thread_local std::vector<float> memory;
  if (int64_t(memory.size()) < m * (stride + 2 * D)) memory.resize(size_t(m * (stride + 2 * D)));
  float* scores = memory.data();
  float* scaled = scores + m * stride;
  float* mixed = scaled + m * D;

  auto element = [&](int64_t s) { return (s * heads + task.kv_head * group) * D; };
  for (int64_t s = task.first; s < task.last; ++s)
    simd::scale(scale, q + element(s), scaled + (s - task.first) * group * D, group * D);
  prompt_scores(task, m, scaled, scores, stride);
  for (int64_t s = task.first; s < task.last; ++s) {
    const CachedRow& r = rows[size_t(s)];
    const int64_t at = (s - task.first) * group;
    if (r.own_len)
      simd::gemm_serial(Trans::No, Trans::Yes, group, r.own_len, D, scaled + at * D, D, r.own_k + task.kv_head * D,
                        width, 0.0f, scores + at * stride + prompt, stride);
  }
  std::vector<float> inverse(static_cast<size_t>(m));
  for (int64_t i = 0; i < m; ++i) {
    const int64_t n = prompt + rows[size_t(task.first + i / group)].own_len;
    inverse[size_t(i)] = attention_detail::softmax_row(scores + i * stride, n, n).inverse;
  }
  prompt_values(task, m, scores, stride, mixed);
  for (int64_t s = task.first; s < task.last; ++s) {
    const CachedRow& r = rows[size_t(s)];
    const int64_t at = (s - task.first) * group;
    if (r.own_len)
      simd::gemm_serial(Trans::No, Trans::No, group, D, r.own_len, scores + at * stride + prompt, stride,
                        r.own_v + task.kv_head * D, width, 1.0f, mixed + at * D, D);
    for (int64_t g = 0; g < group; ++g)
      simd::scale(inverse[size_t(at + g)], mixed + (at + g) * D, out + element(s) + g * D, D);
  }
}

}  // namespace

PackedPrompt pack_prompt(Ctx& ctx, const float* k, const float* v, int64_t len, int kv_heads, int head_dim) {
  const int64_t D = head_dim, width = kv_heads * D;
  PackedPrompt packed{ctx.empty({kv_heads, keys_size(len, D) + values_size(len, D)}), len};
  if (ctx.meta() || len == 0) return packed;
  parallel_for(kv_heads, [&](int64_t h) {
    float* panels = packed.panels.row(h);
    simd::pack_b_serial(Trans::Yes, len, D, k + h * D, width, panels);
    simd::pack_b_serial(Trans::No, D, len, v + h * D, width, panels + keys_size(len, D));
  });
  return packed;
}

void cached_attention(const float* q, float* out, const std::vector<CachedRow>& rows, int heads, int kv_heads,
                      int head_dim, float scale) {
  expect(heads > 0 && kv_heads > 0 && heads % kv_heads == 0, "cached_attention heads",
         "a positive multiple of kv heads", concat(heads, " heads, ", kv_heads, " kv heads"));
  for (const CachedRow& r : rows)
    expect(!r.packed || r.packed->len == r.prompt_len, "cached_attention packed prompt",
           concat("length ", r.prompt_len), r.packed ? r.packed->len : 0);
  const Decode decode{q, out, rows, heads, kv_heads, head_dim, scale};
  const std::vector<Task> tasks = decode.tasks();
  parallel_for(int64_t(tasks.size()), [&](int64_t i) { decode.run(tasks[size_t(i)]); });
}

}  // namespace rft::ops
