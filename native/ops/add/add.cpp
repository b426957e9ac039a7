// add: y = a + b, equal shapes. Both gradients are dy; nothing is kept.
#include "ops/ops.h"
#include "ops/rows.h"

namespace rft::ops {

Tensor add(Ctx& ctx, const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape()) fail("add b", concat("shape ", to_string(a.shape())), to_string(b.shape()));
  Tensor y = ctx.empty(a.shape());
  if (!ctx.meta()) {
    const float *pa = a.f32(), *pb = b.f32();
    float* out = y.f32();
    parallel_ranges(y.count(), 16384, [&](int64_t i, int64_t e) { simd::add(pa + i, pb + i, out + i, e - i); });
  }
  if (ctx.records(a, b))
    ctx.tape->record({y}, [a = a.slot(), b = b.slot(), y = y.slot()](Ctx& c) {
      accumulate_grad(c, a, y.grad());
      accumulate_grad(c, b, y.grad());
    });
  return y;
}

}  // namespace rft::ops
