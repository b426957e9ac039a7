#include "engine/prefill.h"

namespace rft {

namespace {

// [prompt 0][prompt 1]... with one causal segment each.
Pack pack_prompts(const ModelSpec& spec, const std::vector<const GenerateRequest*>& requests) {
  Pack pack;
  for (const auto* r : requests) {
    const int32_t begin = int32_t(pack.tokens.size()), length = int32_t(r->tokens.size());
    pack.tokens.insert(pack.tokens.end(), r->tokens.begin(), r->tokens.end());
    pack.segments.push_back({begin, length, 0, 0, begin, length, 1});
    if (!r->vision) continue;
    if (!pack.vision) pack.vision.emplace();
    VisionInput& all = *pack.vision;
    int32_t units = 0;
    for (size_t g = 0; g + 2 < all.grids.size(); g += 3)
      units += int32_t(int64_t(all.grids[g]) * all.grids[g + 1] * all.grids[g + 2] /
                       (spec.vision->merge * spec.vision->merge));
    all.keys.insert(all.keys.end(), r->vision->keys.begin(), r->vision->keys.end());
    all.patches.insert(all.patches.end(), r->vision->patches.begin(), r->vision->patches.end());
    all.grids.insert(all.grids.end(), r->vision->grids.begin(), r->vision->grids.end());
    for (int32_t row : r->vision->rows) all.rows.push_back(begin + row);
    for (int32_t feature : r->vision->features) all.features.push_back(units + feature);
  }
  for (int axis = 0; axis < 3; ++axis)
    for (const auto* r : requests) {
      const auto from = r->positions.begin() + int64_t(axis) * int64_t(r->tokens.size());
      pack.positions.insert(pack.positions.end(), from, from + int64_t(r->tokens.size()));
    }
  return pack;
}

}  // namespace

Prefilled prefill(Model& model, Ctx& ctx, const std::vector<const GenerateRequest*>& requests, bool keep_vision_tape) {
  const Pack pack = pack_prompts(model.spec(), requests);
  Prefilled out;
  std::vector<int32_t> last_rows;  // what a prompt's first token is drawn from: all that the last layer need compute
  std::vector<ops::Segment> last_segments;
  for (const auto& s : pack.segments) {
    out.kv.emplace_back(model.spec().decoder, s.q_len);
    last_rows.push_back(s.q_begin + s.q_len - 1);
    last_segments.push_back({int32_t(last_segments.size()), 1, 0, 0, s.kv1_begin, s.kv1_len, 1});
  }
  const Attend all = model.attend_segments(pack.segments), last = model.attend_segments(last_segments);
  const int last_layer = int(model.spec().decoder.layers) - 1;
  const Attend attend = [&](Ctx& c, int layer, const Tensor& q, const Tensor& k, const Tensor& v) {
    for (size_t r = 0; r < requests.size(); ++r) {
      const int64_t begin = pack.segments[r].q_begin;
      out.kv[r].add_layer(c, k, v, begin);
    }
    return (layer == last_layer ? last : all)(c, layer, q, k, v);
  };
  const Tensor wanted = ctx.from(last_rows.data(), {int64_t(last_rows.size())});
  const Tensor h = model.hidden(ctx, pack, {.keep_vision_tape = keep_vision_tape, .attend = attend, .wanted = wanted});
  out.last_hidden = model.decoder().final_norm(ctx, h);
  return out;
}

}  // namespace rft
