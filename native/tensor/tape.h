// Reverse-mode differentiation over coarse ops. Every op that touches a tensor with requires_grad records one node:
// its outputs and a closure that turns the outputs' gradients into the inputs'. What a closure captures is what
// backward keeps alive: the activation memory of a model is exactly the sum of its closures.
#pragma once
#include <functional>
#include <vector>

#include "tensor/tensor.h"

namespace rft {

struct Ctx;

class Tape {
 public:
  using Backward = std::function<void(Ctx&)>;
  // `outputs` become requires_grad. The closure reads output.grad() (false when nothing flowed back into it) and
  // adds to its inputs with accumulate_grad or grad_target. It is skipped when no output has a gradient.
  void record(std::vector<Tensor> outputs, Backward backward);
  // Runs the closures last to first, dropping each after it ran (its activations are freed at once).
  // Seed gradients first: root.set_grad(...).
  void backward(Ctx& ctx);
  void clear() { nodes_.clear(); }
  bool empty() const { return nodes_.empty(); }

 private:
  struct Node {
    std::vector<Tensor> outputs;
    Backward backward;
  };
  std::vector<Node> nodes_;
};

// x.grad += g. Takes g over when it is the first. No-op unless x.requires_grad().
void accumulate_grad(Ctx& ctx, const Tensor& x, const Tensor& g);

// The buffer that an op adds x's gradient to, for ops that can accumulate while they compute.
// beta = 0: overwrite (fresh memory); beta = 1: add. For a parameter it is F32 always: where the gradient is kept in
// BF16, the sum of one node is added to it, rounded once, when the node is done.
struct GradTarget {
  Tensor grad;
  float beta;
};
GradTarget grad_target(Ctx& ctx, const Tensor& x);

// Runs `block` without recording it and keeps only its inputs; backward runs it again. The second run has the same
// bits as the first. `inputs` are the activations it reads; parameters may be captured freely.
using Block = std::function<Tensor(Ctx&, const std::vector<Tensor>& inputs)>;
Tensor recompute(Ctx& ctx, const std::vector<Tensor>& inputs, Block block);

}  // namespace rft
