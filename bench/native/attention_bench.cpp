// Attention forward and forward + backward, causal, one sequence of 1024; and one decode step over cached keys.
// Prints one JSON line per measurement. Peer: bench/peers/attention.py.
#include "ops/attention/cached.h"
#include "ops/ops.h"
#include "timing.h"

using namespace rft;
using bench::noise;

namespace {

// Packs of `groups` prompts with `completions` completions each; groups 1, completions 0: one plain sequence.
struct Pack {
  int32_t groups, prompt, completions, length;

  std::vector<ops::Segment> segments() const {
    std::vector<ops::Segment> list;
    for (int32_t g = 0; g < groups; ++g) {
      const int32_t begin = g * (prompt + completions * length);
      list.push_back({begin, prompt, 0, 0, begin, prompt, 1});
      for (int32_t i = 0; i < completions; ++i) {
        const int32_t own = begin + prompt + i * length;
        list.push_back({own, length, begin, prompt, own, length, 1});
      }
    }
    return list;
  }
  int64_t tokens() const { return int64_t(groups) * (prompt + completions * length); }
  // Pairs of a query and a key it sees.
  double pairs() const {
    const double p = prompt, r = length;
    return groups * (p * (p + 1) / 2 + completions * (p * r + r * (r + 1) / 2));
  }
};

void training(int heads, int kv_heads, int D, const std::string& name, const Pack& pack) {
  Ctx ctx = bench::make_ctx();
  const int64_t T = pack.tokens();
  const int64_t width = int64_t(heads) * D, kv_width = int64_t(kv_heads) * D;
  const Tensor q = noise(ctx, {T, width}), k = noise(ctx, {T, kv_width}), v = noise(ctx, {T, kv_width});
  const Tensor dout = noise(ctx, {T, width});
  const std::vector<ops::Segment> segments = pack.segments();
  const float scale = 1.0f / std::sqrt(float(D));
  const double product = 2 * pack.pairs() * D * heads;
  const std::string shape = concat(name, " heads ", heads, "/", kv_heads, " D ", D);
  bench::row("attention forward", shape, 2 * product,
             [&] { ops::attention(ctx, q, k, v, segments, heads, kv_heads, scale); });
  for (const Tensor& t : {q, k, v}) t.set_requires_grad(true);
  bench::row("attention forward+backward", shape, 7 * product, [&] {
    Tape tape;
    ctx.tape = &tape;
    ops::attention(ctx, q, k, v, segments, heads, kv_heads, scale).set_grad(dout);
    tape.backward(ctx);
    for (const Tensor& t : {q, k, v}) t.set_grad({});
    ctx.tape = nullptr;
  });
}

void decode(int64_t B, int heads, int kv_heads, int D, int64_t prompt, int64_t own) {
  Ctx ctx = bench::make_ctx();
  const int64_t width = int64_t(heads) * D, kv_width = int64_t(kv_heads) * D;
  const Tensor q = noise(ctx, {B, width}), k = noise(ctx, {prompt + own, kv_width}),
               v = noise(ctx, {prompt + own, kv_width});
  const Tensor out = ctx.empty({B, width}), shared = ctx.empty({ops::kv_cache_size(prompt, kv_heads, D)});
  const Tensor slots = ctx.empty({B, ops::kv_cache_size(own, kv_heads, D)});
  const ops::KvCache prompt_cache = ops::kv_cache_at(shared.f32(), prompt, kv_heads, D);
  ops::fill_kv_cache(prompt_cache, k.f32(), v.f32(), kv_heads, D);
  std::vector<ops::CachedRow> rows;
  for (int64_t b = 0; b < B; ++b) {
    rows.push_back({prompt_cache, ops::kv_cache_at(slots.row(b), own, kv_heads, D), own});
    ops::fill_kv_cache(rows.back().own, k.row(prompt), v.row(prompt), kv_heads, D);
  }
  bench::row("attention decode",
             concat("B ", B, " heads ", heads, "/", kv_heads, " D ", D, " prompt ", prompt, " own ", own),
             4.0 * double(B * (prompt + own) * width),
             [&] { ops::cached_attention(q.f32(), out.f32(), rows, heads, kv_heads, D, 1.0f / std::sqrt(float(D))); });
}

}  // namespace

// With an argument: only lines whose kernel and shape contain it.
int main(int argc, char** argv) {
  bench::filter = argc > 1 ? argv[1] : "";
  training(8, 8, 64, "T 1024", {1, 1024, 0, 0});
  training(8, 8, 128, "T 1024", {1, 1024, 0, 0});
  training(14, 2, 64, "T 1024", {1, 1024, 0, 0});
  training(1, 1, 64, "T 1024", {1, 1024, 0, 0});
  training(4, 2, 32, "16 x (prompt 64, 8 x 14)", {16, 64, 8, 14});
  training(14, 2, 64, "prompt 512, 8 x 64", {1, 512, 8, 64});
  decode(1, 4, 2, 32, 64, 10);
  decode(1, 14, 2, 64, 1000, 100);
  decode(64, 4, 2, 32, 64, 10);
  decode(64, 14, 2, 64, 300, 50);
  decode(128, 8, 2, 64, 1000, 50);
  return 0;
}
