// PTX instructions of sm_80 and later, each one function with two bodies: assembly for nvcc, a call into the emulator
// for g++. With ptx_sm90.h the only inline assembly in the project.
//
// Fragments of mma m16n8k16 (g = lane / 4, t = lane % 4), two neighbours in k a register:
//   A  a0 (g, 2t)  a1 (g + 8, 2t)  a2 (g, 2t + 8)  a3 (g + 8, 2t + 8)
//   B  b0 (k 2t, n g)  b1 (k 2t + 8, n g)
//   C  c0 c1 (g, 2t and 2t + 1)  c2 c3 (g + 8, ..)     packed to bf16, it is the A fragment of the next product
#pragma once
#include "simt/simt.h"

#if SIMT_EMULATED
#define SIMT_EITHER(gpu, cpu) cpu
#else
#define SIMT_EITHER(gpu, cpu) gpu
#endif

namespace rft::simt {

__device__ __forceinline__ uint32_t shared_address(const void* p SIMT_LOC) {
#if SIMT_EMULATED
  return emulator::shared_address(p, simt_loc);
#else
  return uint32_t(__cvta_generic_to_shared(p));
#endif
}

__device__ __forceinline__ uint32_t pack_bf16(float low, float high) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  uint32_t bits;
  memcpy(&bits, &pair, sizeof bits);
  return bits;
}

// 2^x; subnormal results are 0 on the device.
__device__ __forceinline__ float exp2_approx(float x) {
#if SIMT_EMULATED
  return std::exp2(x);
#else
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#endif
}

// ---- asynchronous copies
// --------------------------------------------------------------------------------------------- Bytes (4, 8 or 16)
// global -> shared; only source_bytes are read, the rest is zeros.
template <int Bytes>
__device__ __forceinline__ void cp_async(void* to, const void* from, int source_bytes = Bytes SIMT_LOC) {
  static_assert(Bytes == 4 || Bytes == 8 || Bytes == 16);
#if SIMT_EMULATED
  emulator::cp_async(to, from, Bytes, unsigned(source_bytes), simt_loc);
#else
  if constexpr (Bytes == 16)  // past L1
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from), "r"(source_bytes)
                 : "memory");
  else
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(shared_address(to)), "l"(from), "n"(Bytes),
                 "r"(source_bytes)
                 : "memory");
#endif
}

__device__ __forceinline__ void cp_async_commit() {
  SIMT_EITHER(asm volatile("cp.async.commit_group;" ::: "memory"), emulator::cp_async_commit());
}

// Until at most GroupsLeft committed groups of this thread are in flight.
template <int GroupsLeft>
__device__ __forceinline__ void cp_async_wait() {
  SIMT_EITHER(asm volatile("cp.async.wait_group %0;" ::"n"(GroupsLeft)
                           : "memory"),
              emulator::cp_async_wait(GroupsLeft));
}

// ---- tensor cores
// ---------------------------------------------------------------------------------------------------- N (1, 2 or 4)
// 8x8 bf16 matrices; lanes 8m to 8m + 7 give the 16-byte rows of matrix m. Trans gives each transposed.
template <bool Trans = false, int N>
__device__ __forceinline__ void ldmatrix(uint32_t (&r)[N], const void* row SIMT_LOC) {
  static_assert(N == 1 || N == 2 || N == 4);
#if SIMT_EMULATED
  emulator::ldmatrix(r, N, Trans, row, simt_loc);
#else
  const uint32_t p = shared_address(row);
  if constexpr (N == 1 && !Trans)
    asm volatile("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%0}, [%1];" : "=r"(r[0]) : "r"(p) : "memory");
  else if constexpr (N == 1)
    asm volatile("ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {%0}, [%1];" : "=r"(r[0]) : "r"(p) : "memory");
  else if constexpr (N == 2 && !Trans)
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];"
                 : "=r"(r[0]), "=r"(r[1])
                 : "r"(p)
                 : "memory");
  else if constexpr (N == 2)
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];"
                 : "=r"(r[0]), "=r"(r[1])
                 : "r"(p)
                 : "memory");
  else if constexpr (!Trans)
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(p)
                 : "memory");
  else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(p)
                 : "memory");
#endif
}

// d (16, 8) += a (16, 16) b (16, 8), bf16 with fp32 accumulation.
__device__ __forceinline__ void mma_m16n8k16(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1 SIMT_LOC) {
#if SIMT_EMULATED
  const uint32_t b[2] = {b0, b1};
  emulator::mma_m16n8k16_bf16(d, a, b, simt_loc);
#else
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#endif
}

// ---- named barriers
// -------------------------------------------------------------------------------------------------- `threads` threads
// in all take part, some of which may only arrive; id 0 is __syncthreads'.
__device__ __forceinline__ void named_barrier_sync(int id, int threads SIMT_LOC) {
  SIMT_EITHER(asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads)
                           : "memory"),
              emulator::named_barrier(id, threads, true, simt_loc));
}
__device__ __forceinline__ void named_barrier_arrive(int id, int threads SIMT_LOC) {
  SIMT_EITHER(asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads)
                           : "memory"),
              emulator::named_barrier(id, threads, false, simt_loc));
}

}  // namespace rft::simt
