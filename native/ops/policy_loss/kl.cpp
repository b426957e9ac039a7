// kl: estimates against the reference and their gradient, row by row, in double, rounded once. Maths: kl.h.
#include "base/parallel_for.h"
#include "ops/policy_loss/policy_loss.h"
#include "simd/multiversion.h"

namespace rft::ops {

void kl(int64_t n, const float* logp, const float* ref_logp, const KlEstimator& estimator, float* value, float* slope) {
  std::visit(
      [&](const auto one) {
    parallel_ranges(n, 4096, [&](int64_t begin, int64_t end) {
      simd::multiversion([&]() RFT_INLINE_LAMBDA {
        for (int64_t i = begin; i < end; ++i) {
          const KlRow row = kl_row(one, double(logp[i]), double(ref_logp[i]));
          value[i] = float(row.value);
          slope[i] = float(row.slope);
        }
      });
    });
      },
      estimator);
}

}  // namespace rft::ops
