// Value loss and its gradient per token. Maths: formula.h.
#pragma once
#include <cstdint>

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

void value_loss(int64_t n, const ValueLossColumns& in, double clip, const ValueLossResult& out);

}  // namespace rft::ops
