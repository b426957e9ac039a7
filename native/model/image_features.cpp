#include "model/image_features.h"

#include <algorithm>

namespace rft {

namespace {

struct ImageRange {
  int64_t patches, units;  // patches and merged features of one image
};

std::vector<ImageRange> ranges(const VisionSpec& spec, const std::vector<int32_t>& grids) {
  std::vector<ImageRange> out;
  for (size_t g = 0; g + 2 < grids.size(); g += 3) {
    const int64_t patches = int64_t(grids[g]) * grids[g + 1] * grids[g + 2];
    out.push_back({patches, patches / (spec.merge * spec.merge)});
  }
  return out;
}

// Where each patch of all images is.
std::vector<const float*> patch_rows(const VisionInput& input, int64_t width, int64_t expected) {
  std::vector<const float*> rows;
  size_t values = 0;
  for (const auto& piece : input.patches) {
    values += piece->size();
    for (size_t at = 0; at + size_t(width) <= piece->size(); at += size_t(width)) rows.push_back(piece->data() + at);
  }
  expect(int64_t(values) == expected * width && int64_t(rows.size()) == expected, "image patches",
         concat(expected, " rows of ", width, " values, as the grids say"), concat(values, " values"));
  return rows;
}

bool trainable(const Tensor& features) { return features.requires_grad(); }

}  // namespace

void ImageFeatures::encode(Ctx& ctx, const Vision& vision, const VisionInput& input, const std::vector<size_t>& images,
                           bool keep_tape, bool recompute_blocks, const Trace& trace) {
  const auto size = ranges(vision.spec(), input.grids);
  auto batch = std::make_shared<Batch>();
  int64_t total = 0, first_patch = 0, units = 0;
  for (const ImageRange& image : size) total += image.patches;
  std::vector<const float*> all, patches;
  if (!ctx.meta()) all = patch_rows(input, vision.spec().patch_dim, total);
  std::vector<int32_t> grids;
  for (size_t i = 0, next = 0; i < size.size(); first_patch += size[i++].patches) {
    if (next == images.size() || images[next] != i) continue;
    ++next;
    if (!ctx.meta()) {
      const auto from = all.begin() + first_patch;
      patches.insert(patches.end(), from, from + size[i].patches);
    }
    grids.insert(grids.end(), input.grids.begin() + int64_t(i) * 3, input.grids.begin() + int64_t(i) * 3 + 3);
    places_[name(ctx, input.keys[i])] = {batch, units};
    units += size[i].units;
  }
  Ctx inner = ctx;
  inner.tape = keep_tape ? &batch->tape : nullptr;
  inner.purpose = Purpose::Images;
  batch->features = vision.forward(inner, patches, grids, recompute_blocks, trace);
  batch->taped = keep_tape;
  batches_.push_back(batch);
  encoded_ += int64_t(images.size());
}

Tensor ImageFeatures::place(Ctx& ctx, const Vision& vision, const VisionInput& input, const Tensor& embeddings,
                            bool keep_tape, bool recompute_blocks, const Trace& trace) {
  const auto size = ranges(vision.spec(), input.grids);
  const bool wants_tape = keep_tape || ctx.tape;
  std::vector<size_t> missing;
  for (size_t i = 0; i < size.size(); ++i) {
    const auto found = places_.find(name(ctx, input.keys[i]));
    // features without a tape serve everything but training; a trace wants to see the tower run
    const bool known = found != places_.end() && !(wants_tape && !found->second.batch->taped) && !trace;
    if (!known) missing.push_back(i);
  }
  if (!missing.empty()) encode(ctx, vision, input, missing, wants_tape, recompute_blocks, trace);

  // Features of one encoding are placed together: the rows of the pack that take them, and which they take.
  struct Placement {
    std::shared_ptr<Batch> batch;
    std::vector<int32_t> rows, features;
  };
  std::vector<Placement> placements;
  std::vector<std::pair<size_t, int32_t>>
      unit_of;  // merged feature in input order -> (placement, feature in its batch)
  for (size_t i = 0; i < size.size(); ++i) {
    const Place& p = places_.at(name(ctx, input.keys[i]));
    p.batch->last_use = ++clock_;
    size_t at = 0;
    while (at < placements.size() && placements[at].batch != p.batch) ++at;
    if (at == placements.size()) placements.push_back({p.batch, {}, {}});
    for (int64_t u = 0; u < size[i].units; ++u) unit_of.push_back({at, int32_t(p.begin + u)});
  }
  for (size_t r = 0; r < input.rows.size(); ++r) {
    const auto& [at, feature] = unit_of[size_t(input.features[r])];
    placements[at].rows.push_back(input.rows[r]);
    placements[at].features.push_back(feature);
  }
  Tensor x = embeddings;
  for (const auto& p : placements) {
    const int64_t n = int64_t(p.rows.size());
    if (n == 0) continue;
    Tensor taken = ops::gather_rows(ctx, p.batch->features, ctx.from(p.features.data(), {n}));
    x = ops::scatter_rows(ctx, x, ctx.from(p.rows.data(), {n}), taken);
  }
  evict();
  return x;
}

void ImageFeatures::finish(Ctx& ctx) {
  for (auto& batch : batches_) {
    if (batch->taped && trainable(batch->features) && batch->features.grad()) {
      Ctx inner = ctx;
      inner.purpose = Purpose::Images;
      batch->tape.backward(inner);
      batch->taped = false;
    }
  }
}

void ImageFeatures::clear() {
  places_.clear();
  batches_.clear();
}

// Least recently used first. An encoding that a gradient may still reach stays.
void ImageFeatures::evict() {
  int64_t bytes = 0;
  for (const auto& b : batches_) bytes += int64_t(b->features.bytes());
  std::vector<std::shared_ptr<Batch>> oldest = batches_;
  std::sort(oldest.begin(), oldest.end(), [](const auto& a, const auto& b) { return a->last_use < b->last_use; });
  for (const auto& batch : oldest) {
    if (bytes <= budget_) return;
    if (batch->taped && trainable(batch->features)) continue;
    bytes -= int64_t(batch->features.bytes());
    std::erase_if(places_, [&](const auto& entry) { return entry.second.batch == batch; });
    std::erase(batches_, batch);
  }
}

}  // namespace rft
