// Value loss and its gradient per token. Maths: formula.h.
#pragma once
#include <cstdint>

#include "base/host_device.h"

namespace rft::ops {

// (N) each.
struct ValueLossColumns {
  const float* values;
  const float* returns;
  const float* old_values;  // nullptr: not clipped
  const float* weights;     // a row of weight 0 gives 0, whatever its other columns hold
};

struct ValueLossResult {
  float* loss;       // without the weight
  float* dvalue;     // d(sum of weight x loss) / d(value)
  uint8_t* clipped;  // 1 where the clipped branch is larger
};

// What metrics need of a value loss, over the rows of weight != 0, in double.
struct ValueLossSums {
  double weighted;  // weight x loss
  double loss;
  int32_t clipped, rows;

  RFT_HOST_DEVICE void add(float weight, float row_loss, bool row_clipped) {
    if (weight == 0.0f) return;
    weighted += double(weight) * double(row_loss);
    loss += double(row_loss);
    clipped += row_clipped;
    ++rows;
  }
  void add(const ValueLossSums& other) {
    weighted += other.weighted;
    loss += other.loss;
    clipped += other.clipped;
    rows += other.rows;
  }
};
// Rows are summed in tiles of so many, and the tiles in order.
constexpr int64_t kValueTile = 1024;
constexpr int64_t value_tiles(int64_t n) { return (n + kValueTile - 1) / kValueTile; }

void value_loss(int64_t n, const ValueLossColumns& in, double clip, const ValueLossResult& out);
// Of `out`, as value_loss wrote it: sums (value_tiles(n)).
void value_loss_sums(int64_t n, const float* weights, const ValueLossResult& out, ValueLossSums* sums);

}  // namespace rft::ops
