#include "model/project.h"

#include "base/parallel_for.h"
#include "ops/ops.h"
#include "simd/gemm.h"
#include "simd/vmath.h"
#include "tensor/values.h"

namespace rft {

Linear make_linear(Weights& weights, const std::string& name, int64_t out, int64_t in, bool bias) {
  Linear linear;
  linear.weight = weights.add(name + ".weight", {out, in});
  if (bias) linear.bias = weights.add(name + ".bias", {out});
  if (const auto* adapter = weights.adapter(name)) {
    linear.lora_a = weights.add(name + kLoraA, {adapter->rank, in});
    linear.lora_b = weights.add(name + kLoraB, {out, adapter->rank});
    linear.lora_scale = adapter->scale;
    linear.dropout = weights.adapter_dropout();
    linear.stream = fnv1a(name);
  }
  return linear;
}

void merge_adapter(Linear& linear) {
  if (!linear.lora_a || linear.weight.device() == Device::Meta) return;
  const int64_t out = linear.weight.dim(0), in = linear.weight.dim(1), rank = linear.lora_a.dim(0);
  std::vector<float> scaled = to_floats(linear.lora_b), weight = to_floats(linear.weight);
  for (float& x : scaled) x *= linear.lora_scale;
  simd::gemm(simd::Trans::No, simd::Trans::No, out, in, rank, scaled.data(), rank, to_floats(linear.lora_a).data(), in,
             1.0f, weight.data(), in);
  write_floats(linear.weight, 0, out * in, weight.data());
  linear.lora_b.zero();
}

// Nothing to rearrange on CUDA: the products there read weights as they lie.
void Linear::pack(Ctx& ctx, Dtype dtype) {
  if (ctx.cuda()) return;
  const int64_t n = weight.dim(0), k = weight.dim(1);
  packed = ctx.workspace({simd::packed_size(n, k)}, dtype);
  if (ctx.meta()) return;
  if (dtype == Dtype::BF16) simd::pack_b_bf16(simd::Trans::Yes, n, k, weight.f32(), k, packed.bf16());
  else simd::pack_b(simd::Trans::Yes, n, k, weight.f32(), k, packed.f32());
}

namespace {

// (T, out): what the adapter adds.
Tensor adapt(Ctx& ctx, const Tensor& x, const Linear& linear) {
  const bool drops = ctx.dropout != 0 && linear.dropout > 0.0f;
  const Tensor seen = drops ? ops::dropout(ctx, x, linear.dropout, ctx.dropout, linear.stream) : x;
  const Tensor h = ops::linear(ctx, seen, linear.lora_a, {});
  return ops::linear(ctx, ops::scale(ctx, h, linear.lora_scale), linear.lora_b, {});
}

Tensor project_base(Ctx& ctx, const Tensor& x, const Linear& linear) {
  if (!linear.packed) return ops::linear(ctx, x, linear.weight, linear.bias);
  expect(!ctx.tape, "project", "no tape while weights are packed", "a recording context");
  const int64_t t = x.rows(), k = linear.weight.dim(1), n = linear.weight.dim(0);
  Tensor y = ctx.empty({t, n});
  if (ctx.meta()) return y;
  constexpr auto No = simd::Trans::No;
  if (linear.packed.dtype() == Dtype::BF16)
    simd::gemm_packed_bf16(No, t, n, k, x.f32(), k, linear.packed.bf16(), 0.0f, y.f32(), n);
  else simd::gemm_packed(No, t, n, k, x.f32(), k, linear.packed.f32(), 0.0f, y.f32(), n);
  if (linear.bias) {
    parallel_ranges(t, 64, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) simd::add(y.row(i), linear.bias.f32(), y.row(i), n);
    });
  }
  return y;
}

}  // namespace

Tensor project(Ctx& ctx, const Tensor& x, const Linear& linear) {
  Tensor y = project_base(ctx, x, linear);
  return linear.lora_a && ctx.adapters ? ops::add(ctx, y, adapt(ctx, x, linear)) : y;
}

}  // namespace rft
