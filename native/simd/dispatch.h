// What each instruction set provides. kernels_<isa>.cpp fill one table each from the shared sources
// gemm_kernel.inl and vmath_kernel.inl; isa.cpp chooses one table at load.
#pragma once
#include <cstdint>

#include "simd/vmath.h"

namespace rft::simd {

inline constexpr int kMaxRows = 16;

// One tile of C: `rows` x (panels of B), over k in order.
struct Tile {
  int64_t k;
  const float* a;
  int64_t a_stride;  // row-major A: between rows; k-major A: between k
  const void* b;     // floats, or bf16 where the tile is of that kind
  int64_t b_stride;  // between k
  int64_t b_panel;   // between panels
  float* c;
  int64_t ldc;
  bool load_c;         // the chains start from C, not from 0
  int last_lanes;      // columns stored of the last vector
  const float* ahead;  // row-major A: prefetched meanwhile, at each k ahead_step floats further
  int64_t ahead_step;
};
using TileFn = void (*)(const Tile&);

struct GemmKernels {
  int max_rows;  // tallest tile
  int lanes;     // floats in a vector; a panel of B is two vectors wide
  int64_t k_block;
  // Indexed by [B in bf16][row-major A][rows]; `half` is one vector wide, `full` a panel, `wide` is wide_panels[rows]
  // panels.
  TileFn half[2][2][kMaxRows + 1];
  TileFn full[2][2][kMaxRows + 1];
  TileFn wide[2][2][kMaxRows + 1];
  int wide_panels[kMaxRows + 1];
  // dst (k, rows) from A stored (rows, k) or (k, rows). pack_a_rows may write up to 16 floats past the end.
  void (*pack_a_rows)(int64_t rows, int64_t k, const float* a, int64_t lda, float* dst);
  void (*pack_a_cols)(int64_t rows, int64_t k, const float* a, int64_t lda, float* dst);
  // dst (k, panel width), zero padded, from B stored (k, cols) or (cols, k).
  void (*pack_b_rows)(int64_t cols, int64_t k, const float* b, int64_t ldb, float* dst);
  void (*pack_b_cols)(int64_t cols, int64_t k, const float* b, int64_t ldb, float* dst);
};

struct VmathKernels {
  decltype(&simd::sum) sum;
  decltype(&simd::dot) dot;
  decltype(&simd::sum_squares) sum_squares;
  decltype(&simd::max) max;
  decltype(&simd::exp_sum) exp_sum;
  decltype(&simd::exp_sum_weighted) exp_sum_weighted;
  decltype(&simd::add) add;
  decltype(&simd::axpy) axpy;
  decltype(&simd::scale) scale;
  decltype(&simd::mul) mul;
  decltype(&simd::silu_mul) silu_mul;
  decltype(&simd::silu_mul_backward) silu_mul_backward;
  decltype(&simd::gelu_erf) gelu_erf;
  decltype(&simd::gelu_erf_backward) gelu_erf_backward;
  decltype(&simd::gelu_tanh) gelu_tanh;
  decltype(&simd::gelu_tanh_backward) gelu_tanh_backward;
  decltype(&simd::quick_gelu) quick_gelu;
  decltype(&simd::quick_gelu_backward) quick_gelu_backward;
  decltype(&simd::adamw) adamw;
  decltype(&simd::bf16_to_f32) bf16_to_f32;
  decltype(&simd::f32_to_bf16) f32_to_bf16;
  decltype(&simd::f16_to_f32) f16_to_f32;
  decltype(&simd::f32_to_f16) f32_to_f16;
};

struct Kernels {
  Isa isa;
  GemmKernels gemm;
  VmathKernels vmath;
};

extern const Kernels kernels_portable;
#if defined(__x86_64__)
extern const Kernels kernels_avx2;
extern const Kernels kernels_avx512;
#endif

const Kernels& kernels();  // the chosen ones

}  // namespace rft::simd
