#include "ops/attention/plan.h"

#include <algorithm>
#include <map>
#include <numeric>

namespace rft::ops::attention_detail {
namespace {

constexpr int64_t kBlock = 256;          // keys per block: its four packed forms stay in L2
constexpr int64_t kTileRows = 64;        // queries x heads of a tile
constexpr int64_t kScores = 256 * 1024;  // scores of one tile, unless kLeastRows asks for more
constexpr int64_t kLeastRows = 16;

void check(const Segment& s, size_t index, int64_t query_rows, int64_t key_rows) {
  auto range = [&](const char* what, int64_t begin, int64_t len, int64_t rows) {
    if (begin < 0 || len < 0 || begin + len > rows)
      fail(concat("attention segment ", index, " ", what), concat("a range inside [0, ", rows, ")"),
           concat("[", begin, ", ", begin + len, ")"));
  };
  range("queries", s.q_begin, s.q_len, query_rows);
  range("region 0", s.kv0_begin, s.kv0_len, key_rows);
  range("region 1", s.kv1_begin, s.kv1_len, key_rows);
}

std::vector<int64_t> find_uncovered(int64_t query_rows, const std::vector<Segment>& segments) {
  std::vector<uint8_t> covered(size_t(query_rows), 0);
  for (auto& s : segments) {
    for (int64_t i = s.q_begin; i < int64_t(s.q_begin) + s.q_len; ++i) {
      if (covered[size_t(i)]) fail("attention segments", "each query in one segment", concat("query ", i, " in two"));
      covered[size_t(i)] = 1;
    }
  }
  std::vector<int64_t> rows;
  for (int64_t i = 0; i < query_rows; ++i)
    if (!covered[size_t(i)]) rows.push_back(i);
  return rows;
}

// Cuts the rows that any region covers at every region boundary, and into at most kBlock rows.
std::vector<KeyBlock> cut_blocks(const std::vector<Segment>& segments) {
  std::map<int64_t, int64_t> change;  // at a boundary: regions that begin minus regions that end
  for (auto& s : segments) {
    if (s.q_len == 0) continue;
    for (auto [begin, len] : {std::pair<int64_t, int64_t>{s.kv0_begin, s.kv0_len}, {s.kv1_begin, s.kv1_len}}) {
      if (len == 0) continue;
      change[begin] += 1;
      change[begin + len] -= 1;
    }
  }
  std::vector<KeyBlock> blocks;
  int64_t open = 0, previous = 0;
  for (auto [row, delta] : change) {
    if (open > 0)
      for (int64_t b = previous; b < row; b += kBlock) blocks.push_back({b, std::min(kBlock, row - b)});
    open += delta;
    previous = row;
  }
  return blocks;
}

void append_blocks(const std::vector<KeyBlock>& blocks, int64_t begin, int64_t len, std::vector<int>* out) {
  auto first = std::lower_bound(blocks.begin(), blocks.end(), begin,
                                [](const KeyBlock& b, int64_t row) { return b.begin < row; });
  for (auto b = first; b != blocks.end() && b->begin < begin + len; ++b) out->push_back(int(b - blocks.begin()));
}

void add_tiles(Plan& plan, int segment) {
  const SegmentPlan& s = plan.segments[size_t(segment)];
  int64_t rows = std::min(kTileRows, std::max(kLeastRows, kScores / std::max<int64_t>(s.keys(), 1)));
  int64_t queries = std::max<int64_t>(1, rows / plan.group());
  for (int64_t i = 0; i < s.q_len; i += queries) plan.tiles.push_back({segment, i, std::min(queries, s.q_len - i)});
}

// Union-find over segments, joined by the blocks they see.
std::vector<std::vector<int>> find_components(const Plan& plan) {
  std::vector<int> parent(plan.segments.size());
  std::iota(parent.begin(), parent.end(), 0);
  auto root = [&](int s) {
    while (parent[size_t(s)] != s) s = parent[size_t(s)] = parent[size_t(parent[size_t(s)])];
    return s;
  };
  std::vector<int> owner(plan.blocks.size(), -1);
  for (size_t s = 0; s < plan.segments.size(); ++s)
    for (int b : plan.segments[s].blocks) {
      int& o = owner[size_t(b)];
      if (o < 0) o = int(s);
      else parent[size_t(root(int(s)))] = root(o);
    }
  std::map<int, std::vector<int>> by_root;
  for (size_t t = 0; t < plan.tiles.size(); ++t) by_root[root(plan.tiles[t].segment)].push_back(int(t));
  std::vector<std::vector<int>> components;
  for (auto& [r, tiles] : by_root) components.push_back(std::move(tiles));
  std::stable_sort(components.begin(), components.end(), [](auto& a, auto& b) { return a.size() > b.size(); });
  return components;
}

}  // namespace

int64_t SegmentPlan::visible(int64_t i) const {
  return len0 + (causal ? std::clamp<int64_t>(len1 - q_len + i + 1, 0, len1) : len1);
}

int64_t Plan::tile_rows() const {
  int64_t most = 0;
  for (auto& t : tiles) most = std::max(most, t.rows * group());
  return most;
}

Plan make_plan(int64_t query_rows, int64_t key_rows, const std::vector<Segment>& segments, int heads, int kv_heads,
               int head_dim, float scale) {
  for (size_t i = 0; i < segments.size(); ++i) check(segments[i], i, query_rows, key_rows);
  Plan plan{query_rows, key_rows, heads, kv_heads, head_dim, scale, {}, {}, {}, {}, {}};
  plan.uncovered = find_uncovered(query_rows, segments);
  plan.blocks = cut_blocks(segments);
  for (auto& s : segments) {
    if (s.q_len == 0) continue;
    SegmentPlan p{s.q_begin, s.q_len, s.kv0_len, s.kv1_len, s.causal != 0, {}};
    append_blocks(plan.blocks, s.kv0_begin, s.kv0_len, &p.blocks);
    append_blocks(plan.blocks, s.kv1_begin, s.kv1_len, &p.blocks);
    plan.segments.push_back(std::move(p));
    add_tiles(plan, int(plan.segments.size()) - 1);
  }
  plan.components = find_components(plan);
  return plan;
}

}  // namespace rft::ops::attention_detail
