// The kernels for AVX2. Everything after the pragma may use its instructions, so the headers come first and nothing
// here has external linkage but the table.
#if defined(__x86_64__)
#include <immintrin.h>

#include "simd/dispatch.h"

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC target("avx2,fma,f16c")
#pragma GCC diagnostic ignored "-Wpsabi"  // a lambda's unused conversion to a function pointer
#endif

namespace rft::simd {
namespace {
#include "simd/vec_avx2.inl"

#include "simd/gemm_kernel.inl"
#include "simd/vmath_kernel.inl"
}  // namespace

constexpr Kernels kTable{Isa::Avx2, gemm_kernels(), vmath_kernels()};
const Kernels kernels_avx2 = kTable;
}  // namespace rft::simd

#if defined(__clang__)
#pragma clang attribute pop
#endif
#endif
