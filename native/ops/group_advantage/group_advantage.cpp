// group_advantage: rewards compared within the completions of one prompt (GRPO; Dr.GRPO with None; Lite-PPO with
// Batch).
//
//   Group: A_i = (r_i - mean_g) / (std_g + eps)      std with Bessel's correction
//   Batch: A_i = (r_i - mean_g) / (std_all + eps)
//   None:  A_i =  r_i - mean_g
//
// A NaN reward is left out of every mean and deviation and has advantage 0. A group with one value, and a group of
// equal values, has advantage exactly 0: moments are taken about the group's first value, in double, in two passes.
#include "ops/group_advantage/group_advantage.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace rft::ops {
namespace {

struct Moments {
  double mean, std;
};

template <class Iterator>
Moments moments(const float* rewards, Iterator begin, Iterator end) {
  const double n = double(end - begin);
  if (n == 0) return {0.0, 0.0};
  const double first = rewards[*begin];
  double shift = 0.0, squares = 0.0;
  for (auto i = begin; i != end; ++i) shift += rewards[*i] - first;
  shift /= n;
  for (auto i = begin; i != end; ++i) squares += std::pow(rewards[*i] - first - shift, 2);
  return {first + shift, n > 1 ? std::sqrt(squares / (n - 1)) : 0.0};
}

}  // namespace

void group_advantage(int64_t B, const float* rewards, const int32_t* groups, AdvantageScale scale, float eps,
                     float* advantages) {
  std::fill(advantages, advantages + B, 0.0f);
  std::vector<int64_t> order;
  for (int64_t i = 0; i < B; ++i)
    if (!std::isnan(rewards[i])) order.push_back(i);
  const double batch_std = moments(rewards, order.begin(), order.end()).std;
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return groups[a] < groups[b]; });
  for (auto begin = order.begin(); begin != order.end();) {
    const auto end = std::find_if(begin, order.end(), [&](int64_t i) { return groups[i] != groups[*begin]; });
    const Moments m = moments(rewards, begin, end);
    const double divisor =
        scale == AdvantageScale::None ? 1.0 : (scale == AdvantageScale::Group ? m.std : batch_std) + eps;
    for (; begin != end; ++begin) {
      const double above = rewards[*begin] - m.mean;
      advantages[*begin] = above == 0.0 ? 0.0f : float(above / divisor);
    }
  }
}

}  // namespace rft::ops
