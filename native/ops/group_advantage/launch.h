// group_advantage on CUDA. Maths and rules: group_advantage.cpp.
#pragma once
#include <cstdint>

#include "simt/handles.h"

namespace rft::cuda {

enum class GroupScale { Group, Batch, None };

// Rewards without a value (NaN) are in no group and get 0.
struct GroupAdvantage {
  const float* rewards;    // (B)
  const int32_t* members;  // indices of rewards, group by group
  const int32_t* begins;   // (groups + 1) where a group's members begin
  int32_t groups, members_in_all;
  GroupScale scale;
  float eps;
  double* batch;      // workspace for one number
  float* advantages;  // (B), zeros before
};
void group_advantage(const GroupAdvantage&, simt::Stream);

}  // namespace rft::cuda
