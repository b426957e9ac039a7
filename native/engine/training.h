// Scoring and training on packs: the trainer's half of the engine. It runs the same forward pass as generation.
#pragma once
#include <optional>
#include <vector>

#include "model/model.h"

namespace rft {

struct ScoreOutput {
  std::vector<float> logp, entropy;  // (N), nats; empty when not wanted
  std::vector<float> values;         // (N) of the value head; empty when not wanted
};

// A forward pass whose tape is kept until its gradient arrives.
struct PendingBackward {
  Tape tape;
  Tensor logp, entropy, values;
};

// Which heads a pass computes.
struct Heads {
  bool logp = true;
  bool values = false;
};

// d(loss)/d(output) per scored row; empty = 0.
struct OutputGradients {
  std::vector<float> dlogp, dentropy, dvalues;
};

// The same on the model's device, F32; false = 0.
struct GradientTensors {
  Tensor dlogp, dentropy, dvalues;
};

ScoreOutput score(Model& model, Ctx ctx, const Pack& pack, const HeadRows& head, Heads heads = {});

// Forward with a tape; nothing is read back.
PendingBackward record(Model& model, Ctx ctx, const Pack& pack, const HeadRows& head, bool recompute_blocks,
                       Heads heads);
// What a pass computed; waits for it.
ScoreOutput output_of(const PendingBackward& pass);

// (N,C) hidden states of the given rows behind the final norm, without a tape: what heads that are not part of the
// model read.
std::vector<float> hidden_rows(Model& model, Ctx ctx, const Pack& pack, const std::vector<int32_t>& rows);

// Forward with a tape. The caller computes the gradient of its loss and hands it to backward().
std::pair<ScoreOutput, PendingBackward> forward(Model& model, Ctx ctx, const Pack& pack, const HeadRows& head,
                                                bool recompute_blocks, Heads heads = {});
// Adds to the parameters' gradients.
void backward(Ctx ctx, PendingBackward& pending, const OutputGradients& gradients);
void backward(Ctx ctx, PendingBackward& pending, const GradientTensors& gradients);
GradientTensors to_tensors(const Ctx& ctx, const PendingBackward& pass, const OutputGradients& gradients);

// (N,V) logits of the given rows, and named hidden states; for inspection and tests.
std::vector<float> logits(Model& model, Ctx ctx, const Pack& pack, const std::vector<int32_t>& rows,
                          const Trace& trace);

}  // namespace rft
