// Scoring and training on packs: the trainer's half of the engine. It runs the same forward pass as generation.
#pragma once
#include <optional>
#include <vector>

#include "model/model.h"
#include "ops/policy_loss/policy_loss.h"

namespace rft {

struct ScoreOutput {
  std::vector<float> logp, entropy;  // (N), nats
};

// A forward pass whose tape is kept until its gradient arrives.
struct PendingBackward {
  Tape tape;
  Tensor logp, entropy;
};

ScoreOutput score(Model& model, Ctx ctx, const Pack& pack, const HeadRows& head);

// Forward with a tape. The caller computes d(loss)/d(logp) and hands it to backward().
std::pair<ScoreOutput, PendingBackward> forward(Model& model, Ctx ctx, const Pack& pack, const HeadRows& head,
                                                bool recompute_blocks);
// Adds to the parameters' gradients. dlogp (N); dentropy (N) or empty.
void backward(Ctx ctx, PendingBackward& pending, const std::vector<float>& dlogp, const std::vector<float>& dentropy);

// (N,V) logits of the given rows, and named hidden states; for inspection and tests.
std::vector<float> logits(Model& model, Ctx ctx, const Pack& pack, const std::vector<int32_t>& rows,
                          const Trace& trace);

}  // namespace rft
