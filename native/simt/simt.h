// One kernel source, two compilers. nvcc: ordinary CUDA, this header only adds launch() and two macros. g++: the same
// source becomes a test build, run and checked on the CPU by native/simt/emulator.
//
// A kernel file includes this header (and ptx.h for single instructions), uses the usual CUDA builtins, and keeps to
// five rules:
//   1. launch(Launch{"name", grid, block, shared_bytes, stream}, kernel<...>, arguments...)
//   2. static shared memory: SIMT_SHARED(float, partial, [8]);     a plain __shared__ does not compile under g++
//   3. dynamic shared memory: SIMT_DYN_SHARED(smem);               unsigned char*, 1024-aligned; one kernel family per
//      .cu, because nvcc then rounds the static shared memory of every kernel in the file up to 1024 bytes
//   4. inline assembly only in ptx.h and ptx_sm90.h
//   5. no memcpy or memset of a run-time size: the compiler does not show those accesses to the checker
#pragma once
#include "simt/handles.h"

#if defined(__CUDACC__)

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <cstdint>

#include "base/error.h"

#define SIMT_EMULATED 0
#define SIMT_SHARED(type, name, ...) __shared__ type name __VA_ARGS__
#define SIMT_DYN_SHARED(name) extern __shared__ __align__(1024) unsigned char name[]
#define SIMT_LOC0
#define SIMT_LOC

namespace rft::simt {

struct Launch {
  const char* name;
  dim3 grid, block;
  size_t shared = 0;
  Stream stream = nullptr;
};

inline void check(cudaError_t error, const Launch& l, const char* what) {
  if (error == cudaSuccess) return;
  const auto size = [](dim3 d) { return concat("(", d.x, ",", d.y, ",", d.z, ")"); };
  fail(concat("cuda kernel ", l.name, ", grid ", size(l.grid), ", block ", size(l.block), ", ", l.shared, " B shared"),
       what, cudaGetErrorString(error));
}

template <class... P, class... A>
void launch(const Launch& l, void (*kernel)(P...), const A&... args) {
  constexpr size_t kWithoutAsking = 48 * 1024;
  if (l.shared > kWithoutAsking)
    check(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize,
                               int(l.shared)),
          l, "enough shared memory");
  last_kernel = l.name;
  kernel<<<l.grid, l.block, l.shared, l.stream>>>(P(args)...);
  check(cudaGetLastError(), l, "a kernel launch");
}

}  // namespace rft::simt

#else

#define SIMT_EMULATED 1
#include "simt/emulator/builtins.h"
#include "simt/emulator/launch.h"

#endif
