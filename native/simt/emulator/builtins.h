// CUDA's qualifiers and builtins for g++. Only the `_sync` forms exist; cooperative groups do not.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "simt/emulator/calls.h"

#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __grid_constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))

#define SIMT_SHARED(type, name, ...)                                                               \
  static char simt_key_##name;                                                                     \
  typedef type simt_type_##name __VA_ARGS__;                                                       \
  simt_type_##name& name = *static_cast<simt_type_##name*>(::rft::simt::emulator::shared_variable( \
      &simt_key_##name, sizeof(simt_type_##name), alignof(simt_type_##name), #name))
#define SIMT_DYN_SHARED(name) unsigned char* const name = ::rft::simt::emulator::dynamic_shared()

// A trailing parameter that carries the kernel's line into reports; empty under nvcc.
#define SIMT_LOC0 std::source_location simt_loc = std::source_location::current()
#define SIMT_LOC , SIMT_LOC0

#define threadIdx (::rft::simt::emulator::thread_index())
#define blockIdx (::rft::simt::emulator::block_index())
#define blockDim (::rft::simt::emulator::block_size())
#define gridDim (::rft::simt::emulator::grid_size())
constexpr int warpSize = 32;

inline void __syncthreads(SIMT_LOC0) { rft::simt::emulator::block_barrier(simt_loc); }
inline int __syncthreads_or(int p SIMT_LOC) {
  return rft::simt::emulator::block_vote(p != 0, rft::simt::emulator::Vote::Or, simt_loc);
}
inline int __syncthreads_and(int p SIMT_LOC) {
  return rft::simt::emulator::block_vote(p != 0, rft::simt::emulator::Vote::And, simt_loc);
}
inline int __syncthreads_count(int p SIMT_LOC) {
  return rft::simt::emulator::block_vote(p != 0, rft::simt::emulator::Vote::Count, simt_loc);
}
inline void __syncwarp(unsigned mask = ~0u SIMT_LOC) { rft::simt::emulator::warp_sync(mask, simt_loc); }
inline unsigned __ballot_sync(unsigned mask, int p SIMT_LOC) {
  return rft::simt::emulator::warp_ballot(mask, p != 0, simt_loc);
}
inline int __any_sync(unsigned mask, int p SIMT_LOC) { return __ballot_sync(mask, p, simt_loc) != 0; }
inline int __all_sync(unsigned mask, int p SIMT_LOC) { return __ballot_sync(mask, p == 0, simt_loc) == 0; }
inline void __threadfence() { rft::simt::emulator::thread_fence(true); }
inline void __threadfence_block() { rft::simt::emulator::thread_fence(false); }
inline void __nanosleep(unsigned) { rft::simt::emulator::yield(); }

namespace rft::simt::emulator {

template <class T>
T shuffle(unsigned mask, const T& value, int source, const Loc& loc) {
  T out;
  warp_shuffle(mask, &value, &out, sizeof(T), source, loc);
  return out;
}
inline int segment(int width) { return lane_id() & ~(width - 1); }

// One thread runs at a time, so an atomic is a checked read-modify-write.
template <class T, class F>
__attribute__((no_sanitize("thread"))) T atomic(T* p, F update, const Loc& loc) {
  atomic_access(p, sizeof(T), loc);
  const T old = *p;
  *p = update(old);
  return old;
}

}  // namespace rft::simt::emulator

template <class T>
T __shfl_sync(unsigned mask, T v, int source, int width = 32 SIMT_LOC) {
  return rft::simt::emulator::shuffle(mask, v, rft::simt::emulator::segment(width) | (source & (width - 1)), simt_loc);
}
// A lane whose source lies outside its segment keeps its own value.
template <class T>
T __shfl_xor_sync(unsigned mask, T v, int x, int width = 32 SIMT_LOC) {
  const int lane = rft::simt::emulator::lane_id(), source = lane ^ x;
  const bool outside = source >= rft::simt::emulator::segment(width) + width;
  return rft::simt::emulator::shuffle(mask, v, outside ? lane : source, simt_loc);
}
template <class T>
T __shfl_down_sync(unsigned mask, T v, unsigned d, int width = 32 SIMT_LOC) {
  const int lane = rft::simt::emulator::lane_id(), source = lane + int(d);
  const bool outside = source >= rft::simt::emulator::segment(width) + width;
  return rft::simt::emulator::shuffle(mask, v, outside ? lane : source, simt_loc);
}
template <class T>
T __shfl_up_sync(unsigned mask, T v, unsigned d, int width = 32 SIMT_LOC) {
  const int lane = rft::simt::emulator::lane_id(), source = lane - int(d);
  const bool outside = source < rft::simt::emulator::segment(width);
  return rft::simt::emulator::shuffle(mask, v, outside ? lane : source, simt_loc);
}

template <class T>
T atomicAdd(T* p, std::type_identity_t<T> v SIMT_LOC) {
  return rft::simt::emulator::atomic(
      p, [v](T old) { return T(old + v); }, simt_loc);
}
template <class T>
T atomicMax(T* p, std::type_identity_t<T> v SIMT_LOC) {
  return rft::simt::emulator::atomic(
      p, [v](T old) { return old > v ? old : v; }, simt_loc);
}
template <class T>
T atomicMin(T* p, std::type_identity_t<T> v SIMT_LOC) {
  return rft::simt::emulator::atomic(
      p, [v](T old) { return old < v ? old : v; }, simt_loc);
}
template <class T>
T atomicExch(T* p, std::type_identity_t<T> v SIMT_LOC) {
  return rft::simt::emulator::atomic(
      p, [v](T) { return v; }, simt_loc);
}
template <class T>
T atomicCAS(T* p, std::type_identity_t<T> expected, std::type_identity_t<T> v SIMT_LOC) {
  return rft::simt::emulator::atomic(
      p, [=](T old) { return old == expected ? v : old; }, simt_loc);
}

template <class T>
T __ldg(const T* p) {
  return *p;
}
inline float __expf(float x) { return std::exp(x); }
inline float __logf(float x) { return std::log(x); }
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline float __fdividef(float a, float b) { return a / b; }
// As on the device these are never contracted into a fused multiply-add.
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline float __uint_as_float(unsigned u) {
  float f;
  std::memcpy(&f, &u, 4);
  return f;
}
inline unsigned __float_as_uint(float f) {
  unsigned u;
  std::memcpy(&u, &f, 4);
  return u;
}
inline int __popc(unsigned u) { return __builtin_popcount(u); }
inline int __ffs(int u) { return __builtin_ffs(u); }
inline int __clz(int u) { return u != 0 ? __builtin_clz(unsigned(u)) : 32; }
using std::max;
using std::min;
