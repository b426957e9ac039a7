#include "ops/dropout/launch.h"
#include "ops/kernel.cuh"

namespace rft::cuda {
namespace {

// philox_uniform of base/philox.h.
__device__ __forceinline__ double philox_uniform(uint64_t seed, uint64_t stream, uint64_t index) {
  uint32_t c0 = uint32_t(index), c1 = uint32_t(index >> 32), c2 = uint32_t(stream), c3 = uint32_t(stream >> 32);
  uint32_t k0 = uint32_t(seed), k1 = uint32_t(seed >> 32);
#pragma unroll
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t(0xD2511F53u) * c0, b = uint64_t(0xCD9E8D57u) * c2;
    c0 = uint32_t(b >> 32) ^ c1 ^ k0;
    c1 = uint32_t(b);
    c2 = uint32_t(a >> 32) ^ c3 ^ k1;
    c3 = uint32_t(a);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return double((uint64_t(c0) << 32 | c1) >> 11) * 0x1p-53;
}

template <class T>
__global__ void __launch_bounds__(256) dropout_kernel(Dropout<T> a) {
  const int64_t i = item_index();
  if (i >= a.n) return;
  const bool dropped = philox_uniform(a.seed, a.stream, uint64_t(i)) < a.p;
  a.y[i] = from_float<T>(dropped ? 0.0f : a.kept * to_float(a.x[i]));
}

template <class T>
void run(const Dropout<T>& a, Stream stream) {
  if (a.n > 0) launch(over_items("dropout", a.n, stream), dropout_kernel<T>, a);
}

}  // namespace

void dropout(const Dropout<float>& a, Stream stream) { run(a, stream); }
void dropout(const Dropout<bf16>& a, Stream stream) { run(a, stream); }

}  // namespace rft::cuda
