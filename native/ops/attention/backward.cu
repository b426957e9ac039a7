#include "ops/attention/backward_keys.cuh"
#include "ops/attention/backward_queries.cuh"
#include "ops/attention/dispatch.cuh"

namespace rft::cuda {

using namespace attention;

namespace {

template <class T, int D, int Warps>
void run(const BackwardParams<T>& p, Stream stream) {
  constexpr size_t kBytes = BackwardMemory<T, D, Warps>::kBytes;
  const dim3 block(32 * Warps);
  const auto grid = [&](int tiles) { return dim3(unsigned(tiles * kParts<Warps>), unsigned(p.sizes.kv_heads)); };
  if ((p.dk != nullptr || p.dv != nullptr) && p.plan.key_tile_count > 0)
    launch(Launch{"attention_key_gradients", grid(p.plan.key_tile_count), block, kBytes, stream},
           attention_key_gradients_kernel<T, D, Warps>, p);
  if (p.dq != nullptr && p.plan.row_tile_count > 0)
    launch(Launch{"attention_query_gradients", grid(p.plan.row_tile_count), block, kBytes, stream},
           attention_query_gradients_kernel<T, D, Warps>, p);
}

}  // namespace

template <class T>
void attention_backward(const AttentionSizes& sizes, const PlanView& plan, const BackwardCall<T>& call, Stream stream) {
  const HeadSizes heads = checked(sizes, "attention_backward");
  const BackwardParams<T> params{call.q,  call.k,  call.v,  call.out, call.dout, call.lse,   call.delta,
                                 call.dq, call.dk, call.dv, plan,     heads,     sizes.scale};
  if (sizes.query_rows > 0) {
    const dim3 grid(unsigned(sizes.query_rows), unsigned((sizes.heads + kWarps - 1) / kWarps));
    launch(Launch{"attention_delta", grid, dim3(kBlockThreads), 0, stream}, attention_delta_kernel<T>, params);
  }
  with_head_size(sizes.head_dim, [&](auto size) {
    constexpr int D = decltype(size)::value;
    if constexpr (sizeof(T) == 4 && D == 128)
      if (!fits(BackwardMemory<T, D, kWarps>::kBytes)) return run<T, D, kFewWarps<T>>(params, stream);
    run<T, D, kWarps>(params, stream);
  });
}

template void attention_backward(const AttentionSizes&, const PlanView&, const BackwardCall<float>&, Stream);
template void attention_backward(const AttentionSizes&, const PlanView&, const BackwardCall<bf16>&, Stream);

}  // namespace rft::cuda
