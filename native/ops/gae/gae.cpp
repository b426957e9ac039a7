// gae: one reverse scan per completion, in double; completions are independent. Maths: gae.h.
#include "ops/gae/gae.h"

#include "base/parallel_for.h"

namespace rft::ops {

void gae(const GaeColumns& in, double gamma, double lambda, float* advantages, float* returns) {
  parallel_ranges(in.sequence_count, 16, [&](int64_t first, int64_t last) {
    for (int64_t b = first; b < last; ++b) {
      double next_value = 0.0, scan = 0.0;
      for (int64_t t = int64_t(in.sequences[b + 1]) - 1; t >= in.sequences[b]; --t) {
        if (in.mask && !in.mask[t]) {
          advantages[t] = returns[t] = 0.0f;
          continue;
        }
        const double value = in.values ? double(in.values[t]) : 0.0;
        scan = double(in.rewards[t]) + gamma * next_value - value + gamma * lambda * scan;
        next_value = value;
        advantages[t] = float(scan);
        returns[t] = float(scan + value);
      }
    }
  });
}

}  // namespace rft::ops
