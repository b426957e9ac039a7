#include "engine/training.h"

#include <cstring>

#include "simd/gemm.h"

namespace rft {

namespace {

std::vector<float> to_host(const Tensor& t) {
  std::vector<float> out(size_t(t.count()));
  if (t.raw() && t.count()) std::memcpy(out.data(), t.raw(), t.bytes());
  return out;
}

// Only the scored rows pass the final norm and the head.
ops::TokenLogp score_rows(Model& model, Ctx& ctx, const Pack& pack, const HeadRows& head, bool recompute_blocks) {
  const int64_t n = int64_t(head.rows.size());
  Tensor h = model.hidden(ctx, pack, {.recompute = recompute_blocks});
  h = ops::gather_rows(ctx, h, ctx.from(head.rows.data(), {n}));
  h = model.decoder().final_norm(ctx, h);
  return ops::token_logp(ctx, h, model.decoder().head_weight(), ctx.from(head.targets.data(), {n}), head.temperature);
}

void check(Model& model, const Pack& pack, const HeadRows& head) {
  check_pack(model.spec(), pack);
  check_head(model.spec(), pack, head);
}

}  // namespace

ScoreOutput score(Model& model, Ctx ctx, const Pack& pack, const HeadRows& head) {
  check(model, pack, head);
  auto out = score_rows(model, ctx, pack, head, false);
  return {to_host(out.logp), to_host(out.entropy)};
}

std::pair<ScoreOutput, PendingBackward> forward(Model& model, Ctx ctx, const Pack& pack, const HeadRows& head,
                                                bool recompute_blocks) {
  check(model, pack, head);
  PendingBackward pending;
  ctx.tape = &pending.tape;
  auto out = score_rows(model, ctx, pack, head, recompute_blocks);
  pending.logp = out.logp;
  pending.entropy = out.entropy;
  return {ScoreOutput{to_host(out.logp), to_host(out.entropy)}, std::move(pending)};
}

void backward(Ctx ctx, PendingBackward& pending, const std::vector<float>& dlogp, const std::vector<float>& dentropy) {
  const int64_t n = pending.logp.count();
  expect(int64_t(dlogp.size()) == n, "backward dlogp", concat(n, " values, one per scored row"), dlogp.size());
  expect(dentropy.empty() || int64_t(dentropy.size()) == n, "backward dentropy", concat(n, " values or none"),
         dentropy.size());
  if (!pending.logp.requires_grad()) return;  // everything is frozen
  pending.logp.set_grad(ctx.from(dlogp.data(), {n}));
  if (!dentropy.empty()) pending.entropy.set_grad(ctx.from(dentropy.data(), {n}));
  pending.tape.backward(ctx);
}

std::vector<float> logits(Model& model, Ctx ctx, const Pack& pack, const std::vector<int32_t>& rows,
                          const Trace& trace) {
  check_pack(model.spec(), pack);
  const int64_t n = int64_t(rows.size()), v = model.spec().decoder.vocab, c = model.spec().decoder.hidden;
  Tensor h = model.decoder().final_norm(ctx, model.hidden(ctx, pack, {.trace = trace}));
  if (trace) trace("decoder.norm", h);
  h = ops::gather_rows(ctx, h, ctx.from(rows.data(), {n}));
  Tensor z = ctx.empty({n, v});
  if (!ctx.meta())
    simd::gemm(simd::Trans::No, simd::Trans::Yes, n, v, c, h.f32(), c, model.decoder().head_weight().f32(), c, 0.0f,
               z.f32(), v);
  return to_host(z);
}

}  // namespace rft
