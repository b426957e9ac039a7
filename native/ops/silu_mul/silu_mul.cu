#include "ops/silu_mul/silu_mul.cuh"

namespace rft::cuda {
namespace {

template <class T>
void forward(const T* gate, const T* up, T* y, int64_t n, Stream stream) {
  if (n == 0) return;
  with_packing(packable(n, sizeof(T), gate, up, y), [&](auto packed) {
    launch(over_items("silu_mul", packed ? n / kLanes<T> : n, stream), silu_mul_kernel<T, packed()>, gate, up, y, n);
  });
}

template <class T>
void backward(const SiluMulBackward<T>& a, Stream stream) {
  if (a.n == 0) return;
  with_packing(packable(a.n, sizeof(T), a.gate, a.up, a.dy, a.dgate, a.dup), [&](auto packed) {
    launch(over_items("silu_mul_backward", packed ? a.n / kLanes<T> : a.n, stream),
           silu_mul_backward_kernel<T, packed()>, a);
  });
}

}  // namespace

void silu_mul(const float* gate, const float* up, float* y, int64_t n, Stream stream) {
  forward(gate, up, y, n, stream);
}
void silu_mul(const bf16* gate, const bf16* up, bf16* y, int64_t n, Stream stream) { forward(gate, up, y, n, stream); }
void silu_mul_backward(const SiluMulBackward<float>& a, Stream stream) { backward(a, stream); }
void silu_mul_backward(const SiluMulBackward<bf16>& a, Stream stream) { backward(a, stream); }

}  // namespace rft::cuda
