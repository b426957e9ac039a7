#include "engine/prefill.h"

#include <cstring>

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

Tensor copy_rows(const Ctx& ctx, const Tensor& x, int64_t begin, int64_t length) {
  Tensor out(ctx.pool, {length, x.columns()}, Dtype::F32, Purpose::KvCache);
  if (!ctx.meta()) std::memcpy(out.f32(), x.row(begin), out.bytes());
  return out;
}

}  // namespace

Prefilled prefill(Model& model, Ctx& ctx, const std::vector<const GenerateRequest*>& requests, bool keep_vision_tape) {
  const Pack pack = pack_prompts(model.spec(), requests);
  Prefilled out;
  out.kv.resize(requests.size());
  std::vector<int32_t> last_rows;
  for (size_t r = 0; r < requests.size(); ++r) {
    out.kv[r].length = pack.segments[r].q_len;
    last_rows.push_back(pack.segments[r].q_begin + pack.segments[r].q_len - 1);
  }
  const Attend attend =
      [&, inner = model.attend_pack(pack)](Ctx& c, int layer, const Tensor& q, const Tensor& k, const Tensor& v) {
    for (size_t r = 0; r < requests.size(); ++r) {
      const auto& s = pack.segments[r];
      out.kv[r].k.push_back(copy_rows(c, k, s.q_begin, s.q_len));
      out.kv[r].v.push_back(copy_rows(c, v, s.q_begin, s.q_len));
    }
    return inner(c, layer, q, k, v);
  };
  Tensor h = model.hidden(ctx, pack, {.keep_vision_tape = keep_vision_tape, .attend = attend});
  h = ops::gather_rows(ctx, h, ctx.from(last_rows.data(), {int64_t(last_rows.size())}));
  out.last_hidden = model.decoder().final_norm(ctx, h);
  return out;
}

}  // namespace rft
