// The launch in progress, and what the parts of the emulator ask of each other. Not for kernels or tests.
#pragma once
#include <vector>

#include "simt/emulator/calls.h"
#include "simt/emulator/clocks.h"
#include "simt/emulator/launch.h"
#include "simt/emulator/report.h"

namespace rft::simt::emulator {

constexpr unsigned kMaxThreads = 1024, kMaxWarps = kMaxThreads / 32;
constexpr unsigned kTmaEngines = 16;

// One CUDA thread.
struct Fiber {
  void* stack_pointer = nullptr;
  char *stack_low = nullptr, *stack_high = nullptr;
  uint32_t id = 0;
  uint3 index{};
  bool live = false;
  const char* waiting_for = nullptr;
  Loc wait_loc;
  View view, fenced;  // fenced: the view at the last __threadfence
};

struct State {
  dim3 grid, block_size;
  Kernel kernel{};
  bool running = false;
  bool in_runtime = false;  // see Enter
  bool abandoned = false;   // a fatal report: no further block runs
  uint32_t launch_id = 0, block = 0;
  uint32_t threads = 0, warps = 0, agents = 0, live_threads = 0;
  uint3 block_index{};
  Fiber* current = nullptr;
  std::vector<Fiber> fibers;
};
extern State g;

inline uint32_t copier_of(uint32_t thread) { return g.threads + thread; }
inline uint32_t wgmma_agent(uint32_t warp) { return 2 * g.threads + warp; }
inline uint32_t tma_agent(uint32_t engine) { return 2 * g.threads + g.warps + engine; }

// Held by every function that a kernel can call: the linker may give the emulator the instrumented copy of a std::
// template, so the memory hooks must not fire inside it.
struct Enter {
  const bool was = g.in_runtime;
  Enter() { g.in_runtime = true; }
  ~Enter() { g.in_runtime = was; }
};

uint64_t random_bits();

// scheduler.cpp
void make_runnable(const Fiber&);
void make_warp_runnable(unsigned warp, unsigned lanes);
void block_on(const char* what, const Loc&);  // leaves the current thread until make_runnable
[[noreturn]] void abandon_launch();
void breathe(bool may_spin);  // after a memory access: perhaps another thread's turn

// Life of a block, in every part.
void begin_barriers();
void begin_warps();
void begin_copies();
void begin_mbarriers();
void begin_tma();
void begin_wgmma();
void begin_shared(size_t dynamic_bytes);
void begin_global();  // of a launch
void end_global();
void end_tma();
void end_wgmma();
void exit_barriers(Fiber&);  // a thread has returned
void exit_warps(Fiber&);
void exit_copies(Fiber&);
void exit_tma(Fiber&);

// Asynchronous TMA work, which the scheduler may let happen at any time.
bool tma_in_flight();
void tma_deliver_one();

void count_ldmatrix(unsigned bank_conflicts);
uint64_t accesses_seen();
uint32_t next_copy_clock(uint32_t thread);  // of its copy engine

// shared_memory.cpp
constexpr size_t kArenaBytes = 320 * 1024;
extern unsigned char* arena;
uint32_t shared_offset(const void* p, const char* what, Site);

}  // namespace rft::simt::emulator
