// group_advantage, gdpo and standardize on CUDA. Maths and rules: group_advantage.cpp, rules.h.
#pragma once
#include "ops/group_advantage/group_advantage.h"
#include "simt/handles.h"

namespace rft::cuda {

// Moments of the batch, for the rules that look at it.
struct BatchMoments {
  double mean, std, alpha;
};

// Columns are on the device. in.groups is not read: `members` has the rows group by group, those without a value
// included.
struct GroupAdvantage {
  int64_t rows;
  ops::RewardColumns in;
  const int32_t* members;  // (rows)
  const int32_t* begins;   // (groups + 1) where a group's members begin
  int64_t groups;
  BatchMoments* batch;  // workspace for one
  float* advantages;    // (rows)
};
void group_advantage(const GroupAdvantage&, const ops::AdvantageRule&, int ddof, simt::Stream);

// rewards and advantages of the call: (K, rows); those of `call.in` and `call.advantages` are for one reward at a time
// and not read. weights (K), sums (rows): on the device.
struct Gdpo {
  int64_t K;
  const float *rewards, *weights;
  float* parts;  // workspace (K, rows)
};
void gdpo(const Gdpo&, const GroupAdvantage& call, const ops::Normalised& rule, int ddof, simt::Stream);

}  // namespace rft::cuda
