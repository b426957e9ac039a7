#include "ops/rms_norm/rms_norm.cuh"

namespace rft::cuda {
namespace {

template <class T>
void forward(const RmsNorm<T>& a, Stream stream) {
  if (a.rows == 0) return;
  with_packing(packable(a.C, sizeof(T), a.x, a.residual, a.w, a.sum, a.y), [&](auto packed) {
    const unsigned rows = unsigned(a.rows);
    if (a.C <= kWarpRow)
      launch(Launch{"rms_norm", dim3(ceil_div(rows, 8u)), dim3(32, 8), 0, stream}, rms_norm_kernel<T, 32, packed()>, a);
    else launch(Launch{"rms_norm", dim3(rows), dim3(256), 0, stream}, rms_norm_kernel<T, 256, packed()>, a);
  });
}

template <class T>
void backward(const RmsNormBackward<T>& a, Stream stream) {
  if (a.rows == 0) return;
  with_packing(packable(a.C, sizeof(T), a.x, a.w, a.dy, a.dx), [&](auto packed) {
    const unsigned rows = unsigned(a.rows);
    const char* name = "rms_norm_backward";
    if (a.C <= kWarpRow)
      launch(Launch{name, dim3(ceil_div(rows, 8u)), dim3(32, 8), 0, stream}, rms_norm_backward_kernel<T, 32, packed()>,
             a);
    else launch(Launch{name, dim3(rows), dim3(256), 0, stream}, rms_norm_backward_kernel<T, 256, packed()>, a);
  });
}

}  // namespace

void rms_norm(const RmsNorm<float>& a, Stream stream) { forward(a, stream); }
void rms_norm(const RmsNorm<bf16>& a, Stream stream) { forward(a, stream); }
void rms_norm_backward(const RmsNormBackward<float>& a, Stream stream) { backward(a, stream); }
void rms_norm_backward(const RmsNormBackward<bf16>& a, Stream stream) { backward(a, stream); }

}  // namespace rft::cuda
