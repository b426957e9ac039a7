#include "ops/layer_norm/layer_norm.cuh"

namespace rft::cuda {
namespace {

template <class T>
void forward(const LayerNorm<T>& a, Stream stream) {
  if (a.rows == 0) return;
  with_packing(packable(a.C, sizeof(T), a.x, a.residual, a.w, a.b, a.sum, a.y), [&](auto packed) {
    launch(Launch{"layer_norm", dim3(unsigned(a.rows)), dim3(256), 0, stream}, layer_norm_kernel<T, packed()>, a);
  });
}

template <class T>
void backward(const LayerNormBackward<T>& a, Stream stream) {
  if (a.rows == 0) return;
  with_packing(packable(a.C, sizeof(T), a.x, a.w, a.dy, a.dx), [&](auto packed) {
    launch(Launch{"layer_norm_backward", dim3(unsigned(a.rows)), dim3(256), 0, stream},
           layer_norm_backward_kernel<T, packed()>, a);
  });
}

}  // namespace

void layer_norm(const LayerNorm<float>& a, Stream stream) { forward(a, stream); }
void layer_norm(const LayerNorm<bf16>& a, Stream stream) { forward(a, stream); }
void layer_norm_backward(const LayerNormBackward<float>& a, Stream stream) { backward(a, stream); }
void layer_norm_backward(const LayerNormBackward<bf16>& a, Stream stream) { backward(a, stream); }

}  // namespace rft::cuda
