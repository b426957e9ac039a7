// importance_ratio: sums over a completion in row order, in double. Maths: importance.h.
#include "ops/importance/importance.h"

#include <cmath>

#include "base/parallel_for.h"

namespace rft::ops {
namespace {

double bounded(double log_ratio, ImportanceBound bound, double low, double high) {
  const double w = std::exp(log_ratio);
  if (bound == ImportanceBound::Mask) return w < low || w > high ? 0.0 : w;
  return w < low ? low : w > high ? high : w;
}

double log_ratio(const ImportanceColumns& in, int64_t i) {
  if (in.mask && !in.mask[i]) return 0.0;
  const double d = double(in.old_logp[i]) - double(in.sampled_logp[i]);
  return std::isnan(d) ? 0.0 : d;
}

}  // namespace

void importance_ratio(const ImportanceColumns& in, ImportanceLevel level, ImportanceBound bound, double low,
                      double high, float* ratio) {
  parallel_ranges(in.sequence_count, 16, [&](int64_t first, int64_t last) {
    for (int64_t b = first; b < last; ++b) {
      const int64_t begin = in.sequences[b], end = in.sequences[b + 1];
      double sum = 0.0, count = 0.0;
      for (int64_t i = begin; i < end; ++i) {
        sum += log_ratio(in, i);
        count += !in.mask || in.mask[i] ? 1.0 : 0.0;
      }
      if (level == ImportanceLevel::SequenceGeometric && count > 0.0) sum /= count;
      for (int64_t i = begin; i < end; ++i)
        ratio[i] = float(bounded(level == ImportanceLevel::Token ? log_ratio(in, i) : sum, bound, low, high));
    }
  });
}

}  // namespace rft::ops
