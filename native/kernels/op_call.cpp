#include "kernels/op_call.h"

#include "tensor/values.h"

namespace rft::kernels {

OpCall forward(Ctx ctx, std::vector<Tensor> inputs, const Op& op) {
  OpCall call;
  call.inputs = std::move(inputs);
  ctx.tape = &call.tape;
  call.outputs = op(ctx, call.inputs);
  return call;
}

namespace {

void check_shape(const char* where, const Tensor& gradient, const Tensor& of) {
  if (gradient.count() != of.count()) fail(where, to_string(of.shape()), to_string(gradient.shape()));
}

}  // namespace

void backward(Ctx ctx, OpCall& call, const std::vector<Tensor>& output_grads, const std::vector<Tensor>& input_grads) {
  expect(!call.tape.empty(), "backward", "a call with a backward pass that has not run", "none");
  expect(output_grads.size() == call.outputs.size(), "backward output gradients", concat(call.outputs.size()),
         output_grads.size());
  expect(input_grads.size() == call.inputs.size(), "backward input gradients", concat(call.inputs.size()),
         input_grads.size());
  for (size_t i = 0; i < output_grads.size(); ++i) {
    if (!output_grads[i]) continue;
    check_shape("backward output gradient", output_grads[i], call.outputs[i]);
    call.outputs[i].set_grad(output_grads[i]);
  }
  for (size_t i = 0; i < input_grads.size(); ++i) {
    if (!input_grads[i]) continue;
    expect(call.inputs[i].requires_grad(), "backward input gradient", "an input that requires one", i);
    check_shape("backward input gradient", input_grads[i], call.inputs[i]);
    call.inputs[i].set_grad(input_grads[i].alias(call.inputs[i].shape()));
  }
  call.tape.backward(ctx);
  for (size_t i = 0; i < input_grads.size(); ++i) {
    const Tensor& x = call.inputs[i];
    // An op may have put its sum elsewhere when the memory was shared.
    if (input_grads[i] && x.grad().raw() != input_grads[i].raw()) copy_values(x.grad(), input_grads[i]);
    x.set_grad({});
  }
}

}  // namespace rft::kernels
