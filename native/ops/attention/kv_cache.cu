#include "ops/attention/kv_cache.cuh"

#include "ops/attention/dispatch.cuh"

namespace rft::cuda {

using namespace attention;

template <class T>
void fill_kv_cache(const AttentionSizes& sizes, const FillCache<T>& call, Stream stream) {
  const HeadSizes heads = checked(sizes, "fill_kv_cache");
  expect(call.len <= call.capacity, "fill_kv_cache rows", concat("at most ", call.capacity), call.len);
  const int64_t items = call.len * (sizes.kv_heads * sizes.head_dim / kLanes<T>);
  if (items == 0) return;
  const dim3 grid(unsigned(ceil_div<int64_t>(items, kBlockThreads)));
  launch(Launch{"fill_kv_cache", grid, dim3(kBlockThreads), 0, stream}, fill_kv_cache_kernel<T>, call, heads);
}

template <class T>
void append_kv_cache(const AttentionSizes& sizes, const CachedSequence<T>* sequences, const T* k, const T* v,
                     Stream stream) {
  const HeadSizes heads = checked(sizes, "append_kv_cache");
  if (sizes.query_rows == 0) return;
  const Launch l{"append_kv_cache", dim3(unsigned(sizes.query_rows)), dim3(kBlockThreads), 0, stream};
  launch(l, append_kv_cache_kernel<T>, sequences, k, v, heads);
}

template void fill_kv_cache(const AttentionSizes&, const FillCache<float>&, Stream);
template void fill_kv_cache(const AttentionSizes&, const FillCache<bf16>&, Stream);
template void append_kv_cache(const AttentionSizes&, const CachedSequence<float>*, const float*, const float*, Stream);
template void append_kv_cache(const AttentionSizes&, const CachedSequence<bf16>*, const bf16*, const bf16*, Stream);

}  // namespace rft::cuda
