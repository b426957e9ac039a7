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
// On CUDA (launch.h) sums are taken tile by tile instead, in another fixed order with the same property.
//
// Kept for backward: q, k, v, out and lse (H, T); no scores.
#include <memory>

#include "ops/attention/launch.h"
#include "ops/attention/passes.h"
#include "ops/ops.h"
#include "tensor/dispatch.h"

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

// A plan of the work, for sizes that all layers of a pass have; on CUDA with a list of tiles in device memory.
struct Planned {
  attention_detail::Plan plan;
  cuda::DevicePlan device_plan;
  Tensor device_words;

  cuda::AttentionSizes sizes() const {
    return {plan.query_rows, plan.key_rows, plan.heads, plan.kv_heads, plan.head_dim, plan.scale};
  }
  cuda::PlanView view() const { return device_plan.view(device_words.as<int32_t>()); }
};

struct Segments::State {
  std::vector<Segment> list;
  std::shared_ptr<const Planned> planned;  // for the sizes that came last
  std::weak_ptr<Pool> pool;                // where its words are
};

Segments::Segments(std::vector<Segment> list) : state_(std::make_shared<State>()) { state_->list = std::move(list); }

namespace {

// What both passes know of a call.
struct Call {
  std::shared_ptr<const Planned> planned;
  Tensor q, k, v, out, lse;
};

std::shared_ptr<const Planned> plan(Ctx& ctx, Segments::State& segments, const cuda::AttentionSizes& s) {
  if (segments.planned && segments.pool.lock() == ctx.pool && segments.planned->sizes() == s) return segments.planned;
  auto out = std::make_shared<Planned>();
  out->plan =
      attention_detail::make_plan(s.query_rows, s.key_rows, segments.list, s.heads, s.kv_heads, s.head_dim, s.scale);
  if (ctx.cuda()) {
    out->device_plan = cuda::make_device_plan(s.query_rows, s.key_rows, segments.list, out->plan.group());
    const std::vector<int32_t> words = out->device_plan.words();
    out->device_words = ctx.from(words.data(), {int64_t(words.size())});
  }
  segments.pool = ctx.pool;
  segments.planned = out;
  return out;
}

void forward(Ctx& ctx, const Call& c) {
  if (!ctx.cuda()) return attention_detail::forward(ctx, c.planned->plan, c.q, c.k, c.v, c.out, c.lse);
  cuda::by_dtype(c.q, [&]<class T>(T*) {
    cuda::attention_forward(c.planned->sizes(), c.planned->view(), c.q.as<T>(), c.k.as<T>(), c.v.as<T>(), c.out.as<T>(),
                            c.lse.as<float>(), cuda::stream());
  });
}

void backward(Ctx& ctx, const Call& c, const Tensor& dout, const Tensor& dq, const Tensor& dk, const Tensor& dv) {
  if (!ctx.cuda())
    return attention_detail::backward(ctx, c.planned->plan, c.q, c.k, c.v, c.out, c.lse, dout, dq, dk, dv);
  const Tensor delta = ctx.workspace(c.lse.shape());
  cuda::by_dtype(c.q, [&]<class T>(T*) {
    const auto pointer = [](const Tensor& t) { return t ? t.as<T>() : nullptr; };
    const cuda::BackwardCall<T> call{.q = c.q.as<T>(),
                                     .k = c.k.as<T>(),
                                     .v = c.v.as<T>(),
                                     .out = c.out.as<T>(),
                                     .dout = dout.as<T>(),
                                     .lse = c.lse.as<float>(),
                                     .delta = delta.as<float>(),
                                     .dq = pointer(dq),
                                     .dk = pointer(dk),
                                     .dv = pointer(dv)};
    cuda::attention_backward(c.planned->sizes(), c.planned->view(), call, cuda::stream());
  });
}

}  // namespace

Tensor attention(Ctx& ctx, const Tensor& q, const Tensor& k, const Tensor& v, const Segments& segments, int heads,
                 int kv_heads, float scale) {
  check_shapes(q, k, v, heads, kv_heads);
  const cuda::AttentionSizes sizes{q.dim(0), k.dim(0), heads, kv_heads, int(q.dim(1) / heads), scale};
  const Call call{.planned = plan(ctx, segments.state(), sizes),
                  .q = q,
                  .k = k,
                  .v = v,
                  .out = ctx.empty(q.shape(), q.dtype()),
                  .lse = ctx.empty({heads, q.dim(0)})};
  forward(ctx, call);
  if (!ctx.records(q, k, v)) return call.out;

  ctx.tape->record({call.out}, [call](Ctx& c) {
    auto gradient = [&](const Tensor& x) { return x.requires_grad() ? c.empty(x.shape(), x.dtype()) : Tensor(); };
    const Tensor dq = gradient(call.q), dk = gradient(call.k), dv = gradient(call.v);
    backward(c, call, call.out.grad(), dq, dk, dv);
    if (dq) accumulate_grad(c, call.q, dq);
    if (dk) accumulate_grad(c, call.k, dk);
    if (dv) accumulate_grad(c, call.v, dv);
  });
  return call.out;
}

}  // namespace rft::ops
