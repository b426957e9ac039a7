#include "ops/attention/forward.cuh"

#include "ops/attention/dispatch.cuh"

namespace rft::cuda {

using namespace attention;

namespace {

template <class T, int D, int Warps>
void run(const ForwardParams<T>& params, int tiles, Stream stream) {
  const dim3 grid(unsigned(tiles * kParts<Warps>), unsigned(params.sizes.kv_heads));
  launch(Launch{"attention_forward", grid, dim3(32 * Warps), AttendMemory<T, D, Warps>::kBytes, stream},
         attention_forward_kernel<T, D, Warps>, params);
}

}  // namespace

template <class T>
void attention_forward(const AttentionSizes& sizes, const PlanView& plan, const T* q, const T* k, const T* v, T* out,
                       float* lse, Stream stream) {
  const HeadSizes heads = checked(sizes, "attention_forward");
  if (plan.row_tile_count == 0) return;
  // fp32 rows are twice as long: the wide tiles' memory is more than some devices have.
  const bool wide = sizeof(T) == 2 && plan.forward_rows > kTileRows;
  ForwardParams<T> params{q,     k,          v, out, lse, plan.segments, wide ? plan.forward_tiles : plan.row_tiles,
                          heads, sizes.scale};
  with_head_size(sizes.head_dim, [&](auto size) {
    constexpr int D = decltype(size)::value;
    if constexpr (sizeof(T) == 2) {
      if (wide && fits(AttendMemory<T, D, 2 * kWarps>::kBytes))
        return run<T, D, 2 * kWarps>(params, plan.forward_tile_count, stream);
      params.tiles = plan.row_tiles;
    }
    if constexpr (D == 128)
      if (!fits(AttendMemory<T, D, kWarps>::kBytes))
        return run<T, D, kFewWarps<T>>(params, plan.row_tile_count, stream);
    run<T, D, kWarps>(params, plan.row_tile_count, stream);
  });
}

template void attention_forward(const AttentionSizes&, const PlanView&, const float*, const float*, const float*,
                                float*, float*, Stream);
template void attention_forward(const AttentionSizes&, const PlanView&, const bf16*, const bf16*, const bf16*, bf16*,
                                float*, Stream);

}  // namespace rft::cuda
