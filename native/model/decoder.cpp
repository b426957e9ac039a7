#include "model/decoder.h"

#include "ops/ops.h"

namespace rft {

Decoder::Decoder(const DecoderSpec& s, Weights& weights) : spec_(s) {
  embedding_ = weights.add("decoder.embed.weight", {s.vocab, s.hidden});
  const int64_t q_width = s.heads * s.head_dim, kv_width = s.kv_heads * s.head_dim;
  for (int64_t i = 0; i < s.layers; ++i) {
    const std::string p = concat("decoder.layers.", i, ".");
    Layer l;
    l.attn_norm = weights.add(p + "attn_norm.weight", {s.hidden});
    l.q = make_linear(weights, p + "q", q_width, s.hidden, s.qkv_bias);
    l.k = make_linear(weights, p + "k", kv_width, s.hidden, s.qkv_bias);
    l.v = make_linear(weights, p + "v", kv_width, s.hidden, s.qkv_bias);
    l.o = make_linear(weights, p + "o", s.hidden, q_width, false);
    if (s.qk_norm) {
      l.q_norm = weights.add(p + "q_norm.weight", {s.head_dim});
      l.k_norm = weights.add(p + "k_norm.weight", {s.head_dim});
    }
    l.ffn_norm = weights.add(p + "ffn_norm.weight", {s.hidden});
    l.gate = make_linear(weights, p + "gate", s.ffn, s.hidden, false);
    l.up = make_linear(weights, p + "up", s.ffn, s.hidden, false);
    l.down = make_linear(weights, p + "down", s.hidden, s.ffn, false);
    layers_.push_back(std::move(l));
  }
  norm_ = weights.add("decoder.norm.weight", {s.hidden});
  head_.weight = s.tied_head ? embedding_ : weights.add("decoder.head.weight", {s.vocab, s.hidden});
}

Tensor Decoder::embed(Ctx& ctx, const Tensor& ids) const { return ops::embed(ctx, ids, embedding_); }

Tensor Decoder::layer(Ctx& ctx, int index, const Tensor& x, const RopeTable& rope, const Attend& attend,
                      const Tensor& wanted) const {
  const Layer& l = layers_[size_t(index)];
  const auto pick = [&](const Tensor& rows) { return wanted ? ops::gather_rows(ctx, rows, wanted) : rows; };
  Tensor h = ops::rms_norm(ctx, x, l.attn_norm, spec_.rms_eps);
  Tensor q = project(ctx, pick(h), l.q), k = project(ctx, h, l.k), v = project(ctx, h, l.v);
  if (spec_.qk_norm) {
    q = ops::rms_norm(ctx, q, l.q_norm, spec_.rms_eps);
    k = ops::rms_norm(ctx, k, l.k_norm, spec_.rms_eps);
  }
  q = ops::rope(ctx, q, pick(rope.cos), pick(rope.sin));
  k = ops::rope(ctx, k, rope.cos, rope.sin);
  const auto [y, normed] =
      ops::add_rms_norm(ctx, pick(x), project(ctx, attend(ctx, index, q, k, v), l.o), l.ffn_norm, spec_.rms_eps);
  h = ops::silu_mul(ctx, project(ctx, normed, l.gate), project(ctx, normed, l.up));
  return ops::add(ctx, y, project(ctx, h, l.down));
}

Tensor Decoder::layers(Ctx& ctx, Tensor x, const RopeTable& rope, const Attend& attend,
                       const LayersOptions& options) const {
  for (int i = 0; i < int(layers_.size()); ++i) {
    ctx.check_abort();
    const Tensor wanted = i + 1 == int(layers_.size()) ? options.wanted : Tensor();
    if (options.recompute)
      x = recompute(ctx, {x}, [this, i, rope, attend, wanted](Ctx& c, const std::vector<Tensor>& in) {
        return layer(c, i, in[0], rope, attend, wanted);
      });
    else x = layer(ctx, i, x, rope, attend, wanted);
    if (options.trace) options.trace(concat("decoder.layers.", i), x);
  }
  return x;
}

Tensor Decoder::final_norm(Ctx& ctx, const Tensor& x) const { return ops::rms_norm(ctx, x, norm_, spec_.rms_eps); }

void Decoder::for_each_linear(const std::function<void(Linear&)>& visit) {
  for (auto& l : layers_)
    for (Linear* linear : {&l.q, &l.k, &l.v, &l.o, &l.gate, &l.up, &l.down}) visit(*linear);
}

void Decoder::pack(Ctx& ctx, Dtype dtype) {
  for_each_linear([&](Linear& linear) { linear.pack(ctx, dtype); });
  head_.pack(ctx, dtype);
}

void Decoder::unpack() {
  for_each_linear([](Linear& linear) { linear.unpack(); });
  head_.unpack();
}

}  // namespace rft
