// add: y = a + b, equal shapes. Both gradients are dy; nothing is kept.
#include "ops/ops.h"
#include "tensor/values.h"

namespace rft::ops {

Tensor add(Ctx& ctx, const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape()) fail("add b", concat("shape ", to_string(a.shape())), to_string(b.shape()));
  Tensor y = ctx.empty(a.shape(), a.dtype());
  if (!ctx.meta()) add_values(a, b, y);
  record_add(ctx, a, b, y);
  return y;
}

void record_add(Ctx& ctx, const Tensor& a, const Tensor& b, const Tensor& y) {
  if (ctx.records(a, b))
    ctx.tape->record({y}, [a = a.slot(), b = b.slot(), y = y.slot()](Ctx& c) {
      accumulate_grad(c, a, y.grad());
      accumulate_grad(c, b, y.grad());
    });
}

}  // namespace rft::ops
