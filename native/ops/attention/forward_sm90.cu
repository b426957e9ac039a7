#include "ops/attention/forward_sm90.cuh"

#include "ops/attention/dispatch.cuh"

namespace rft::cuda {

using namespace attention;

bool has_attention_forward_sm90(const AttentionSizes& sizes, const PlanView& plan) {
  return plan.forward_rows == kSm90Rows && (sizes.head_dim == 64 || (sizes.head_dim > 80 && sizes.head_dim <= 128));
}

void attention_forward_sm90(const AttentionSizes& sizes, const PlanView& plan, const bf16* q, const bf16* k,
                            const bf16* v, bf16* out, float* lse, Stream stream) {
  const HeadSizes heads = checked(sizes, "attention_forward_sm90");
  expect(has_attention_forward_sm90(sizes, plan), "attention_forward_sm90", "head size 64 or 128 and tiles of 128 rows",
         concat("head size ", sizes.head_dim, ", ", plan.forward_rows, " rows"));
  if (plan.forward_tile_count == 0) return;
  const ForwardParams<bf16> params{q, k, v, out, lse, plan.segments, plan.forward_tiles, heads, sizes.scale};
  const dim3 grid(unsigned(plan.forward_tile_count), unsigned(sizes.kv_heads));
  const auto run = [&](auto size) {
    constexpr int D = decltype(size)::value;
    launch(Launch{"attention_forward_sm90", grid, dim3(kSm90Threads), Sm90Memory<D>::kBytes, stream},
           attention_forward_sm90_kernel<D>, params);
  };
  if (sizes.head_dim == 64) run(HeadSize<64>());
  else run(HeadSize<128>());
}

}  // namespace rft::cuda
