#include "engine/training.h"

#include "ops/gemm/product.h"
#include "simd/gemm.h"
#include "tensor/dispatch.h"
#include "tensor/values.h"

namespace rft {

namespace {

std::vector<float> to_floats_or_empty(const Tensor& t) { return t ? to_floats(t) : std::vector<float>(); }

// Only the scored rows pass the final norm and the heads.
Tensor final_rows(Model& model, Ctx& ctx, const Pack& pack, const std::vector<int32_t>& rows, bool recompute_blocks) {
  Tensor h = model.hidden(ctx, pack, {.recompute = recompute_blocks});
  h = ops::gather_rows(ctx, h, ctx.from(rows.data(), {int64_t(rows.size())}));
  return model.decoder().final_norm(ctx, h);
}

PendingBackward score_rows(Model& model, Ctx& ctx, const Pack& pack, const HeadRows& head, bool recompute_blocks,
                           Heads heads) {
  const int64_t n = int64_t(head.rows.size());
  PendingBackward out;
  const Tensor h = final_rows(model, ctx, pack, head.rows, recompute_blocks);
  if (heads.values) out.values = model.values(ctx, h);
  if (!heads.logp) return out;
  const Tensor targets = ctx.from(head.targets.data(), {n});
  const auto scored = ops::token_logp(ctx, h, model.decoder().head_weight(), targets, head.temperature);
  out.logp = scored.logp;
  out.entropy = scored.entropy;
  return out;
}

// On the device, in the output's shape.
Tensor gradient_of(const Ctx& ctx, const Tensor& output, const std::vector<float>& gradient, const char* name) {
  if (gradient.empty()) return {};
  expect(output && int64_t(gradient.size()) == output.count(), concat("backward ", name),
         concat(output ? output.count() : 0, " values, one per scored row"), gradient.size());
  return ctx.from(gradient.data(), output.shape());
}

// Seeds the gradient of one output; false when nothing needs it.
bool seed(const Ctx& ctx, const Tensor& output, const Tensor& gradient) {
  if (!gradient || !output.requires_grad()) return false;  // everything before it is frozen
  if (output.dtype() == gradient.dtype()) {
    output.set_grad(gradient);
    return true;
  }
  const Tensor stored = ctx.empty(output.shape(), output.dtype());
  copy_values(gradient, stored);
  output.set_grad(stored);
  return true;
}

void check(Model& model, const Pack& pack, const HeadRows& head) {
  check_pack(model.spec(), pack);
  check_head(model.spec(), pack, head);
}

}  // namespace

ScoreOutput score(Model& model, Ctx ctx, const Pack& pack, const HeadRows& head, Heads heads) {
  check(model, pack, head);
  return output_of(score_rows(model, ctx, pack, head, false, heads));
}

std::vector<float> hidden_rows(Model& model, Ctx ctx, const Pack& pack, const std::vector<int32_t>& rows) {
  check(model, pack, {rows, std::vector<int32_t>(rows.size()), 1.0f});
  return to_floats(final_rows(model, ctx, pack, rows, false));
}

PendingBackward record(Model& model, Ctx ctx, const Pack& pack, const HeadRows& head, bool recompute_blocks,
                       Heads heads) {
  check(model, pack, head);
  Tape tape;
  ctx.tape = &tape;
  PendingBackward pending = score_rows(model, ctx, pack, head, recompute_blocks, heads);
  pending.tape = std::move(tape);
  return pending;
}

ScoreOutput output_of(const PendingBackward& pass) {
  return {to_floats_or_empty(pass.logp), to_floats_or_empty(pass.entropy), to_floats_or_empty(pass.values)};
}

std::pair<ScoreOutput, PendingBackward> forward(Model& model, Ctx ctx, const Pack& pack, const HeadRows& head,
                                                bool recompute_blocks, Heads heads) {
  PendingBackward pending = record(model, ctx, pack, head, recompute_blocks, heads);
  return {output_of(pending), std::move(pending)};
}

GradientTensors to_tensors(const Ctx& ctx, const PendingBackward& pass, const OutputGradients& gradients) {
  return {gradient_of(ctx, pass.logp, gradients.dlogp, "dlogp"),
          gradient_of(ctx, pass.entropy, gradients.dentropy, "dentropy"),
          gradient_of(ctx, pass.values, gradients.dvalues, "dvalues")};
}

void backward(Ctx ctx, PendingBackward& pending, const GradientTensors& gradients) {
  const bool any = seed(ctx, pending.logp, gradients.dlogp) | seed(ctx, pending.entropy, gradients.dentropy) |
                   seed(ctx, pending.values, gradients.dvalues);
  if (any) pending.tape.backward(ctx);
}

void backward(Ctx ctx, PendingBackward& pending, const OutputGradients& gradients) {
  backward(ctx, pending, to_tensors(ctx, pending, gradients));
}

std::vector<float> logits(Model& model, Ctx ctx, const Pack& pack, const std::vector<int32_t>& rows,
                          const Trace& trace) {
  check_pack(model.spec(), pack);
  const int64_t n = int64_t(rows.size()), v = model.spec().decoder.vocab, c = model.spec().decoder.hidden;
  Tensor h = model.decoder().final_norm(ctx, model.hidden(ctx, pack, {.trace = trace}));
  if (trace) trace("decoder.norm", h);
  h = ops::gather_rows(ctx, h, ctx.from(rows.data(), {n}));
  Tensor z = ctx.empty({n, v});
  if (ctx.cuda()) {
    cuda::by_dtype(h, [&]<class T>(T*) {
      const T* no_bias = nullptr;
      cuda::forward_product({cuda::Form::NT, n, v, c, c, c, v}, h.as<T>(), model.decoder().head_weight().as<T>(),
                            no_bias, z.as<float>(), cuda::stream());
    });
  } else if (!ctx.meta())
    simd::gemm(simd::Trans::No, simd::Trans::Yes, n, v, c, h.f32(), c, model.decoder().head_weight().f32(), c, 0.0f,
               z.f32(), v);
  return to_floats(z);
}

}  // namespace rft
