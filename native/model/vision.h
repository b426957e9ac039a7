// The vision tower: patch embedding, windowed attention blocks, and the projector that merges neighbouring patches
// into language tokens.
#pragma once
#include <vector>

#include "model/decoder.h"
#include "model/vision_layout.h"

namespace rft {

class Vision {
 public:
  Vision(const VisionSpec& spec, Weights& weights);

  const VisionSpec& spec() const { return spec_; }
  // P patches of patch_dim values (none on META) and grids (images, 3) -> merged features (M, out_hidden), units in
  // original order.
  Tensor forward(Ctx& ctx, const std::vector<const float*>& patches, const std::vector<int32_t>& grids,
                 bool recompute_blocks, const Trace& trace = {}) const;

  // Every linear of the tower.
  void for_each_linear(const std::function<void(Linear&)>& visit);

 private:
  struct Block {
    Tensor norm1, norm2;
    Linear qkv, proj, gate, up, down;
  };
  Tensor block(Ctx& ctx, int index, const Tensor& x, const RopeTable& rope, const ops::Segments& segments) const;
  Tensor embed_patches(Ctx& ctx, const std::vector<const float*>& patches, const VisionLayout& layout) const;

  VisionSpec spec_;
  Linear patch_, fc1_, fc2_;
  Tensor merger_norm_;
  std::vector<Block> blocks_;
};

}  // namespace rft
