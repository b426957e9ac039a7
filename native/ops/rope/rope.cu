#include "ops/rope/rope.cuh"

namespace rft::cuda {
namespace {

template <class T>
void run(const Rope<T>& a, Stream stream) {
  const int64_t pairs = a.rows * a.heads * a.half;
  if (pairs == 0) return;
  with_packing(packable(a.half, sizeof(T), a.x, a.y), [&](auto packed) {
    launch(over_items("rope", packed ? pairs / kLanes<T> : pairs, stream), rope_kernel<T, packed()>, a);
  });
}

}  // namespace

void rope(const Rope<float>& a, Stream stream) { run(a, stream); }
void rope(const Rope<bf16>& a, Stream stream) { run(a, stream); }

}  // namespace rft::cuda
