// One fiber per CUDA thread, blocks one after another in one OS thread. A fiber runs until it waits for others; the
// configured order picks the next one. Switches go from fiber to fiber, about 20 ns each.
#include <sys/mman.h>

#include <algorithm>

#include "base/error.h"
#include "simt/emulator/context_switch.h"
#include "simt/emulator/device.h"
#include "simt/emulator/state.h"

namespace rft::simt {
namespace emulator {

State g;

namespace {

constexpr size_t kStackBytes = 128 * 1024, kPageBytes = 4096;
constexpr unsigned kYieldEvery = 4096, kSpinLimit = 1u << 18;

Config configuration;
Stats counters{};
unsigned lanes_ready[kMaxWarps];  // bit per runnable lane
unsigned warps_ready = 0;         // bit per warp with a runnable lane
void* main_stack = nullptr;
char* stacks = nullptr;
uint64_t random_state = 1;
unsigned since_yield = 0, spins = 0;  // accesses since the last yield, spin-like ones since the last switch

unsigned nth_bit(unsigned mask, unsigned n) {
  while (n-- != 0) mask &= mask - 1;
  return unsigned(__builtin_ctz(mask));
}
unsigned random_bit(unsigned mask) {
  return nth_bit(mask, unsigned(random_bits() % unsigned(__builtin_popcount(mask))));
}
unsigned highest_bit(unsigned mask) { return 31 - unsigned(__builtin_clz(mask)); }
// The lowest bit above `bit`, else the lowest of all.
unsigned next_bit(unsigned mask, unsigned bit) {
  const unsigned above = bit >= 31 ? 0 : mask & (~0u << (bit + 1));
  return unsigned(__builtin_ctz(above != 0 ? above : mask));
}

Fiber* pick_forward() {  // stays in the warp while it has runnable lanes
  const unsigned here = g.current != nullptr ? g.current->id / 32 : 0;
  if (g.current != nullptr && (warps_ready >> here & 1))
    return &g.fibers[here * 32 + next_bit(lanes_ready[here], g.current->id & 31)];
  const unsigned warp = g.current != nullptr ? next_bit(warps_ready, here) : unsigned(__builtin_ctz(warps_ready));
  return &g.fibers[warp * 32 + unsigned(__builtin_ctz(lanes_ready[warp]))];
}

Fiber* pick(Order order) {
  if (tma_in_flight() && configuration.async == Async::Random && random_bits() % 8 == 0) tma_deliver_one();
  while (warps_ready == 0) {
    if (!tma_in_flight()) return nullptr;
    tma_deliver_one();
  }
  if (order == Order::Forward) return pick_forward();
  const bool random = order == Order::Random;
  const unsigned warp = random ? random_bit(warps_ready) : highest_bit(warps_ready);
  const unsigned lanes = lanes_ready[warp];
  return &g.fibers[warp * 32 + (random ? random_bit(lanes) : highest_bit(lanes))];
}

std::string who_waits_where() {
  std::string out;
  int waiting = 0;
  for (const Fiber& f : g.fibers)
    if (f.live && waiting++ < 6)
      out += concat("\n    ", thread_text(f.id), " waits at ", f.waiting_for != nullptr ? f.waiting_for : "?", " ",
                    site_text(site_of(f.wait_loc)));
  return waiting > 6 ? concat(out, "\n    and ", waiting - 6, " more") : out;
}

void dispatch(Order order) {  // leaves the current fiber for the next one
  Fiber* from = g.current;
  Fiber* to = pick(order);
  if (to == from) return;
  if (to == nullptr && g.live_threads != 0)
    fatal("deadlock", "no thread of the block can run: divergent barrier or missing arrival" + who_waits_where(),
          site_of(from->wait_loc));
  void* finished;
  if (to == nullptr) rft_simt_switch(&finished, main_stack);
  ++counters.switches;
  g.current = to;
  rft_simt_switch(&from->stack_pointer, to->stack_pointer);
}

void make_waiting(const Fiber& f) {
  const unsigned warp = f.id / 32;
  lanes_ready[warp] &= ~(1u << (f.id & 31));
  if (lanes_ready[warp] == 0) warps_ready &= ~(1u << warp);
}

void fiber_main() {
  g.in_runtime = false;
  g.kernel.body(g.kernel.params);
  g.in_runtime = true;
  Fiber& f = *g.current;
  f.live = false;
  --g.live_threads;
  make_waiting(f);
  exit_copies(f);
  exit_tma(f);
  exit_barriers(f);
  exit_warps(f);
  dispatch(configuration.order);
  __builtin_unreachable();
}

void start_fiber(Fiber& f) {
  f.live = true;
  f.waiting_for = nullptr;
  start_view(f);
  const size_t colour = f.id * 1088u % 16384u;  // keeps the stacks out of each other's cache sets
  f.stack_pointer = fresh_stack(f.stack_high - colour, fiber_main);
  make_runnable(f);
}

void run_block(uint32_t block, size_t dynamic_shared_bytes) {
  g.block = block;
  g.block_index = {block % g.grid.x, block / g.grid.x % g.grid.y, block / (g.grid.x * g.grid.y)};
  g.live_threads = g.threads;
  std::fill(std::begin(lanes_ready), std::end(lanes_ready), 0u);
  warps_ready = 0;
  begin_shared(dynamic_shared_bytes);
  begin_barriers();
  begin_warps();
  begin_copies();
  begin_mbarriers();
  begin_tma();
  begin_wgmma();
  for (Fiber& f : g.fibers) start_fiber(f);
  g.current = nullptr;
  g.current = pick(configuration.order);
  g.running = g.in_runtime = true;
  rft_simt_switch(&main_stack, g.current->stack_pointer);
  if (!g.abandoned) {
    end_tma();
    end_wgmma();
  }
  g.running = g.in_runtime = false;
  g.current = nullptr;
  ++counters.blocks;
}

void make_fibers(const dim3& block) {
  if (stacks == nullptr) {
    void* p = mmap(nullptr, kStackBytes * kMaxThreads, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) throw Error("emulator: no memory for stacks");
    stacks = static_cast<char*>(p);
    for (unsigned i = 0; i < kMaxThreads; ++i) mprotect(stacks + kStackBytes * i, kPageBytes, PROT_NONE);
  }
  g.fibers.resize(g.threads);
  for (unsigned i = 0; i < g.threads; ++i) {
    Fiber& f = g.fibers[i];
    f.id = i;
    f.index = {i % block.x, i / block.x % block.y, i / (block.x * block.y)};
    f.stack_low = stacks + kStackBytes * i;
    f.stack_high = f.stack_low + kStackBytes;
  }
}

std::vector<uint32_t> block_order(uint32_t blocks) {
  std::vector<uint32_t> order(blocks);
  for (uint32_t i = 0; i < blocks; ++i) order[i] = configuration.order == Order::Reverse ? blocks - 1 - i : i;
  if (configuration.order == Order::Random)
    for (uint32_t i = blocks; i > 1; --i) std::swap(order[i - 1], order[random_bits() % i]);
  return order;
}

void check_launch(const Launch& l) {
  const unsigned threads = l.block.x * l.block.y * l.block.z;
  expect(threads >= 1 && threads <= kMaxThreads, l.name, "1 to 1024 threads a block", threads);
  const bool grid = l.grid.x >= 1 && l.grid.y >= 1 && l.grid.z >= 1 && l.grid.y <= 65535 && l.grid.z <= 65535;
  expect(grid, l.name, "a valid grid", concat(l.grid.x, " x ", l.grid.y, " x ", l.grid.z));
  expect(l.shared <= configuration.max_dynamic_shared, l.name,
         concat("at most ", configuration.max_dynamic_shared, " bytes of dynamic shared memory"), l.shared);
  expect(!g.running, l.name, "a launch from the host", "one from inside a kernel");
}

void throw_reports(const char* kernel) {
  std::string text = concat(kernel, ": expected a clean run but received ", reports().size(), " report(s)");
  for (const Report& r : reports()) text += "\n  " + r.full_text();
  throw Error(text);
}

}  // namespace

uint64_t random_bits() {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state * 0x2545F4914F6CDD1Dull >> 11;
}

void make_warp_runnable(unsigned warp, unsigned lanes) {
  lanes_ready[warp] |= lanes;
  warps_ready |= 1u << warp;
}
void make_runnable(const Fiber& f) { make_warp_runnable(f.id / 32, 1u << (f.id & 31)); }

void block_on(const char* what, const Loc& loc) {
  Fiber& f = *g.current;
  f.waiting_for = what;
  f.wait_loc = loc;
  make_waiting(f);
  dispatch(configuration.order);
  f.waiting_for = nullptr;
}

void abandon_launch() {
  g.abandoned = true;
  void* dropped;
  rft_simt_switch(&dropped, main_stack);
  __builtin_unreachable();
}

void yield() {
  Enter enter;
  dispatch(Order::Random);
}

void breathe(bool may_spin) {
  if (configuration.preempt != 0 && random_bits() % configuration.preempt == 0) return yield();
  spins += may_spin;
  if (++since_yield < kYieldEvery) return;
  since_yield = 0;
  const uint64_t before = counters.switches;
  yield();
  if (counters.switches != before) spins = 0;
  if (spins > kSpinLimit)
    fatal(
        "livelock",
        thread_text(g.current->id) + " spins while no other thread of its block can run; blocks run one after another",
        0);
}

void run_grid(const Launch& l, const Kernel& kernel) {
  check_launch(l);
  clear_reports();
  counters = {};
  random_state = configuration.seed * 0x9E3779B97F4A7C15ull | 1;
  since_yield = spins = 0;
  const uint64_t accesses_before = accesses_seen();
  const uint32_t launch_id = g.launch_id + 1;
  g.grid = l.grid;
  g.block_size = l.block;
  g.kernel = kernel;
  g.abandoned = false;
  g.launch_id = launch_id;
  g.threads = l.block.x * l.block.y * l.block.z;
  g.warps = (g.threads + 31) / 32;
  g.agents = tma_agent(kTmaEngines);
  make_fibers(l.block);
  begin_global();
  for (const uint32_t block : block_order(l.grid.x * l.grid.y * l.grid.z)) {
    if (!g.abandoned) run_block(block, l.shared);
  }
  end_global();
  counters.accesses = accesses_seen() - accesses_before;
  if (configuration.throw_on_report && !reports().empty()) throw_reports(l.name);
}

uint3 thread_index() { return g.current->index; }
uint3 block_index() { return g.block_index; }
dim3 block_size() { return g.block_size; }
dim3 grid_size() { return g.grid; }
int lane_id() { return int(g.current->id & 31); }
void count_ldmatrix(unsigned conflicts) {
  ++counters.ldmatrix_phases;
  counters.ldmatrix_conflicts += conflicts;
}

}  // namespace emulator

Config& config() { return emulator::configuration; }
const Stats& stats() { return emulator::counters; }

}  // namespace rft::simt
