// policy_loss_sums: one chain a completion; completions are independent.
#include "ops/policy_loss/sums.h"

#include "base/parallel_for.h"

namespace rft::ops {

void policy_loss_sums(const SummedColumns<uint8_t>& in, PolicyLossSums* sums) {
  parallel_ranges(in.sequence_count, 4, [&](int64_t first, int64_t last) {
    for (int64_t b = first; b < last; ++b) {
      sums[b] = {};
      for (int64_t i = in.sequences[b]; i < in.sequences[b + 1]; ++i) sums[b].add(in, i);
    }
  });
}

}  // namespace rft::ops
