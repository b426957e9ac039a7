#include "ops/group_advantage/group_advantage.cuh"

namespace rft::cuda {
namespace {

void batch_moments(const GroupAdvantage& a, const float* rewards, int ddof, Stream stream) {
  launch(Launch{"batch_moments", dim3(1), dim3(32), 0, stream}, batch_moments_kernel, a.rows, rewards, ddof, a.batch);
}

}  // namespace

void group_advantage(const GroupAdvantage& a, const ops::AdvantageRule& rule, int ddof, Stream stream) {
  if (a.groups == 0) return;
  batch_moments(a, a.in.rewards, ddof, stream);
  std::visit(
      [&]<class Rule>(const Rule& one) {
    launch(over_items("group_advantage", a.groups * 32, stream), group_advantage_kernel<Rule>, a, one, ddof);
      },
      rule);
}

void gdpo(const Gdpo& g, const GroupAdvantage& call, const ops::Normalised& rule, int ddof, Stream stream) {
  if (call.rows == 0) return;
  for (int64_t k = 0; k < g.K; ++k) {
    GroupAdvantage one = call;
    one.in.rewards = g.rewards + k * call.rows;
    one.advantages = g.parts + k * call.rows;
    group_advantage(one, rule, ddof, stream);
  }
  launch(over_items("gdpo_sum", call.rows, stream), gdpo_sum_kernel, call.rows, g.K, g.rewards, g.weights,
         static_cast<const float*>(g.parts), call.advantages);
  batch_moments(call, call.advantages, ddof, stream);
  launch(over_items("standardize", call.rows, stream), standardize_kernel, call.rows,
         static_cast<const BatchMoments*>(call.batch), rule.eps, call.advantages);
}

}  // namespace rft::cuda
