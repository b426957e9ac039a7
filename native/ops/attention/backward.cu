#include "ops/attention/backward_keys.cuh"
#include "ops/attention/backward_queries.cuh"
#include "ops/attention/dispatch.cuh"

namespace rft::cuda {

using namespace attention;

template <class T>
void attention_backward(const AttentionSizes& sizes, const PlanView& plan, const BackwardCall<T>& call, Stream stream) {
  const HeadSizes heads = checked(sizes, "attention_backward");
  const BackwardParams<T> params{call.q,  call.k,  call.v,  call.out, call.dout, call.lse,   call.delta,
                                 call.dq, call.dk, call.dv, plan,     heads,     sizes.scale};
  const dim3 block(kBlockThreads);
  if (sizes.query_rows > 0) {
    const dim3 grid(unsigned(sizes.query_rows), unsigned((sizes.heads + kWarps - 1) / kWarps));
    launch(Launch{"attention_delta", grid, block, 0, stream}, attention_delta_kernel<T>, params);
  }
  with_head_size(sizes.head_dim, [&](auto size) {
    constexpr int D = decltype(size)::value;
    constexpr size_t kBytes = BackwardMemory<T, D>::kBytes;
    const unsigned kv_heads = unsigned(sizes.kv_heads);
    if ((call.dk != nullptr || call.dv != nullptr) && plan.key_tile_count > 0)
      launch(Launch{"attention_key_gradients", dim3(unsigned(plan.key_tile_count), kv_heads), block, kBytes, stream},
             attention_key_gradients_kernel<T, D>, params);
    if (call.dq != nullptr && plan.row_tile_count > 0)
      launch(Launch{"attention_query_gradients", dim3(unsigned(plan.row_tile_count), kv_heads), block, kBytes, stream},
             attention_query_gradients_kernel<T, D>, params);
  });
}

template void attention_backward(const AttentionSizes&, const PlanView&, const BackwardCall<float>&, Stream);
template void attention_backward(const AttentionSizes&, const PlanView&, const BackwardCall<bf16>&, Stream);

}  // namespace rft::cuda
