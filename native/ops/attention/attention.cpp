// Attention over segments, with a shared prompt and grouped heads.
//
// Query row t of head h sees n logical keys: region 0, then (causal: the first ones of) region 1. With kv = h K / H:
//   s_j = sum_d (scale q_d) k_jd     m = max_j s_j     p_j = e^(s_j - m)     l = sum_j p_j
//   o_d = (sum_j p_j v_jd) / l       lse = m + ln l
// q (T, H*D), k and v (Tk, K*D) -> out (T, H*D). A row that sees no key gives o = 0, lse = -inf.
//
// All scores of a row are kept while it is worked on, so nothing is rescaled on the way: s_j and o_d are chains over d
// and j in order, l has the fixed order of simd::exp_sum over the row's own n keys. The bits therefore depend on the
// row's keys alone: not on tiles, threads, other rows, nor on whether the prompt is shared (region 0) or its own part
// of region 1, nor on whether the keys come from a cache (cached.h).
//
// Kept for backward: q, k, v, out and lse (H, T); no scores.
#include <memory>

#include "ops/attention/passes.h"
#include "ops/ops.h"

namespace rft::ops {
namespace {

void check_shapes(const Tensor& q, const Tensor& k, const Tensor& v, int heads, int kv_heads) {
  if (heads <= 0 || kv_heads <= 0 || heads % kv_heads != 0)
    fail("attention heads", "a positive multiple of kv heads", concat(heads, " heads, ", kv_heads, " kv heads"));
  if (q.shape().size() != 2 || q.dim(1) == 0 || q.dim(1) % heads != 0)
    fail("attention q", concat("shape (T, ", heads, "*D)"), to_string(q.shape()));
  const int64_t width = q.dim(1) / heads * kv_heads;
  if (k.shape().size() != 2 || k.dim(1) != width)
    fail("attention k", concat("shape (T, ", width, ")"), to_string(k.shape()));
  if (v.shape() != k.shape()) fail("attention v", to_string(k.shape()), to_string(v.shape()));
}

}  // namespace

Tensor attention(Ctx& ctx, const Tensor& q, const Tensor& k, const Tensor& v, const std::vector<Segment>& segments,
                 int heads, int kv_heads, float scale) {
  check_shapes(q, k, v, heads, kv_heads);
  auto plan = std::make_shared<const attention_detail::Plan>(
      attention_detail::make_plan(q.dim(0), k.dim(0), segments, heads, kv_heads, int(q.dim(1) / heads), scale));
  const Tensor out = ctx.empty(q.shape());
  const Tensor lse = ctx.empty({heads, q.dim(0)});
  attention_detail::forward(ctx, *plan, q, k, v, out, lse);
  if (!ctx.records(q, k, v)) return out;

  ctx.tape->record({out}, [=](Ctx& c) {
    auto gradient = [&](const Tensor& x) { return x.requires_grad() ? c.empty(x.shape()) : Tensor(); };
    const Tensor dq = gradient(q), dk = gradient(k), dv = gradient(v);
    attention_detail::backward(c, *plan, q, k, v, out, lse, out.grad(), dq, dk, dv);
    if (dq) accumulate_grad(c, q, dq);
    if (dk) accumulate_grad(c, k, dk);
    if (dv) accumulate_grad(c, v, dv);
  });
  return out;
}

}  // namespace rft::ops
