// kl on CUDA, one thread a row. Maths: kl.h.
#include "ops/kernel.cuh"
#include "ops/policy_loss/launch.h"

namespace rft::cuda {
namespace {

template <class Estimator>
__global__ void __launch_bounds__(kThreads)
    kl_alone_kernel(int64_t n, const float* logp, const float* ref_logp, float* value, float* slope) {
  const int64_t i = item_index();
  if (i >= n) return;
  const ops::KlRow row = ops::kl_row(Estimator{}, double(logp[i]), double(ref_logp[i]));
  value[i] = float(row.value);
  slope[i] = float(row.slope);
}

}  // namespace

void kl(int64_t n, const float* logp, const float* ref_logp, const ops::KlEstimator& estimator, float* value,
        float* slope, Stream stream) {
  if (n == 0) return;
  std::visit(
      [&]<class Estimator>(const Estimator&) {
    launch(over_items("kl", n, stream), kl_alone_kernel<Estimator>, n, logp, ref_logp, value, slope);
      },
      estimator);
}

}  // namespace rft::cuda
