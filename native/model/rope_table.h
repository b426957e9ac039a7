// Rotary angles as tables, so that 1-D, multimodal and vision rotary embeddings are one op fed with different data.
#pragma once
#include <array>
#include <optional>
#include <vector>

#include "tensor/ctx.h"

namespace rft {

struct RopeTable {
  Tensor cos, sin;  // (T, D/2) each
};

// positions (axes, T) row-major. Pair i turns by position[axis_of_pair(i)] * theta^(-2i/D).
// section: pairs driven by axis 0, 1, 2 in order; without it axis 0 drives all.
RopeTable text_rope(Ctx& ctx, const int32_t* positions, int64_t tokens, int64_t head_dim, double theta,
                    const std::optional<std::array<int, 3>>& section);

// Patch (h, w): the first D/4 pairs turn by h, the next D/4 by w, both with frequencies theta^(-4i/D).
RopeTable vision_rope(Ctx& ctx, const std::vector<std::array<int32_t, 2>>& patches, int64_t head_dim, double theta);

}  // namespace rft
