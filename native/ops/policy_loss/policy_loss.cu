#include "ops/policy_loss/policy_loss.cuh"
#include "ops/policy_loss/sums.cuh"

namespace rft::cuda {

void policy_loss(const PolicyLoss& call, const ops::PolicyLossParams& params, Stream stream) {
  if (call.n == 0) return;
  if (call.in.ref_logp != nullptr)
    std::visit(
        [&]<class Estimator>(const Estimator&) {
      launch(over_items("kl", call.n, stream), kl_kernel<Estimator>, call, params.kl_coef, params.bias_corrected);
        },
        params.estimator);
  const bool by_completion = ops::needs_sequences(params);
  if (by_completion && call.in.sequence_count == 0) return;
  Launch over_rows = over_items("policy_loss", call.n, stream);
  if (by_completion) over_rows.grid = dim3(unsigned(call.in.sequence_count));
  std::visit(
      [&]<class Objective>(const Objective& objective) {
    if constexpr (Objective::kLevel == ops::Level::Token)
      launch(over_rows, token_loss_kernel<Objective>, objective, call, params.off_policy_threshold);
    else launch(over_rows, sequence_loss_kernel<Objective>, objective, call, params.off_policy_threshold);
      },
      params.objective);
}

void policy_loss_sums(const ops::SummedColumns<int32_t>& in, ops::PolicyLossSums* sums, Stream stream) {
  if (in.sequence_count == 0) return;
  const Launch one_a_completion{"policy_loss_sums", dim3(unsigned(in.sequence_count)), dim3(kThreads), 0, stream};
  launch(one_a_completion, policy_loss_sums_kernel, in, sums);
}

}  // namespace rft::cuda
