// One warp a group, in double, in two passes about the group's first value, so that a group of equal rewards has
// advantage exactly 0. The order of the sums is that of the members.
#pragma once
#include "ops/group_advantage/launch.h"
#include "ops/kernel.cuh"

namespace rft::cuda {

struct GroupMoments {
  double first, shift, std;  // the mean is first + shift
};

// Of members [begin, end), by one warp.
__device__ __forceinline__ GroupMoments group_moments(const float* rewards, const int32_t* members, int begin,
                                                      int end) {
  if (begin == end) return {0.0, 0.0, 0.0};
  const double first = rewards[members[begin]], n = double(end - begin);
  const int lane = int(threadIdx.x % kWarp);
  double shift = 0.0, squares = 0.0;
  for (int i = begin + lane; i < end; i += 32) shift += double(rewards[members[i]]) - first;
  shift = warp_sum(shift) / n;
  for (int i = begin + lane; i < end; i += 32) {
    const double above = double(rewards[members[i]]) - first - shift;
    squares += above * above;
  }
  squares = warp_sum(squares);
  return {first, shift, n > 1.0 ? sqrt(squares / (n - 1.0)) : 0.0};
}

static __global__ void __launch_bounds__(32) batch_deviation_kernel(GroupAdvantage a) {
  const double std = group_moments(a.rewards, a.members, 0, a.members_in_all).std;
  if (threadIdx.x == 0) *a.batch = std;
}

static __global__ void __launch_bounds__(256) group_advantage_kernel(GroupAdvantage a) {
  const int group = int((blockIdx.x * blockDim.x + threadIdx.x) / kWarp);
  if (group >= a.groups) return;
  const int begin = a.begins[group], end = a.begins[group + 1];
  const GroupMoments m = group_moments(a.rewards, a.members, begin, end);
  const double divisor = a.scale == GroupScale::None    ? 1.0
                         : a.scale == GroupScale::Group ? m.std + double(a.eps)
                                                        : *a.batch + double(a.eps);
  for (int i = begin + int(threadIdx.x % kWarp); i < end; i += 32) {
    const double above = double(a.rewards[a.members[i]]) - (m.first + m.shift);
    a.advantages[a.members[i]] = above == 0.0 ? 0.0f : float(above / divisor);
  }
}

}  // namespace rft::cuda
