// Vectorised elementwise loops and row reductions, chosen at load by CPU features (AVX-512, AVX2, portable).
// All are serial: callers split the work. A row reduction's order depends on the row's length only: 16 partial sums
// (element j goes to partial j mod 16), then a fixed tree. All three instruction sets give the same order.
#pragma once
#include <cstdint>

namespace rft::simd {

enum class Isa { Portable, Avx2, Avx512 };
Isa isa();                       // the best the CPU has, or RFT_ISA=portable|avx2|avx512
void set_isa_for_test(Isa isa);  // throws if the CPU lacks it

float sum(const float* x, int64_t n);
float dot(const float* x, const float* y, int64_t n);
float sum_squares(const float* x, int64_t n);
float max(const float* x, int64_t n);  // -inf for n = 0

// y = exp(x - shift); returns sum(y). exp(-inf) = 0. Relative error < 2e-7. x may alias y.
float exp_sum(const float* x, float shift, float* y, int64_t n);
// Online pieces of the log-prob head over one block of logits z: returns sum e^(z-shift) and writes
// sum e^(z-shift) * (z-shift) to *weighted (terms with e == 0 count as 0, never 0 * inf).
float exp_sum_weighted(const float* z, float shift, float* weighted, int64_t n);

void add(const float* x, const float* y, float* out, int64_t n);  // out = x + y
void axpy(float a, const float* x, float* y, int64_t n);          // y = fma(a, x, y)
void scale(float a, const float* x, float* out, int64_t n);       // out = a x
void mul(const float* x, const float* y, float* out, int64_t n);  // out = x y
void silu_mul(const float* gate, const float* up, float* out, int64_t n);
// dgate, dup are overwritten. gate, up: forward inputs.
void silu_mul_backward(const float* gate, const float* up, const float* dout, float* dgate, float* dup, int64_t n);
void gelu_erf(const float* x, float* out, int64_t n);
void gelu_erf_backward(const float* x, const float* dout, float* dx, int64_t n);
void gelu_tanh(const float* x, float* out, int64_t n);
void gelu_tanh_backward(const float* x, const float* dout, float* dx, int64_t n);
void quick_gelu(const float* x, float* out, int64_t n);
void quick_gelu_backward(const float* x, const float* dout, float* dx, int64_t n);
// AdamW on one tensor; c1 = 1 / (1 - beta1^t), c2 = 1 / (1 - beta2^t); decay = lr * weight_decay; g is scaled by
// `gscale` first.
void adamw(float* p, const float* g, float* m, float* v, int64_t n, float gscale, float lr, float beta1, float beta2,
           float eps, float decay, float c1, float c2);
void bf16_to_f32(const uint16_t* x, float* y, int64_t n);
void f32_to_bf16(const float* x, uint16_t* y, int64_t n);  // round to nearest even, NaN stays NaN
void f16_to_f32(const uint16_t* x, float* y, int64_t n);
void f32_to_f16(const float* x, uint16_t* y, int64_t n);

}  // namespace rft::simd
