#include "model/vision.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>

#include "base/parallel_for.h"
#include "tensor/values.h"

namespace rft {

Vision::Vision(const VisionSpec& s, Weights& weights) : spec_(s) {
  patch_ = make_linear(weights, "vision.patch", s.hidden, s.patch_dim, false);
  for (int64_t i = 0; i < s.layers; ++i) {
    const std::string p = concat("vision.blocks.", i, ".");
    Block b;
    b.norm1 = weights.add(p + "norm1.weight", {s.hidden});
    b.qkv = make_linear(weights, p + "qkv", 3 * s.hidden, s.hidden, true);
    b.proj = make_linear(weights, p + "proj", s.hidden, s.hidden, true);
    b.norm2 = weights.add(p + "norm2.weight", {s.hidden});
    b.gate = make_linear(weights, p + "gate", s.ffn, s.hidden, true);
    b.up = make_linear(weights, p + "up", s.ffn, s.hidden, true);
    b.down = make_linear(weights, p + "down", s.hidden, s.ffn, true);
    blocks_.push_back(std::move(b));
  }
  const int64_t merged = s.hidden * s.merge * s.merge;
  merger_norm_ = weights.add("vision.merger.norm.weight", {s.hidden});
  fc1_ = make_linear(weights, "vision.merger.fc1", merged, merged, true);
  fc2_ = make_linear(weights, "vision.merger.fc2", s.out_hidden, merged, true);
}

// The patches are put into window order before they are embedded: the same result with one permutation less.
Tensor Vision::embed_patches(Ctx& ctx, const std::vector<const float*>& patches, const VisionLayout& layout) const {
  const int64_t p = int64_t(layout.patch_order.size()), width = spec_.patch_dim;
  Tensor ordered = ctx.empty({p, width}, patch_.weight.dtype());
  if (!ctx.meta()) {
    std::vector<float> rows(static_cast<size_t>(p * width));
    parallel_ranges(p, 16, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        std::memcpy(&rows[size_t(i * width)], patches[size_t(layout.patch_order[size_t(i)])], size_t(width) * 4);
    });
    write_floats(ordered, 0, p * width, rows.data());
  }
  return project(ctx, ordered, patch_);
}

Tensor Vision::block(Ctx& ctx, int index, const Tensor& x, const RopeTable& rope, const ops::Segments& segments) const {
  const Block& b = blocks_[size_t(index)];
  const int64_t c = spec_.hidden;
  Tensor h = ops::rms_norm(ctx, x, b.norm1, spec_.norm_eps);
  auto qkv = ops::split_columns(ctx, project(ctx, h, b.qkv), {c, c, c});
  Tensor q = ops::rope(ctx, qkv[0], rope.cos, rope.sin), k = ops::rope(ctx, qkv[1], rope.cos, rope.sin);
  h = ops::attention(ctx, q, k, qkv[2], segments, int(spec_.heads), int(spec_.heads),
                     1.0f / std::sqrt(float(c / spec_.heads)));
  const auto [y, normed] = ops::add_rms_norm(ctx, x, project(ctx, h, b.proj), b.norm2, spec_.norm_eps);
  h = ops::silu_mul(ctx, project(ctx, normed, b.gate), project(ctx, normed, b.up));
  return ops::add(ctx, y, project(ctx, h, b.down));
}

Tensor Vision::forward(Ctx& ctx, const std::vector<const float*>& patches, const std::vector<int32_t>& grids,
                       bool recompute_blocks, const Trace& trace) const {
  const VisionLayout layout = vision_layout(spec_, grids);
  const ops::Segments windows(layout.windows), frames(layout.frames);
  const RopeTable rope = vision_rope(ctx, layout.positions, spec_.hidden / spec_.heads, spec_.rope_theta);
  Tensor x = embed_patches(ctx, patches, layout);
  if (trace) trace("vision.patch", x);
  for (int i = 0; i < int(blocks_.size()); ++i) {
    ctx.check_abort();
    const bool full = std::count(spec_.full_blocks.begin(), spec_.full_blocks.end(), i) > 0;
    const ops::Segments& segments = full ? frames : windows;
    if (recompute_blocks)
      x = recompute(ctx, {x}, [this, i, rope, segments](Ctx& c, const std::vector<Tensor>& in) {
        return block(c, i, in[0], rope, segments);
      });
    else x = block(ctx, i, x, rope, segments);
    if (trace) trace(concat("vision.blocks.", i), x);
  }
  const int64_t unit = spec_.merge * spec_.merge, units = x.rows() / unit;
  Tensor h = ops::rms_norm(ctx, x, merger_norm_, spec_.norm_eps);
  h = ops::reshape(ctx, h, {units, unit * spec_.hidden});
  h = ops::gelu(ctx, project(ctx, h, fc1_), ops::Gelu::Erf);
  h = project(ctx, h, fc2_);
  if (trace) trace("vision.merger", h);
  return ops::gather_rows(ctx, h, ctx.from(layout.unit_place.data(), {units}));
}

void Vision::for_each_linear(const std::function<void(Linear&)>& visit) {
  visit(patch_);
  for (auto& b : blocks_)
    for (Linear* linear : {&b.qkv, &b.proj, &b.gate, &b.up, &b.down}) visit(*linear);
  visit(fc1_);
  visit(fc2_);
}

}  // namespace rft
