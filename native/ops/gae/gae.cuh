// One warp a completion, from its end, 32 rows at a time. A row maps what follows it, L -> a L + b, with a = gamma
// lambda and b = delta, or (1, 0) when it is masked; maps are composed by a scan of five shuffles, in an order that the
// row's place alone decides. In double.
#pragma once
#include "ops/gae/launch.h"
#include "ops/kernel.cuh"

namespace rft::cuda {

static __global__ void __launch_bounds__(256)
    gae_kernel(ops::GaeColumns in, double gamma, double lambda, float* advantages, float* returns) {
  const int64_t completion = item_index() / kWarp;
  const int lane = int(threadIdx.x % kWarp);
  if (completion >= in.sequence_count) return;
  const int begin = in.sequences[completion], end = in.sequences[completion + 1];
  double next_value = 0.0, next_scan = 0.0;  // of the trained row after these 32
  for (int last = end; last > begin; last -= 32) {
    const int t = last - 1 - lane;  // lane 0 is the last row
    const bool inside = t >= begin, trained = inside && (in.mask == nullptr || in.mask[t] != 0);
    const double value = trained && in.values != nullptr ? double(in.values[t]) : 0.0;
    const unsigned trained_lanes = __ballot_sync(kFullWarp, trained);
    const unsigned later = trained_lanes & ((1u << lane) - 1);  // trained rows behind this one
    const int nearest = later != 0 ? 31 - __clz(int(later)) : 0;
    const double lane_value = __shfl_sync(kFullWarp, value, nearest);
    const double after = later != 0 ? lane_value : next_value;
    double a = trained ? gamma * lambda : 1.0;
    double b = trained ? double(in.rewards[t]) + gamma * after - value : 0.0;
#pragma unroll
    for (int d = 1; d < 32; d *= 2) {
      const double earlier_a = __shfl_up_sync(kFullWarp, a, d), earlier_b = __shfl_up_sync(kFullWarp, b, d);
      if (lane >= d) {
        b = a * earlier_b + b;
        a = a * earlier_a;
      }
    }
    const double scan = a * next_scan + b;
    if (inside) {
      advantages[t] = trained ? float(scan) : 0.0f;
      returns[t] = trained ? float(scan + value) : 0.0f;
    }
    next_scan = __shfl_sync(kFullWarp, scan, 31);
    const int first_trained = trained_lanes != 0 ? 31 - __clz(int(trained_lanes)) : 0;
    const double first_value = __shfl_sync(kFullWarp, value, first_trained);
    if (trained_lanes != 0) next_value = first_value;
  }
}

}  // namespace rft::cuda
