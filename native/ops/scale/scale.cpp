// scale: y = factor x.      dx = factor dy. Nothing is kept.
#include "ops/ops.h"
#include "ops/rows.h"
#include "ops/scale/launch.h"
#include "tensor/dispatch.h"

namespace rft::ops {
namespace {

Tensor times(Ctx& ctx, const Tensor& x, float factor) {
  Tensor y = ctx.empty(x.shape(), x.dtype());
  if (ctx.meta()) return y;
  if (ctx.cuda()) {
    cuda::by_dtype(x, [&]<class T>(T*) { cuda::scale(x.as<T>(), factor, y.as<T>(), x.count(), cuda::stream()); });
    return y;
  }
  const float* in = x.f32();
  float* out = y.f32();
  parallel_ranges(y.count(), 16384, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) out[i] = factor * in[i];
  });
  return y;
}

}  // namespace

Tensor scale(Ctx& ctx, const Tensor& x, float factor) {
  Tensor y = times(ctx, x, factor);
  if (ctx.records(x))
    ctx.tape->record(
        {y}, [x = x.slot(), y = y.slot(), factor](Ctx& c) { accumulate_grad(c, x, times(c, y.grad(), factor)); });
  return y;
}

}  // namespace rft::ops
