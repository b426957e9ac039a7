// aggregation_weights on CUDA: one warp a completion counts its trained rows, one warp adds the completions in order,
// then every completion writes its weight. Counts are whole numbers, so any order gives the same. Maths: aggregation.h.
#include "ops/kernel.cuh"
#include "ops/policy_loss/launch.h"

namespace rft::cuda {
namespace {

__device__ __forceinline__ bool trained(const ops::AggregationColumns& in, int64_t i) {
  return in.mask == nullptr || in.mask[i] != 0;
}

__global__ void __launch_bounds__(kThreads) count_kernel(ops::AggregationColumns in, double* lengths) {
  const int64_t completion = item_index() / kWarp;
  if (completion >= in.sequence_count) return;
  double count = 0.0;
  for (int64_t i = in.sequences[completion] + int64_t(threadIdx.x % kWarp); i < in.sequences[completion + 1]; i += 32)
    count += trained(in, i) ? 1.0 : 0.0;
  count = warp_sum(count);
  if (threadIdx.x % kWarp == 0) lengths[completion] = count;
}

__global__ void __launch_bounds__(32) total_kernel(int64_t completions, double* lengths) {
  double sum = 0.0;
  for (int64_t b = threadIdx.x; b < completions; b += 32) sum += lengths[b];
  sum = warp_sum(sum);
  if (threadIdx.x == 0) lengths[completions] = sum;
}

__global__ void __launch_bounds__(kThreads)
    weight_kernel(ops::AggregationColumns in, ops::AggregationRule rule, const double* lengths, float* weights) {
  const int64_t completion = item_index() / kWarp;
  if (completion >= in.sequence_count) return;
  const double weight =
      ops::aggregation_weight(rule, in.sequence_count, lengths[in.sequence_count], lengths[completion]);
  for (int64_t i = in.sequences[completion] + int64_t(threadIdx.x % kWarp); i < in.sequences[completion + 1]; i += 32)
    weights[i] = trained(in, i) ? float(weight) : 0.0f;
}

}  // namespace

void aggregation_weights(const ops::AggregationColumns& in, const ops::AggregationRule& rule, double* lengths,
                         float* weights, Stream stream) {
  if (in.sequence_count == 0) return;
  const Launch by_completion = over_items("aggregation_weights", in.sequence_count * 32, stream);
  launch(by_completion, count_kernel, in, lengths);
  launch(Launch{"aggregation_total", dim3(1), dim3(32), 0, stream}, total_kernel, in.sequence_count, lengths);
  launch(by_completion, weight_kernel, in, rule, static_cast<const double*>(lengths), weights);
}

}  // namespace rft::cuda
