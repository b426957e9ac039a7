#include "tensor/tape.h"

#include "tensor/ctx.h"
#include "tensor/values.h"

namespace rft {

void Tape::record(std::vector<Tensor> outputs, Backward backward) {
  for (auto& t : outputs) {
    t.set_requires_grad(true);
    t = t.slot();  // a closure that reads an output's values captures it
  }
  nodes_.push_back({std::move(outputs), std::move(backward)});
}

namespace {

// Rounds what a node has added to the parameters' gradients.
void fold(Ctx& ctx, WideGradients& wide) {
  for (auto& [x, sum] : wide) {
    if (x.grad()) add_rounded(sum, x.grad());
    else {
      x.set_grad(Tensor(ctx.pool, x.shape(), Dtype::BF16, Purpose::Gradients));
      copy_values(sum, x.grad());
    }
  }
  wide.clear();
}

}  // namespace

void Tape::backward(Ctx& ctx) {
  WideGradients wide;
  Tape* outer = ctx.tape;
  WideGradients* outer_wide = ctx.wide;
  ctx.tape = nullptr;  // closures call ops too; those are not recorded
  ctx.wide = &wide;
  while (!nodes_.empty()) {
    ctx.check_abort();
    Node node = std::move(nodes_.back());
    nodes_.pop_back();
    bool reached = false;
    for (auto& t : node.outputs) reached = reached || bool(t.grad());
    if (reached) node.backward(ctx);
    fold(ctx, wide);
    for (auto& t : node.outputs) t.set_grad({});
  }
  ctx.tape = outer;
  ctx.wide = outer_wide;
}

void accumulate_grad(Ctx& ctx, const Tensor& x, const Tensor& g) {
  if (!x.requires_grad()) return;
  if (g.count() != x.count()) fail("gradient", to_string(x.shape()), to_string(g.shape()));
  if (!x.grad()) return x.set_grad(g.shape() == x.shape() ? g : g.alias(x.shape()));
  // A gradient that another tensor took over as well must not change under it.
  Tensor sum = x.grad().memory_is_shared() ? ctx.empty(x.shape(), x.grad().dtype()) : x.grad();
  if (!ctx.meta()) add_values(x.grad(), g, sum);
  x.set_grad(sum);
}

namespace {

GradTarget wide_target(Ctx& ctx, const Tensor& x) {
  for (auto& [parameter, sum] : *ctx.wide)
    if (parameter.same_as(x)) return {sum, 1.0f};
  ctx.wide->emplace_back(x, ctx.workspace(x.shape()));
  return {ctx.wide->back().second, 0.0f};
}

}  // namespace

GradTarget grad_target(Ctx& ctx, const Tensor& x) {
  if (x.grad_dtype() == Dtype::BF16) return wide_target(ctx, x);
  if (x.grad() && x.grad().memory_is_shared()) {
    Tensor own = ctx.empty(x.shape(), x.grad().dtype());
    copy_values(x.grad(), own);
    x.set_grad(own);
  }
  if (x.grad()) return {x.grad(), 1.0f};
  const bool parameter = x.purpose() == Purpose::Weights;
  x.set_grad(
      Tensor(ctx.pool, x.shape(), parameter ? Dtype::F32 : x.dtype(), parameter ? Purpose::Gradients : ctx.purpose));
  return {x.grad(), 0.0f};
}

Tensor recompute(Ctx& ctx, const std::vector<Tensor>& inputs, Block block) {
  if (!ctx.tape) return block(ctx, inputs);
  Ctx quiet = ctx;
  quiet.tape = nullptr;
  Tensor out = block(quiet, inputs);
  ctx.tape->record({out}, [inputs, out = out.slot(), block = std::move(block), adapters = ctx.adapters,
                           dropout = ctx.dropout](Ctx& c) {
    std::vector<Tensor> leaves;
    for (auto& t : inputs) {
      leaves.push_back(t.alias(t.shape()));
      leaves.back().set_requires_grad(t.requires_grad());
    }
    Tape inner;
    Ctx again = c;
    again.tape = &inner;
    again.adapters = adapters;
    again.dropout = dropout;
    Tensor result = block(again, leaves);
    result.set_grad(out.grad());
    inner.backward(again);
    for (size_t i = 0; i < inputs.size(); ++i)
      if (leaves[i].grad()) accumulate_grad(c, inputs[i], leaves[i].grad());
  });
  return out;
}

}  // namespace rft
