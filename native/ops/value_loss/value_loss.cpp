// value_loss: rows are independent; computed in double, rounded once. Maths: formula.h.
#include "ops/value_loss/value_loss.h"

#include <algorithm>

#include "base/parallel_for.h"
#include "ops/value_loss/formula.h"

namespace rft::ops {

void value_loss(int64_t n, const ValueLossColumns& in, double clip, const ValueLossResult& out) {
  parallel_ranges(n, 4096, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const double value = in.values[i], old = in.old_values ? double(in.old_values[i]) : value;
      const ValueRow row = value_row(value, in.returns[i], old, clip);
      const bool used = in.weights[i] != 0.0f;
      out.loss[i] = used ? float(row.loss) : 0.0f;
      out.dvalue[i] = used ? float(double(in.weights[i]) * row.slope) : 0.0f;
      out.clipped[i] = uint8_t(used && row.clipped);
    }
  });
}

void value_loss_sums(int64_t n, const float* weights, const ValueLossResult& out, ValueLossSums* sums) {
  for (int64_t tile = 0; tile < value_tiles(n); ++tile) {
    sums[tile] = {};
    const int64_t end = std::min(n, (tile + 1) * kValueTile);
    for (int64_t i = tile * kValueTile; i < end; ++i) sums[tile].add(weights[i], out.loss[i], out.clipped[i] != 0);
  }
}

}  // namespace rft::ops
