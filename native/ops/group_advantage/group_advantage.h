// Group-normalised advantages. Maths: group_advantage.cpp.
#pragma once
#include <cstdint>

namespace rft::ops {

enum class AdvantageScale { Group, Batch, None };

// rewards (B), NaN = no value; groups (B), equal ids = completions of one prompt, in any order -> advantages (B).
void group_advantage(int64_t B, const float* rewards, const int32_t* groups, AdvantageScale scale, float eps,
                     float* advantages);

}  // namespace rft::ops
