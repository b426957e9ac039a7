// PTX instructions of sm_90 and sm_90a: mbarrier, TMA, wgmma, setmaxnreg. Kernels that use them have a body only where
// SIMT_HAS_SM90A is 1, else __trap(): sources are compiled for every architecture, and these are launched on sm_90
// alone.
#pragma once
#include "simt/ptx.h"
#if !SIMT_EMULATED
#include <cuda.h>
#endif

#if defined(__CUDA_ARCH__) && !defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define SIMT_HAS_SM90A 0
#else
#define SIMT_HAS_SM90A 1
#endif

namespace rft::simt {

#if SIMT_EMULATED
using TensorMap = emulator::TensorMap2D;
#else
using TensorMap = CUtensorMap;
#endif

// ---- mbarrier
// --------------------------------------------------------------------------------------------------------
__device__ __forceinline__ void mbarrier_init(uint64_t* bar, unsigned count SIMT_LOC) {
  SIMT_EITHER(asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(bar)), "r"(count)
                           : "memory"),
              emulator::mbarrier_init(bar, count, simt_loc));
}
__device__ __forceinline__ void fence_mbarrier_init() {
  SIMT_EITHER(asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"), emulator::fence_mbarrier_init());
}
// Before TMA or wgmma touches what this thread has stored: every writer fences, then the barrier.
__device__ __forceinline__ void fence_proxy_async() {
  SIMT_EITHER(asm volatile("fence.proxy.async.shared::cta;" ::: "memory"), emulator::fence_proxy_async());
}
__device__ __forceinline__ void mbarrier_arrive(uint64_t* bar SIMT_LOC) {
  SIMT_EITHER(asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(bar))
                           : "memory"),
              emulator::mbarrier_arrive(bar, 0, simt_loc));
}
// Also announces bytes that TMA will bring: the whole box, even where it leaves the tensor.
__device__ __forceinline__ void mbarrier_arrive_expect(uint64_t* bar, unsigned bytes SIMT_LOC) {
  SIMT_EITHER(
      asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(bar)), "r"(bytes)
                   : "memory"),
      emulator::mbarrier_arrive(bar, bytes, simt_loc));
}
// Until the phase of this parity has completed; a new barrier behaves as if phase 1 had.
__device__ __forceinline__ void mbarrier_wait(uint64_t* bar, unsigned parity SIMT_LOC) {
#if SIMT_EMULATED
  emulator::mbarrier_wait(bar, parity, simt_loc);
#else
  asm volatile(
      "{\n"
      ".reg .pred done;\n"
      "again:\n"
      "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
      "@!done bra again;\n"
      "}" ::"r"(shared_address(bar)),
      "r"(parity)
      : "memory");
#endif
}

// ---- TMA
// ------------------------------------------------------------------------------------------------------------- The box
// at column x, row y; zeros where it leaves the tensor.
__device__ __forceinline__ void tma_load_2d(void* to, const TensorMap* map, int x, int y, uint64_t* bar SIMT_LOC) {
#if SIMT_EMULATED
  emulator::tma_load_2d(to, map, x, y, bar, simt_loc);
#else
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4}], [%2];" ::
          "r"(shared_address(to)),
      "l"(map), "r"(shared_address(bar)), "r"(x), "r"(y)
      : "memory");
#endif
}
__device__ __forceinline__ void tma_store_2d(const TensorMap* map, const void* from, int x, int y SIMT_LOC) {
#if SIMT_EMULATED
  emulator::tma_store_2d(map, from, x, y, simt_loc);
#else
  asm volatile("cp.async.bulk.tensor.2d.global.shared::cta.tile.bulk_group [%0, {%2, %3}], [%1];" ::"l"(map),
               "r"(shared_address(from)), "r"(x), "r"(y)
               : "memory");
#endif
}
__device__ __forceinline__ void tma_store_commit() {
  SIMT_EITHER(asm volatile("cp.async.bulk.commit_group;" ::: "memory"), emulator::tma_store_commit());
}
template <int GroupsLeft>
__device__ __forceinline__ void tma_store_wait() {
  SIMT_EITHER(asm volatile("cp.async.bulk.wait_group %0;" ::"n"(GroupsLeft)
                           : "memory"),
              emulator::tma_store_wait(GroupsLeft));
}

// ---- registers
// ------------------------------------------------------------------------------------------------------- All warps of
// a warpgroup; needs __launch_bounds__(threads, 1). The sum must stay within what was launched.
template <int Count>
__device__ __forceinline__ void setmaxnreg_inc(SIMT_LOC0) {
  SIMT_EITHER(asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(Count)),
              emulator::set_max_registers(Count, simt_loc));
}
template <int Count>
__device__ __forceinline__ void setmaxnreg_dec(SIMT_LOC0) {
  SIMT_EITHER(asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(Count)),
              emulator::set_max_registers(Count, simt_loc));
}

// ---- wgmma
// -----------------------------------------------------------------------------------------------------------
// Descriptor of an operand stored with the 128-byte swizzle; strides in bytes (K-major: stride 1024, leading unused).
__device__ __forceinline__ uint64_t wgmma_descriptor(const void* p, uint32_t leading, uint32_t stride SIMT_LOC) {
  const uint32_t start = SIMT_EITHER(shared_address(p), shared_address(p, simt_loc));
  return uint64_t((start & 0x3ffff) >> 4) | uint64_t(leading >> 4) << 16 | uint64_t(stride >> 4) << 32 |
         uint64_t(1) << 62;
}
__device__ __forceinline__ void wgmma_fence(SIMT_LOC0) {
  SIMT_EITHER(asm volatile("wgmma.fence.sync.aligned;" ::: "memory"), emulator::wgmma_fence(simt_loc));
}
__device__ __forceinline__ void wgmma_commit(SIMT_LOC0) {
  SIMT_EITHER(asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"), emulator::wgmma_commit(simt_loc));
}
template <int GroupsLeft>
__device__ __forceinline__ void wgmma_wait(SIMT_LOC0) {
  SIMT_EITHER(asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(GroupsLeft)
                           : "memory"),
              emulator::wgmma_wait(GroupsLeft, simt_loc));
}

#define SIMT_F8(d, i)                                                                                         \
  "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), "+f"(d[i + 5]), "+f"(d[i + 6]), \
      "+f"(d[i + 7])
#define SIMT_F32(d, i) SIMT_F8(d, i), SIMT_F8(d, i + 8), SIMT_F8(d, i + 16), SIMT_F8(d, i + 24)
#define SIMT_P32_0                                                                                     \
  "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26," \
  "%27,%28,%29,%30,%31"
#define SIMT_P32_1                                                                                       \
  "%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,%48,%49,%50,%51,%52,%53,%54,%55,%56," \
  "%57,%58,%59,%60,%61,%62,%63"
#define SIMT_P64_2                                                                                       \
  "%64,%65,%66,%67,%68,%69,%70,%71,%72,%73,%74,%75,%76,%77,%78,%79,%80,%81,%82,%83,%84,%85,%86,%87,%88," \
  "%89,%90,%91,%92,%93,%94,%95,%96,%97,%98,%99,%100,%101,%102,%103,%104,%105,%106,%107,%108,%109,%110,"  \
  "%111,%112,%113,%114,%115,%116,%117,%118,%119,%120,%121,%122,%123,%124,%125,%126,%127"
#define SIMT_WGMMA(n) "wgmma.mma_async.sync.aligned.m64n" n "k16.f32.bf16.bf16 "

// d (64, N) (+)= a (64, 16) b (16, N); both in shared memory, a K-major, b K-major or (TransB) N-major. A warp owns 16
// rows, and d[4j + i] is C fragment element i of columns 8j to 8j + 7. N is 64, 128 or 256.
template <int N, bool TransB>
__device__ __forceinline__ void wgmma(float (&d)[N / 2], uint64_t a, uint64_t b, bool accumulate SIMT_LOC) {
  static_assert(N == 64 || N == 128 || N == 256);
#if SIMT_EMULATED
  emulator::wgmma_m64k16_bf16({d, N, nullptr, a, b, accumulate, TransB}, simt_loc);
#else
  if constexpr (N == 64)
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %34, 0;\n" SIMT_WGMMA("64") "{" SIMT_P32_0
                                                                               "}, %32, %33, p, 1, 1, 0, %35;\n}"
                 : SIMT_F32(d, 0)
                 : "l"(a), "l"(b), "r"(int(accumulate)), "n"(int(TransB)));
  else if constexpr (N == 128)
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %66, 0;\n" SIMT_WGMMA("128") "{" SIMT_P32_0 "," SIMT_P32_1
                                                                                "}, %64, %65, p, 1, 1, 0, %67;\n}"
                 : SIMT_F32(d, 0), SIMT_F32(d, 32)
                 : "l"(a), "l"(b), "r"(int(accumulate)), "n"(int(TransB)));
  else
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %130, 0;\n" SIMT_WGMMA("256") "{" SIMT_P32_0 "," SIMT_P32_1
                                                                                 "," SIMT_P64_2
                                                                                 "}, %128, %129, p, 1, 1, 0, %131;\n}"
                 : SIMT_F32(d, 0), SIMT_F32(d, 32), SIMT_F32(d, 64), SIMT_F32(d, 96)
                 : "l"(a), "l"(b), "r"(int(accumulate)), "n"(int(TransB)));
#endif
}

// The same with a in registers: the A fragment of mma_m16n8k16, 16 rows a warp.
template <int N, bool TransB>
__device__ __forceinline__ void wgmma_rs(float (&d)[N / 2], const uint32_t (&a)[4], uint64_t b,
                                         bool accumulate SIMT_LOC) {
  static_assert(N == 64 || N == 128 || N == 256);
#if SIMT_EMULATED
  emulator::wgmma_m64k16_bf16({d, N, a, 0, b, accumulate, TransB}, simt_loc);
#else
  if constexpr (N == 64)
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %37, 0;\n" SIMT_WGMMA(
                     "64") "{" SIMT_P32_0 "}, {%32,%33,%34,%35}, %36, p, 1, 1, %38;\n}"
                 : SIMT_F32(d, 0)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(int(accumulate)), "n"(int(TransB)));
  else if constexpr (N == 128)
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %69, 0;\n" SIMT_WGMMA(
                     "128") "{" SIMT_P32_0 "," SIMT_P32_1 "}, {%64,%65,%66,%67}, %68, p, 1, 1, %70;\n}"
                 : SIMT_F32(d, 0), SIMT_F32(d, 32)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(int(accumulate)), "n"(int(TransB)));
  else
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %133, 0;\n" SIMT_WGMMA(
                     "256") "{" SIMT_P32_0 "," SIMT_P32_1 "," SIMT_P64_2
                            "}, {%128,%129,%130,%131}, %132, p, 1, 1, %134;\n}"
                 : SIMT_F32(d, 0), SIMT_F32(d, 32), SIMT_F32(d, 64), SIMT_F32(d, 96)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(int(accumulate)), "n"(int(TransB)));
#endif
}

}  // namespace rft::simt
