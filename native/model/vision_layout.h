// Where the patches of a batch of images stand: window order, attention segments and rotary positions.
// Patches arrive merged: rows ordered (t, h/merge, w/merge, merge, merge), so merge*merge neighbours form one unit.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "model/spec.h"
#include "ops/ops.h"

namespace rft {

struct VisionLayout {
  std::vector<int32_t> patch_order;               // (P) patch at each place of the window order
  std::vector<int32_t> unit_place;                // (M) place in window order of each merged unit, in original order
  std::vector<std::array<int32_t, 2>> positions;  // (P) (h, w) in window order
  std::vector<ops::Segment> windows;              // one per window
  std::vector<ops::Segment> frames;               // one per temporal slot of an image
};

// grids (images, 3): t, h, w in patches; h and w divisible by merge.
VisionLayout vision_layout(const VisionSpec& spec, const std::vector<int32_t>& grids);

}  // namespace rft
