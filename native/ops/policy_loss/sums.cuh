// One block a completion. Thread t adds rows t, t + 256, .. of it, and a fixed tree adds the threads: the order depends
// on the completion's own length only. In double.
#pragma once
#include "ops/kernel.cuh"
#include "ops/policy_loss/launch.h"

namespace rft::cuda {

__device__ __forceinline__ double block_larger(double x, double* partial) {
#pragma unroll
  for (int d = 16; d > 0; d /= 2) x = ops::PolicyLossSums::larger(x, __shfl_xor_sync(kFullWarp, x, d));
  __syncthreads();
  if (threadIdx.x % kWarp == 0) partial[threadIdx.x / kWarp] = x;
  __syncthreads();
  double most = partial[0];
#pragma unroll
  for (unsigned w = 1; w < kThreads / kWarp; ++w) most = ops::PolicyLossSums::larger(most, partial[w]);
  return most;
}

static __global__ void __launch_bounds__(kThreads)
    policy_loss_sums_kernel(ops::SummedColumns<int32_t> in, ops::PolicyLossSums* sums) {
  SIMT_SHARED(double, partial, [kThreads / kWarp]);
  ops::PolicyLossSums own{};
  const int32_t end = in.sequences[blockIdx.x + 1];
  for (int32_t i = in.sequences[blockIdx.x] + int32_t(threadIdx.x); i < end; i += int32_t(kThreads)) own.add(in, i);
  const auto sum = [&](double x) { return block_sum<int(kThreads)>(x, partial); };
  const double loss = sum(own.loss), bonus = sum(own.bonus), kl = sum(own.kl), entropy = sum(own.entropy);
  const double difference = sum(own.difference), most = block_larger(own.difference_max, partial);
  const double log_ratio = sum(own.log_ratio), rows = sum(own.entropy_rows), low = sum(own.low), high = sum(own.high);
  if (threadIdx.x == 0)
    sums[blockIdx.x] = {loss,      bonus,         kl,           entropy,      difference, most,
                        log_ratio, int32_t(rows), int32_t(low), int32_t(high)};
}

}  // namespace rft::cuda
