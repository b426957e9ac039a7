// dropout (Srivastava et al. 2014), inverted: y_i = x_i / (1 - p) where u_i >= p, else 0; dx the same with dy for x.
//
// u_i is the uniform number of place i in the stream (seed, stream), so the mask is drawn again where it is needed, in
// backward and in recomputation, and is never stored.
#include "base/philox.h"
#include "ops/dropout/launch.h"
#include "ops/ops.h"
#include "ops/rows.h"
#include "tensor/dispatch.h"

namespace rft::ops {
namespace {

struct Mask {
  float p;
  uint64_t seed, stream;
};

Tensor masked(Ctx& ctx, const Tensor& x, const Mask& mask) {
  Tensor y = ctx.empty(x.shape(), x.dtype());
  if (ctx.meta()) return y;
  const float kept = 1.0f / (1.0f - mask.p);
  if (ctx.cuda()) {
    cuda::by_dtype(x, [&]<class T>(T*) {
      const cuda::Dropout<T> args{x.as<T>(), y.as<T>(), x.count(), double(mask.p), kept, mask.seed, mask.stream};
      cuda::dropout(args, cuda::stream());
    });
    return y;
  }
  const float* in = x.f32();
  float* out = y.f32();
  parallel_ranges(y.count(), 16384, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      out[i] = philox_uniform(mask.seed, mask.stream, uint64_t(i)) < double(mask.p) ? 0.0f : kept * in[i];
  });
  return y;
}

}  // namespace

Tensor dropout(Ctx& ctx, const Tensor& x, float p, uint64_t seed, uint64_t stream) {
  expect(p >= 0.0f && p < 1.0f, "dropout p", "a probability in [0,1)", p);
  const Mask mask{p, seed, stream};
  Tensor y = masked(ctx, x, mask);
  if (ctx.records(x))
    ctx.tape->record({y},
                     [x = x.slot(), y = y.slot(), mask](Ctx& c) { accumulate_grad(c, x, masked(c, y.grad(), mask)); });
  return y;
}

}  // namespace rft::ops
