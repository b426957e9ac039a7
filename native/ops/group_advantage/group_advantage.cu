#include "ops/group_advantage/group_advantage.cuh"

namespace rft::cuda {

void group_advantage(const GroupAdvantage& a, Stream stream) {
  if (a.groups == 0) return;
  if (a.scale == GroupScale::Batch)
    launch(Launch{"batch_deviation", dim3(1), dim3(32), 0, stream}, batch_deviation_kernel, a);
  launch(over_items("group_advantage", int64_t(a.groups) * 32, stream), group_advantage_kernel, a);
}

}  // namespace rft::cuda
