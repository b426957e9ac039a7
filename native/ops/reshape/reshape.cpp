// reshape: the same elements under another shape. No copy; nothing is kept. Backward: the gradient under the old shape.
#include "ops/ops.h"

namespace rft::ops {

Tensor reshape(Ctx& ctx, const Tensor& x, Shape shape) {
  Tensor out = x.alias(std::move(shape));
  if (ctx.records(x))
    ctx.tape->record({out},
                     [x = x.slot(), out = out.slot()](Ctx& c) { accumulate_grad(c, x, out.grad().alias(x.shape())); });
  return out;
}

}  // namespace rft::ops
