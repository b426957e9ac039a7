// whiten: two passes in row order, in double. Maths: whiten.h.
#include "ops/whiten/whiten.h"

#include <cmath>

namespace rft::ops {

void whiten(int64_t n, const float* x, const int32_t* counts, bool shift_mean, float* out) {
  double count = 0.0, sum = 0.0, squares = 0.0;
  const auto count_of = [&](int64_t i) { return counts ? double(counts[i]) : 1.0; };
  for (int64_t i = 0; i < n; ++i) {
    if (count_of(i) == 0.0) continue;
    count += count_of(i);
    sum += count_of(i) * double(x[i]);
  }
  const double mean = count > 0.0 ? sum / count : 0.0;
  for (int64_t i = 0; i < n; ++i)
    if (count_of(i) != 0.0) squares += count_of(i) * (double(x[i]) - mean) * (double(x[i]) - mean);
  const double factor = count > 1.0 ? 1.0 / std::sqrt(squares / (count - 1.0) + kWhitenEps) : 0.0;
  for (int64_t i = 0; i < n; ++i)
    out[i] = count_of(i) == 0.0 ? 0.0f : float((double(x[i]) - mean) * factor + (shift_mean ? 0.0 : mean));
}

}  // namespace rft::ops
