#include "ops/attention/device_plan.h"

#include <algorithm>
#include <cstring>
#include <map>

namespace rft::cuda {
namespace {

using ops::Segment;

// Ranges [first, second) of [0, rows) that no [begin, end) covers.
std::vector<std::pair<int32_t, int32_t>> complement(std::vector<std::pair<int32_t, int32_t>> ranges, int32_t rows) {
  std::sort(ranges.begin(), ranges.end());
  std::vector<std::pair<int32_t, int32_t>> gaps;
  int32_t end = 0;
  for (auto [b, e] : ranges) {
    if (b > end) gaps.push_back({end, b});
    end = std::max(end, e);
  }
  if (end < rows) gaps.push_back({end, rows});
  return gaps;
}

std::vector<RowTile> make_row_tiles(const DevicePlan& plan, int group, int rows) {
  std::vector<RowTile> tiles;
  for (size_t s = 0; s < plan.segments.size(); ++s)
    for (int32_t r = 0; r < plan.segments[s].q_len * group; r += rows) tiles.push_back({int32_t(s), r});
  auto keys = [&](const RowTile& t) {  // that its last row may see
    const Segment& s = plan.segments[size_t(t.segment)];
    const int32_t last = std::min(s.q_len - 1, (t.first + rows - 1) / group);
    return s.kv0_len + (s.causal ? std::clamp(s.kv1_len - s.q_len + last + 1, 0, s.kv1_len) : s.kv1_len);
  };
  std::stable_sort(tiles.begin(), tiles.end(), [&](const RowTile& a, const RowTile& b) { return keys(a) > keys(b); });
  return tiles;
}

// Cuts the rows that regions cover at every region boundary and into at most kTileRows, and lists who sees each piece.
void add_key_tiles(DevicePlan& plan, int32_t key_rows) {
  std::map<int32_t, std::vector<Visit>> tiles;  // by first row
  std::vector<int32_t> cuts{0, key_rows};
  auto regions = [&](auto each) {
    for (size_t i = 0; i < plan.segments.size(); ++i) {
      const Segment& s = plan.segments[i];
      if (s.kv0_len) each(int32_t(i), s.kv0_begin, s.kv0_len, 0);
      if (s.kv1_len) each(int32_t(i), s.kv1_begin, s.kv1_len, s.kv0_len);
    }
  };
  regions([&](int32_t, int32_t begin, int32_t len, int32_t) { cuts.insert(cuts.end(), {begin, begin + len}); });
  std::sort(cuts.begin(), cuts.end());
  cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
  for (size_t c = 0; c + 1 < cuts.size(); ++c)
    for (int32_t row = cuts[c]; row < cuts[c + 1]; row += kTileRows) tiles[row];
  regions([&](int32_t segment, int32_t begin, int32_t len, int32_t column) {
    for (auto t = tiles.find(begin); t != tiles.end() && t->first < begin + len; ++t)
      t->second.push_back({segment, column + t->first - begin});
  });

  for (auto t = tiles.begin(); t != tiles.end(); ++t) {
    const int32_t next = std::next(t) == tiles.end() ? key_rows : std::next(t)->first,
                  first = int32_t(plan.visits.size());
    plan.visits.insert(plan.visits.end(), t->second.begin(), t->second.end());
    plan.key_tiles.push_back({t->first, next - t->first, first, int32_t(plan.visits.size())});
  }
  auto rows = [&](const KeyTile& t) {
    int64_t sum = 0;
    for (int32_t v = t.first_visit; v < t.last_visit; ++v)
      sum += plan.segments[size_t(plan.visits[size_t(v)].segment)].q_len;
    return sum;
  };
  std::stable_sort(plan.key_tiles.begin(), plan.key_tiles.end(),
                   [&](const KeyTile& a, const KeyTile& b) { return rows(a) > rows(b); });
}

template <class T>
constexpr size_t kWords = sizeof(T) / sizeof(int32_t);

template <class T>
void append(std::vector<int32_t>& words, const std::vector<T>& values) {
  const size_t at = words.size();
  words.resize(at + values.size() * kWords<T>);
  if (!values.empty()) std::memcpy(words.data() + at, values.data(), values.size() * sizeof(T));
}

template <class T>
const T* take(const int32_t*& words, const std::vector<T>& values) {
  const T* first = reinterpret_cast<const T*>(words);
  words += values.size() * kWords<T>;
  return first;
}

}  // namespace

std::vector<int32_t> DevicePlan::words() const {
  std::vector<int32_t> all;
  append(all, segments);
  append(all, row_tiles);
  append(all, forward_tiles);
  append(all, key_tiles);
  append(all, visits);
  return all;
}

PlanView DevicePlan::view(const int32_t* device) const {
  PlanView v{};
  v.segments = take(device, segments);
  v.row_tiles = take(device, row_tiles);
  v.forward_tiles = take(device, forward_tiles);
  v.key_tiles = take(device, key_tiles);
  v.visits = take(device, visits);
  v.row_tile_count = int32_t(row_tiles.size());
  v.forward_tile_count = int32_t(forward_tiles.size());
  v.forward_rows = forward_rows;
  v.key_tile_count = int32_t(key_tiles.size());
  return v;
}

DevicePlan make_device_plan(int64_t query_rows, int64_t key_rows, const std::vector<Segment>& segments, int group) {
  DevicePlan plan;
  std::vector<std::pair<int32_t, int32_t>> queries;
  for (const Segment& s : segments) {
    if (s.q_len == 0) continue;
    plan.segments.push_back(s);
    queries.push_back({s.q_begin, s.q_begin + s.q_len});
  }
  for (auto [begin, end] : complement(queries, int32_t(query_rows)))
    plan.segments.push_back({begin, end - begin, 0, 0, 0, 0, 0});
  plan.row_tiles = make_row_tiles(plan, group, kTileRows);
  plan.forward_tiles = make_row_tiles(plan, group, 2 * kTileRows);
  const size_t spare = 2 * plan.forward_tiles.size() - plan.row_tiles.size();
  if (spare * 4 <= plan.row_tiles.size()) plan.forward_rows = 2 * kTileRows;
  else plan.forward_tiles = plan.row_tiles;
  add_key_tiles(plan, int32_t(key_rows));
  return plan;
}

}  // namespace rft::cuda
