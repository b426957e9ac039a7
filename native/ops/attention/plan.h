// What a list of attention segments asks for, in units of work: key blocks that are packed once and shared by every
// segment, head and query tile that sees them; query tiles; and the groups of segments that share keys.
#pragma once
#include <cstdint>
#include <vector>

#include "ops/ops.h"

namespace rft::ops::attention_detail {

// Rows [begin, begin + len) of k and v. No region boundary falls inside a block.
struct KeyBlock {
  int64_t begin, len;
};

// One segment: its logical keys are the blocks of region 0, then those of region 1.
struct SegmentPlan {
  int64_t q_begin, q_len;
  int64_t len0, len1;
  bool causal;
  std::vector<int> blocks;  // in logical order

  int64_t keys() const { return len0 + len1; }
  // How many logical keys query i of the segment sees.
  int64_t visible(int64_t i) const;
};

struct QueryTile {
  int segment;
  int64_t first, rows;  // queries [first, first + rows) of the segment
};

struct Plan {
  int64_t query_rows, key_rows;  // rows of q and of k
  int heads, kv_heads, head_dim;
  float scale;
  std::vector<SegmentPlan> segments;
  std::vector<KeyBlock> blocks;
  std::vector<QueryTile> tiles;              // by segment, then by query
  std::vector<std::vector<int>> components;  // tiles whose segments share keys, directly or through others; in order
  std::vector<int64_t> uncovered;            // rows of q outside every segment

  int group() const { return heads / kv_heads; }  // query heads that share one kv head
  int64_t tile_rows() const;                      // the most rows (queries x group) of a tile
};

// Throws rft::Error when a segment lies outside q or k, or two segments claim one query.
Plan make_plan(int64_t query_rows, int64_t key_rows, const std::vector<Segment>& segments, int heads, int kv_heads,
               int head_dim, float scale);

}  // namespace rft::ops::attention_detail
