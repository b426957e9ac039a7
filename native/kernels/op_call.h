// One op called from outside the engine, for other trainers: inputs and gradients lie in the caller's memory, and the
// backward pass is kept until it is asked for.
//
//   OpCall call = forward(ctx, {x, w}, [&](Ctx& c, const auto& in) { return std::vector{ops::rms_norm(c, in[0], in[1],
//   eps)}; }); backward(ctx, call, {dy}, {dx, dw});      // adds to dx and dw
#pragma once
#include <functional>
#include <vector>

#include "tensor/ctx.h"

namespace rft::kernels {

using Op = std::function<std::vector<Tensor>(Ctx&, const std::vector<Tensor>& inputs)>;

struct OpCall {
  std::vector<Tensor> inputs, outputs;
  Tape tape;
};

// Records what backward needs for the inputs that require a gradient.
OpCall forward(Ctx ctx, std::vector<Tensor> inputs, const Op& op);

// output_grads: one per output, empty where nothing flows back. input_grads: one per input, added to; empty where none
// is wanted. A call has one backward.
void backward(Ctx ctx, OpCall& call, const std::vector<Tensor>& output_grads, const std::vector<Tensor>& input_grads);

}  // namespace rft::kernels
