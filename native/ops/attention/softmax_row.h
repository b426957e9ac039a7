// The arithmetic of one query row, shared by the training op and the cached decode so that their bits agree.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "simd/vmath.h"

namespace rft::ops::attention_detail {

struct RowSum {
  float inverse;  // 1 / l, 0 when the row sees no key
  float max, sum;

  float lse() const { return max + std::log(sum); }
};

// scores[0, n) become e^(s - max), scores[n, columns) become 0.
inline RowSum softmax_row(float* scores, int64_t n, int64_t columns) {
  std::fill(scores + n, scores + columns, 0.0f);
  if (n == 0) return {0.0f, -std::numeric_limits<float>::infinity(), 1.0f};
  const float most = simd::max(scores, n);
  const float sum = simd::exp_sum(scores, most, scores, n);
  return {1.0f / sum, most, sum};
}

}  // namespace rft::ops::attention_detail
