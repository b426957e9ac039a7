#include "ops/attention/passes.h"

#include <cstring>
#include <limits>

#include "ops/attention/panels.h"
#include "ops/attention/softmax_row.h"
#include "ops/lanes.h"
#include "simd/gemm.h"

namespace rft::ops::attention_detail {
namespace {

struct Forward {
  const Plan& plan;
  const Panels& panels;
  const float* q;  // (T, H*D)
  float* out;      // (T, H*D)
  float* lse;      // (H, T)

  // The row of q or out that holds the group of heads of kv_head for query i of the tile; (group, D) contiguous.
  int64_t at(const QueryTile& tile, int64_t i, int kv_head) const {
    const int64_t row = plan.segments[size_t(tile.segment)].q_begin + tile.first + i;
    return (row * plan.heads + kv_head * plan.group()) * plan.head_dim;
  }
  void run(const QueryTile& tile, int kv_head, float* scratch) const;
};

int64_t scratch_size(const Plan& plan) {
  int64_t most = 0;
  for (auto& t : plan.tiles) {
    const int64_t rows = t.rows * plan.group();
    const int64_t keys = plan.segments[size_t(t.segment)].visible(t.first + t.rows - 1);
    most = std::max(most, rows * (2 * plan.head_dim + round_up(keys, 16) + 1));
  }
  return most + 64;
}

void Forward::run(const QueryTile& tile, int kv_head, float* scratch) const {
  const SegmentPlan& segment = plan.segments[size_t(tile.segment)];
  const int64_t D = plan.head_dim, group = plan.group(), rows = tile.rows * group;
  const int64_t columns = segment.visible(tile.first + tile.rows - 1), stride = round_up(columns, 16);
  float* scores = scratch;                          // (rows, stride)
  float* scaled = scores + rows * stride;           // (rows, D): scale * q
  float* mixed = scaled + round_up(rows * D, 16);   // (rows, D): sum of p v
  float* inverse = mixed + round_up(rows * D, 16);  // (rows)
  for (int64_t i = 0; i < tile.rows; ++i)
    simd::scale(plan.scale, q + at(tile, i, kv_head), scaled + i * group * D, group * D);

  int64_t column = 0;
  for (int b : segment.blocks) {
    const int64_t n = std::min(plan.blocks[size_t(b)].len, columns - column);
    if (n <= 0) break;
    simd::gemm_packed_serial(simd::Trans::No, rows, n, D, scaled, D, panels.k_transposed(kv_head, b), 0.0f,
                             scores + column, stride);
    column += n;
  }
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t i = r / group, head = kv_head * group + r % group;
    const RowSum row = softmax_row(scores + r * stride, segment.visible(tile.first + i), columns);
    inverse[r] = row.inverse;
    lse[head * plan.query_rows + segment.q_begin + tile.first + i] = row.lse();
  }
  if (columns == 0) std::memset(mixed, 0, size_t(rows * D) * sizeof(float));
  column = 0;
  for (int b : segment.blocks) {
    const int64_t len = plan.blocks[size_t(b)].len, n = std::min(len, columns - column);
    if (n <= 0) break;
    product_with_prefix(rows, D, n, len, scores + column, stride, panels.v(kv_head, b), column ? 1.0f : 0.0f, mixed, D);
    column += n;
  }
  for (int64_t r = 0; r < rows; ++r)
    simd::scale(inverse[r], mixed + r * D, out + at(tile, r / group, kv_head) + r % group * D, D);
}

}  // namespace

void forward(Ctx& ctx, const Plan& plan, const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& out,
             const Tensor& lse) {
  const Panels panels(ctx, plan, Panels::Use::Forward, k, v);
  const int64_t tiles = int64_t(plan.tiles.size());
  const Forward pass{plan, panels, ctx.meta() ? nullptr : q.f32(), ctx.meta() ? nullptr : out.f32(),
                     ctx.meta() ? nullptr : lse.f32()};
  // Last tiles first: under a causal mask they are the longest.
  for_each_with_scratch(ctx, tiles * plan.kv_heads, scratch_size(plan), [&](int64_t task, float* scratch) {
    pass.run(plan.tiles[size_t(tiles - 1 - task / plan.kv_heads)], int(task % plan.kv_heads), scratch);
  });
  if (ctx.meta()) return;
  for (int64_t row : plan.uncovered) {
    std::memset(out.row(row), 0, size_t(out.columns()) * sizeof(float));
    for (int h = 0; h < plan.heads; ++h) lse.f32()[h * plan.query_rows + row] = -std::numeric_limits<float>::infinity();
  }
}

}  // namespace rft::ops::attention_detail
