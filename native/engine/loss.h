// Losses of the engine over one micro-batch, computed where the model is: what is known of the tokens goes there in one
// copy, and sums come back. Between forward and backward the host waits for nothing.
#pragma once
#include <optional>
#include <vector>

#include "engine/training.h"
#include "ops/policy_loss/policy_loss.h"
#include "ops/policy_loss/sums.h"
#include "ops/value_loss/value_loss.h"

namespace rft {

// Columns (N) over the scored rows; empty = absent. See ops::PolicyLossColumns.
struct PolicyLossInput {
  std::vector<float> advantages, weights, old_logp, ref_logp, kl_coef, importance, sampled_logp;
  std::vector<float> entropy_weights;  // d(total)/d(entropy)
  std::vector<uint8_t> keep, selected;
  std::vector<int32_t> sequences;  // (B + 1) offsets of the completions; empty: all rows are one
  ops::PolicyLossParams params{};
};

struct ValueLossInput {
  std::vector<float> returns, old_values, weights;
  double clip = 0.0;
};

struct LossInput {
  std::optional<PolicyLossInput> policy;
  std::optional<ValueLossInput> value;
  OutputGradients gradients;  // of a loss of the caller's own, where there is neither
};

struct PolicyLossReport {
  ops::PolicyLossSums total{};
  std::vector<float> log_ratio;    // (B) of each completion
  std::vector<int32_t> low, high;  // (B) clipped rows of each completion
};

struct LossOutput {
  ScoreOutput score;  // for a loss of the caller's own, which has nothing else to go by
  std::optional<PolicyLossReport> policy;
  std::optional<ops::ValueLossSums> value;
};

// Forward, loss, backward: adds to the parameters' gradients. Throws when columns are missing or of other lengths.
LossOutput forward_backward(Model& model, Ctx ctx, const Pack& pack, const HeadRows& head, bool recompute_blocks,
                            const LossInput& loss);

}  // namespace rft
