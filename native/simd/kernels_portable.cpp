// The kernels for any CPU.
#include "simd/dispatch.h"

namespace rft::simd {
namespace {
#include "simd/vec_portable.inl"

#include "simd/gemm_kernel.inl"
#include "simd/vmath_kernel.inl"
}  // namespace

constexpr Kernels kTable{Isa::Portable, gemm_kernels(), vmath_kernels()};
const Kernels kernels_portable = kTable;
}  // namespace rft::simd
