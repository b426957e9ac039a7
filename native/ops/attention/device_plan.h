// A list of segments as the CUDA kernels want it: tiles of query rows for the forward and dQ passes, tiles of key rows
// for the dK/dV pass, in launch order. One array of 32-bit words, sent to the device in one copy.
//
// The query heads of one kv head are packed: row r of a segment is query r / group, head kv_head * group + r % group.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "ops/attention/segment.h"

namespace rft::cuda {

constexpr int kTileRows = 64;  // packed rows of a row tile; keys of a key tile; the forward pass may take twice as many
constexpr int kChunkKeys = 512;  // keys whose sums are taken together before they are merged; see online_softmax.cuh

// Packed rows [first, first + tile's rows) of a segment, as far as it has them.
struct RowTile {
  int32_t segment, first;
};
// Rows [begin, begin + len) of k and v, and the segments that see all of them: visits [first_visit, last_visit).
struct KeyTile {
  int32_t begin, len, first_visit, last_visit;
};
// A segment that sees a key tile, whose first key is logical key `column` of the segment.
struct Visit {
  int32_t segment, column;
};

// The words on the device.
struct PlanView {
  const ops::Segment* segments;
  const RowTile *row_tiles, *forward_tiles;
  const KeyTile* key_tiles;
  const Visit* visits;
  int32_t row_tile_count, forward_tile_count, key_tile_count;
  int32_t forward_rows;
};

struct DevicePlan {
  std::vector<ops::Segment> segments;  // those with queries, then ranges of queries in no segment: they see no keys
  std::vector<RowTile> row_tiles;      // for dQ, longest first
  std::vector<RowTile> forward_tiles;  // the same, of forward_rows rows
  int32_t forward_rows = kTileRows;    // or 2 kTileRows, when few rows of those would be idle
  std::vector<KeyTile> key_tiles;      // most rows first; rows of k in no segment have no visits
  std::vector<Visit> visits;           // by key tile, then by segment

  std::vector<int32_t> words() const;
  // `device`: where words() was copied to.
  PlanView view(const int32_t* device) const;
};

// `segments` have been checked: each range lies in [0, query_rows) or [0, key_rows), no query is in two.
DevicePlan make_device_plan(int64_t query_rows, int64_t key_rows, const std::vector<ops::Segment>& segments, int group);

}  // namespace rft::cuda
