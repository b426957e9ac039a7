// Compiles one loop for each instruction set and runs the best: for code that the compiler vectorises by itself.
// Nothing is fused or reordered (-ffp-contract=off), so all of them give the same bits.
#pragma once
#include "simd/vmath.h"

#if defined(__GNUC__)
#define RFT_INLINE_LAMBDA __attribute__((always_inline))
#else
#define RFT_INLINE_LAMBDA
#endif

namespace rft::simd {

#if defined(__x86_64__) && defined(__GNUC__)
template <class Body>
__attribute__((target("avx512f,avx512vl,avx512bw,avx512dq"), noinline)) void run_avx512(const Body& body) {
  body();
}
template <class Body>
__attribute__((target("avx2"), noinline)) void run_avx2(const Body& body) {
  body();
}
#endif

// body: a lambda marked RFT_INLINE_LAMBDA that calls always-inline functions only.
template <class Body>
void multiversion(const Body& body) {
#if defined(__x86_64__) && defined(__GNUC__)
  if (isa() == Isa::Avx512) return run_avx512(body);
  if (isa() == Isa::Avx2) return run_avx2(body);
#endif
  body();
}

}  // namespace rft::simd
