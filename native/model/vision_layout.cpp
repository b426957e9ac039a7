#include "model/vision_layout.h"

#include <algorithm>

namespace rft {

namespace {

ops::Segment own_segment(int64_t begin, int64_t end) {
  return {int32_t(begin), int32_t(end - begin), 0, 0, int32_t(begin), int32_t(end - begin), 0};
}

}  // namespace

// Windows tile the grid of merged units from the top left, (t, window row, window column); those at the border are
// smaller. Units keep row order within a window.
VisionLayout vision_layout(const VisionSpec& spec, const std::vector<int32_t>& grids) {
  VisionLayout out;
  const int64_t m = spec.merge, unit = m * m;
  const int64_t side = spec.window_size ? std::max<int64_t>(1, spec.window_size / m / spec.patch_size) : 0;
  int64_t first_unit = 0;
  for (size_t g = 0; g + 2 < grids.size(); g += 3) {
    const int64_t t = grids[g], h = grids[g + 1], w = grids[g + 2];
    expect(t > 0 && h > 0 && w > 0 && h % m == 0 && w % m == 0, "image grid",
           concat("positive t, and h and w divisible by ", m), concat("(", t, ",", h, ",", w, ")"));
    const int64_t rows = h / m, columns = w / m;
    const int64_t wh = side ? side : rows, ww = side ? side : columns;
    out.unit_place.resize(size_t(first_unit + t * rows * columns));
    for (int64_t f = 0; f < t; ++f) {
      const int64_t frame_begin = int64_t(out.patch_order.size());
      for (int64_t r0 = 0; r0 < rows; r0 += wh)
        for (int64_t c0 = 0; c0 < columns; c0 += ww) {
          const int64_t begin = int64_t(out.patch_order.size());
          for (int64_t r = r0; r < std::min(rows, r0 + wh); ++r)
            for (int64_t c = c0; c < std::min(columns, c0 + ww); ++c) {
              const int64_t u = first_unit + (f * rows + r) * columns + c;
              out.unit_place[size_t(u)] = int32_t(out.patch_order.size() / size_t(unit));
              for (int64_t i = 0; i < unit; ++i) {
                out.patch_order.push_back(int32_t(u * unit + i));
                out.positions.push_back({int32_t(r * m + i / m), int32_t(c * m + i % m)});
              }
            }
          out.windows.push_back(own_segment(begin, int64_t(out.patch_order.size())));
        }
      out.frames.push_back(own_segment(frame_begin, int64_t(out.patch_order.size())));
    }
    first_unit += t * rows * columns;
  }
  return out;
}

}  // namespace rft
