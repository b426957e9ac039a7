// The public elementwise functions: each calls the chosen instruction set's kernel.
#include "simd/vmath.h"

#include "simd/dispatch.h"

namespace rft::simd {

float sum(const float* x, int64_t n) { return kernels().vmath.sum(x, n); }
float dot(const float* x, const float* y, int64_t n) { return kernels().vmath.dot(x, y, n); }
float sum_squares(const float* x, int64_t n) { return kernels().vmath.sum_squares(x, n); }
float max(const float* x, int64_t n) { return kernels().vmath.max(x, n); }
float exp_sum(const float* x, float shift, float* y, int64_t n) { return kernels().vmath.exp_sum(x, shift, y, n); }
float exp_sum_weighted(const float* z, float shift, float* weighted, int64_t n) {
  return kernels().vmath.exp_sum_weighted(z, shift, weighted, n);
}
void add(const float* x, const float* y, float* out, int64_t n) { kernels().vmath.add(x, y, out, n); }
void axpy(float a, const float* x, float* y, int64_t n) { kernels().vmath.axpy(a, x, y, n); }
void scale(float a, const float* x, float* out, int64_t n) { kernels().vmath.scale(a, x, out, n); }
void mul(const float* x, const float* y, float* out, int64_t n) { kernels().vmath.mul(x, y, out, n); }
void silu_mul(const float* gate, const float* up, float* out, int64_t n) { kernels().vmath.silu_mul(gate, up, out, n); }
void silu_mul_backward(const float* gate, const float* up, const float* dout, float* dgate, float* dup, int64_t n) {
  kernels().vmath.silu_mul_backward(gate, up, dout, dgate, dup, n);
}
void gelu_erf(const float* x, float* out, int64_t n) { kernels().vmath.gelu_erf(x, out, n); }
void gelu_erf_backward(const float* x, const float* dout, float* dx, int64_t n) {
  kernels().vmath.gelu_erf_backward(x, dout, dx, n);
}
void gelu_tanh(const float* x, float* out, int64_t n) { kernels().vmath.gelu_tanh(x, out, n); }
void gelu_tanh_backward(const float* x, const float* dout, float* dx, int64_t n) {
  kernels().vmath.gelu_tanh_backward(x, dout, dx, n);
}
void quick_gelu(const float* x, float* out, int64_t n) { kernels().vmath.quick_gelu(x, out, n); }
void quick_gelu_backward(const float* x, const float* dout, float* dx, int64_t n) {
  kernels().vmath.quick_gelu_backward(x, dout, dx, n);
}
void adamw(float* p, const float* g, float* m, float* v, int64_t n, float gscale, float lr, float beta1, float beta2,
           float eps, float decay, float c1, float c2) {
  kernels().vmath.adamw(p, g, m, v, n, gscale, lr, beta1, beta2, eps, decay, c1, c2);
}
void bf16_to_f32(const uint16_t* x, float* y, int64_t n) { kernels().vmath.bf16_to_f32(x, y, n); }
void f32_to_bf16(const float* x, uint16_t* y, int64_t n) { kernels().vmath.f32_to_bf16(x, y, n); }
void f16_to_f32(const uint16_t* x, float* y, int64_t n) { kernels().vmath.f16_to_f32(x, y, n); }
void f32_to_f16(const float* x, uint16_t* y, int64_t n) { kernels().vmath.f32_to_f16(x, y, n); }

}  // namespace rft::simd
