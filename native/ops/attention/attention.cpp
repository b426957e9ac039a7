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

// What both passes know of a call; on CUDA the plan is a list of tiles in device memory.
struct Call {
  std::shared_ptr<const attention_detail::Plan> plan;
  Tensor q, k, v, out, lse;
  std::shared_ptr<const cuda::DevicePlan> device_plan;
  Tensor device_words;

  cuda::AttentionSizes sizes() const {
    return {plan->query_rows, plan->key_rows, plan->heads, plan->kv_heads, plan->head_dim, plan->scale};
  }
};

void plan_on_cuda(Ctx& ctx, const std::vector<Segment>& segments, Call& call) {
  cuda::on_stream([&](auto) {
    auto plan = cuda::make_device_plan(call.plan->query_rows, call.plan->key_rows, segments, call.plan->group());
    const std::vector<int32_t> words = plan.words();
    call.device_words = ctx.from(words.data(), {int64_t(words.size())});
    call.device_plan = std::make_shared<const cuda::DevicePlan>(std::move(plan));
  });
}

void forward(Ctx& ctx, const Call& c) {
  if (!ctx.cuda()) return attention_detail::forward(ctx, *c.plan, c.q, c.k, c.v, c.out, c.lse);
  cuda::by_dtype(c.q, [&]<class T>(T*) {
    cuda::attention_forward(c.sizes(), c.device_plan->view(c.device_words.as<int32_t>()), c.q.as<T>(), c.k.as<T>(),
                            c.v.as<T>(), c.out.as<T>(), c.lse.as<float>(), cuda::stream());
  });
}

void backward(Ctx& ctx, const Call& c, const Tensor& dout, const Tensor& dq, const Tensor& dk, const Tensor& dv) {
  if (!ctx.cuda()) return attention_detail::backward(ctx, *c.plan, c.q, c.k, c.v, c.out, c.lse, dout, dq, dk, dv);
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
    cuda::attention_backward(c.sizes(), c.device_plan->view(c.device_words.as<int32_t>()), call, cuda::stream());
  });
}

}  // namespace

Tensor attention(Ctx& ctx, const Tensor& q, const Tensor& k, const Tensor& v, const std::vector<Segment>& segments,
                 int heads, int kv_heads, float scale) {
  check_shapes(q, k, v, heads, kv_heads);
  Call call{.plan = std::make_shared<const attention_detail::Plan>(attention_detail::make_plan(
                q.dim(0), k.dim(0), segments, heads, kv_heads, int(q.dim(1) / heads), scale)),
            .q = q,
            .k = k,
            .v = v,
            .out = ctx.empty(q.shape(), q.dtype()),
            .lse = ctx.empty({heads, q.dim(0)}),
            .device_plan = nullptr,
            .device_words = {}};
  if (ctx.cuda()) plan_on_cuda(ctx, segments, call);
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
