#include "model/project.h"

#include "base/parallel_for.h"
#include "ops/ops.h"
#include "simd/gemm.h"
#include "simd/vmath.h"

namespace rft {

Linear make_linear(Weights& weights, const std::string& name, int64_t out, int64_t in, bool bias) {
  Linear linear;
  linear.weight = weights.add(name + ".weight", {out, in});
  if (bias) linear.bias = weights.add(name + ".bias", {out});
  return linear;
}

void Linear::pack(Ctx& ctx) {
  const int64_t n = weight.dim(0), k = weight.dim(1);
  packed = ctx.workspace({simd::packed_size(n, k)});
  if (!ctx.meta()) simd::pack_b(simd::Trans::Yes, n, k, weight.f32(), k, packed.f32());
}

Tensor project(Ctx& ctx, const Tensor& x, const Linear& linear) {
  if (!linear.packed) return ops::linear(ctx, x, linear.weight, linear.bias);
  expect(!ctx.tape, "project", "no tape while weights are packed", "a recording context");
  const int64_t t = x.rows(), k = linear.weight.dim(1), n = linear.weight.dim(0);
  Tensor y = ctx.empty({t, n});
  if (ctx.meta()) return y;
  simd::gemm_packed(simd::Trans::No, t, n, k, x.f32(), k, linear.packed.f32(), 0.0f, y.f32(), n);
  if (linear.bias) {
    parallel_ranges(t, 64, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) simd::add(y.row(i), linear.bias.f32(), y.row(i), n);
    });
  }
  return y;
}

}  // namespace rft
