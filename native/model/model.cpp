#include "model/model.h"

#include <algorithm>
#include <cmath>

namespace rft {

Model::Model(const ModelSpec& spec, Device device, Dtype dtype, Device counts_for)
    : spec_(spec),
      pool_(std::make_shared<Pool>(device, counts_for)),
      weights_(pool_, spec.lora, dtype),
      decoder_(spec.decoder, weights_) {
  const bool cuda = pool_->ops_device() == Device::Cuda;
  expect(dtype == Dtype::F32 || (dtype == Dtype::BF16 && cuda), "model dtype", cuda ? "F32 or BF16" : "F32 on the CPU",
         to_string(dtype));
  if (spec.vision) vision_.emplace(*spec.vision, weights_);
  if (spec.value_head) value_head_ = make_linear(weights_, "value_head", 1, spec.decoder.hidden, true);
  if (!spec.lora) return;
  for (const auto& target : spec.lora->targets)
    expect(weights_.has(target.linear + kLoraA), "lora", "the name of a linear layer", target.linear);
  images_.set_adapted(std::any_of(spec.lora->targets.begin(), spec.lora->targets.end(),
                                  [](const auto& target) { return target.linear.starts_with("vision."); }));
}

Tensor Model::values(Ctx& ctx, const Tensor& h) const {
  expect(value_head_.has_value(), "values", "a model with a value head", "one without");
  return project(ctx, h, *value_head_);
}

void Model::merge_adapters() {
  decoder_.for_each_linear(merge_adapter);
  if (vision_) vision_->for_each_linear(merge_adapter);
  images_.clear();
}

Tensor Model::embeddings(Ctx& ctx, const Pack& pack, const ForwardOptions& options) {
  Tensor x = decoder_.embed(ctx, ctx.from(pack.tokens.data(), {int64_t(pack.tokens.size())}));
  if (!pack.vision || pack.vision->rows.empty()) return x;
  // A frozen tower keeps nothing for backward; recomputing would record it all the same.
  const bool recompute_tower = options.recompute && trains_vision();
  return images_.place(ctx, *vision_, *pack.vision, x, options.keep_vision_tape, recompute_tower, options.trace);
}

Attend Model::attend_segments(const ops::Segments& segments) const {
  const DecoderSpec& s = spec_.decoder;
  const float scale = 1.0f / std::sqrt(float(s.head_dim));
  return [segments, s, scale](Ctx& ctx, int, const Tensor& q, const Tensor& k, const Tensor& v) {
    return ops::attention(ctx, q, k, v, segments, int(s.heads), int(s.kv_heads), scale);
  };
}

Tensor Model::hidden(Ctx& ctx, const Pack& pack, const ForwardOptions& options) {
  const DecoderSpec& s = spec_.decoder;
  Tensor x = embeddings(ctx, pack, options);
  if (options.trace) options.trace("decoder.embed", x);
  const RopeTable rope = text_rope(ctx, pack.positions.data(), x.rows(), s.head_dim, s.rope_theta, s.mrope_section);
  const Attend attend = options.attend ? options.attend : attend_segments(pack.segments);
  return decoder_.layers(ctx, x, rope, attend, {options.recompute, options.wanted, options.trace});
}

bool Model::trains_vision() const {
  const auto& all = weights_.all();
  return std::any_of(all.begin(), all.end(),
                     [](const auto& p) { return p.trainable && p.name.starts_with("vision."); });
}

void Model::weights_changed() {
  if (trains_vision()) images_.clear();
}

namespace {

void check_range(const char* where, const char* what, const std::vector<int32_t>& values, int64_t end) {
  for (size_t i = 0; i < values.size(); ++i)
    if (values[i] < 0 || values[i] >= end)
      fail(concat(where, "[", i, "]"), concat(what, " in [0,", end, ")"), values[i]);
}

void check_vision(const ModelSpec& spec, const VisionInput& v, int64_t tokens) {
  expect(spec.vision.has_value(), "pack.vision", "no images for a text-only model",
         concat(v.grids.size() / 3, " images"));
  expect(v.grids.size() % 3 == 0, "pack.vision.grids", "a multiple of 3 values", v.grids.size());
  expect(v.keys.size() * 3 == v.grids.size(), "pack.vision.keys", concat(v.grids.size() / 3, " keys, one per image"),
         v.keys.size());
  expect(v.rows.size() == v.features.size(), "pack.vision.features", concat(v.rows.size(), " values, one per row"),
         v.features.size());
  int64_t units = 0;
  const int64_t m = spec.vision->merge;
  for (size_t g = 0; g + 2 < v.grids.size(); g += 3)
    units += int64_t(v.grids[g]) * (v.grids[g + 1] / m) * (v.grids[g + 2] / m);
  check_range("pack.vision.rows", "a row", v.rows, tokens);
  check_range("pack.vision.features", "a merged image token", v.features, units);
}

}  // namespace

void check_pack(const ModelSpec& spec, const Pack& pack) {
  const int64_t t = int64_t(pack.tokens.size());
  expect(t > 0, "pack.tokens", "at least one token", t);
  check_range("pack.tokens", "a token id", pack.tokens, spec.decoder.vocab);
  expect(int64_t(pack.positions.size()) == 3 * t, "pack.positionIds", concat(3 * t, " values (3 x T)"),
         pack.positions.size());
  for (size_t i = 0; i < pack.segments.size(); ++i) {
    const auto& s = pack.segments[i];
    const bool inside = s.q_begin >= 0 && s.q_len >= 0 && s.kv0_begin >= 0 && s.kv0_len >= 0 && s.kv1_begin >= 0 &&
                        s.kv1_len >= 0 && int64_t(s.q_begin) + s.q_len <= t && int64_t(s.kv0_begin) + s.kv0_len <= t &&
                        int64_t(s.kv1_begin) + s.kv1_len <= t;
    if (!inside)
      fail(concat("pack.segments[", i, "]"), concat("ranges inside [0,", t, ")"),
           concat("q ", s.q_begin, "+", s.q_len, ", kv0 ", s.kv0_begin, "+", s.kv0_len, ", kv1 ", s.kv1_begin, "+",
                  s.kv1_len));
  }
  if (pack.vision) check_vision(spec, *pack.vision, t);
}

void check_head(const ModelSpec& spec, const Pack& pack, const HeadRows& head) {
  expect(head.rows.size() == head.targets.size(), "head.targets", concat(head.rows.size(), " values, one per row"),
         head.targets.size());
  check_range("head.rows", "a row of the pack", head.rows, int64_t(pack.tokens.size()));
  check_range("head.targets", "a token id", head.targets, spec.decoder.vocab);
  expect(head.temperature > 0 && std::isfinite(head.temperature), "head.temperature", "a positive number",
         head.temperature);
}

}  // namespace rft
