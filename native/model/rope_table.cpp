#include "model/rope_table.h"

#include <cmath>

#include "base/parallel_for.h"
#include "tensor/values.h"

namespace rft {

namespace {

// theta^(-2i/dim) for i < dim/2, rounded to fp32 as the original does.
std::vector<float> frequencies(int64_t dim, double theta) {
  std::vector<float> f;
  for (int64_t i = 0; i < dim / 2; ++i) f.push_back(float(1.0 / std::pow(theta, double(2 * i) / double(dim))));
  return f;
}

template <class Angle>
RopeTable fill(Ctx& ctx, int64_t tokens, int64_t pairs, Angle angle) {
  RopeTable table{ctx.empty({tokens, pairs}), ctx.empty({tokens, pairs})};
  if (ctx.meta()) return table;
  std::vector<float> cos(static_cast<size_t>(tokens * pairs)), sin(cos.size());
  parallel_ranges(tokens, 64, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t)
      for (int64_t i = 0; i < pairs; ++i) {
        const float a = angle(t, i);
        cos[size_t(t * pairs + i)] = std::cos(a);
        sin[size_t(t * pairs + i)] = std::sin(a);
      }
  });
  upload(cos.data(), table.cos);
  upload(sin.data(), table.sin);
  return table;
}

}  // namespace

RopeTable text_rope(Ctx& ctx, const int32_t* positions, int64_t tokens, int64_t head_dim, double theta,
                    const std::optional<std::array<int, 3>>& section) {
  const auto f = frequencies(head_dim, theta);
  std::vector<int> axis(size_t(head_dim / 2), 0);
  if (section)
    for (int i = 0; i < int(axis.size()); ++i)
      axis[size_t(i)] = i < (*section)[0] ? 0 : i < (*section)[0] + (*section)[1] ? 1 : 2;
  return fill(ctx, tokens, head_dim / 2,
              [&](int64_t t, int64_t i) { return float(positions[axis[size_t(i)] * tokens + t]) * f[size_t(i)]; });
}

RopeTable vision_rope(Ctx& ctx, const std::vector<std::array<int32_t, 2>>& patches, int64_t head_dim, double theta) {
  const auto f = frequencies(head_dim / 2, theta);
  const int64_t quarter = head_dim / 4;
  return fill(ctx, int64_t(patches.size()), head_dim / 2, [&](int64_t t, int64_t i) {
    return float(patches[size_t(t)][i < quarter ? 0 : 1]) * f[size_t(i % quarter)];
  });
}

}  // namespace rft
