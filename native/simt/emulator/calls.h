// What emulated kernels call: the builtins of builtins.h and the wrappers of ptx.h end here. Every call that can be
// wrong in a kernel takes the kernel's source line.
#pragma once
#include <cstddef>
#include <cstdint>
#include <source_location>

#include "simt/emulator/types.h"

namespace rft::simt::emulator {

using Loc = std::source_location;

// Constant for the life of a thread, so the compiler may keep them in registers.
__attribute__((const)) uint3 thread_index();
__attribute__((const)) uint3 block_index();
__attribute__((const)) dim3 block_size();
__attribute__((const)) dim3 grid_size();
int lane_id();

void* shared_variable(const void* key, size_t bytes, size_t align, const char* name);
unsigned char* dynamic_shared();
uint32_t shared_address(const void* p, Loc);  // __cvta_generic_to_shared

void block_barrier(Loc);                                  // __syncthreads
void named_barrier(int id, int threads, bool wait, Loc);  // bar.sync, bar.arrive
enum class Vote { Or, And, Count };
int block_vote(bool predicate, Vote, Loc);  // __syncthreads_or, _and, _count
void warp_sync(unsigned mask, Loc);
void warp_shuffle(unsigned mask, const void* in, void* out, unsigned size, int source_lane, Loc);
unsigned warp_ballot(unsigned mask, bool predicate, Loc);
void yield();  // __nanosleep: lets any other thread run
void thread_fence(bool beyond_block);
void atomic_access(void* p, unsigned bytes, Loc);  // checks and marks; the caller does the arithmetic

void cp_async(void* to, const void* from, unsigned bytes, unsigned source_bytes, Loc);  // the rest is zeros
void cp_async_commit();
void cp_async_wait(unsigned groups_left);
void ldmatrix(uint32_t* r, int count, bool trans, const void* row, Loc);
void mma_m16n8k16_bf16(float* d, const uint32_t* a, const uint32_t* b, Loc);

// What cuTensorMapEncodeTiled encodes for two dimensions; [0] is the contiguous one.
struct TensorMap2D {
  const void* base;
  uint64_t size[2], stride_bytes;
  uint32_t box[2], element_bytes, swizzle_bytes;
};
void mbarrier_init(uint64_t* bar, unsigned count, Loc);
void mbarrier_arrive(uint64_t* bar, unsigned expect_bytes, Loc);
void mbarrier_wait(uint64_t* bar, unsigned parity, Loc);
void fence_mbarrier_init();
void fence_proxy_async();
void tma_load_2d(void* to, const TensorMap2D* map, int x, int y, uint64_t* bar, Loc);
void tma_store_2d(const TensorMap2D* map, const void* from, int x, int y, Loc);
void tma_store_commit();
void tma_store_wait(unsigned groups_left);
void wgmma_fence(Loc);
void wgmma_commit(Loc);
void wgmma_wait(unsigned groups_left, Loc);
struct WgmmaCall {
  float* d;
  int n;
  const uint32_t* a_registers;  // A from registers when set, else from a
  uint64_t a, b;                // shared-memory descriptors
  bool accumulate, b_transposed;
};
void wgmma_m64k16_bf16(const WgmmaCall&, Loc);
void set_max_registers(unsigned count, Loc);

}  // namespace rft::simt::emulator
