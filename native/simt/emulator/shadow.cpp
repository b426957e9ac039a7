// Which memory an address belongs to, and the compiler's hooks. Kernel files of a checked build are compiled with
// -fsanitize=thread, so that g++ calls __tsan_readN and __tsan_writeN for every plain load and store. They are defined
// here; libtsan is never linked.
#include "simt/emulator/shadow.h"

#include "base/error.h"
#include "simt/emulator/device.h"

// Of the program, or of the library that the emulator is part of.
extern "C" __attribute__((visibility("hidden"))) char __ehdr_start, _end;

namespace rft::simt::emulator {
namespace {

uint64_t hooked_accesses = 0;

std::string verb(const Access& a) { return a.write() ? "write" : "read"; }

}  // namespace

uint64_t accesses_seen() { return hooked_accesses; }

std::string memory_text(const void* p) {
  if (in_shared(p)) return shared_text(p);
  if (in_heap(p)) return heap_text(p);
  return concat("address ", p);
}

void report_bounds(const Access& a) {
  report("bounds", concat(verb(a), " outside ", memory_text(a.p), " by ", agent_text(a.who.agent), ", ", a.what),
         a.site);
}

void report_uninitialised(const Access& a) {
  report("uninitialised", concat("read of ", memory_text(a.p), " by ", agent_text(a.who.agent), ", ", a.what), a.site);
}

void report_race(const Access& a, uint32_t other_agent, Site other_site, bool other_wrote) {
  report("race",
         concat(verb(a), " after ", other_wrote ? "write" : "read", " on ", memory_text(a.p), ": ",
                agent_text(a.who.agent), ", ", a.what, ", not ordered after ", agent_text(other_agent)),
         a.site, other_site);
}

void access(const void* p, size_t bytes, unsigned mode, const Actor& who, Site site, const char* what) {
  if (bytes == 0) return;
  const Access a{static_cast<const unsigned char*>(p), mode, who, site, what};
  if (in_shared(p)) return shared_access(a, bytes);
  if (in_heap(p)) return global_access(a, bytes);
  const auto* q = static_cast<const char*>(p);
  const auto inside = [q](const void* low, size_t n) { return size_t(q - static_cast<const char*>(low)) < n; };
  if (inside(g.current->stack_low, size_t(g.current->stack_high - g.current->stack_low))) return;  // locals
  if (inside(g.kernel.params, g.kernel.param_bytes)) return;
  if (inside(&__ehdr_start, size_t(&_end - &__ehdr_start))) return;  // constants, __device__ variables
  fatal("bounds",
        concat(verb(a), " of ", memory_text(p), ", which is neither device memory nor the thread's own, by ",
               agent_text(who.agent), ", ", what),
        site);
}

void atomic_access(void* p, unsigned bytes, Loc loc) {
  Enter enter;
  const Site site = site_of(loc);
  if (uintptr_t(p) % bytes != 0) fatal("misaligned", thread_text(g.current->id) + ": atomic", site);
  access(p, bytes, kWrite | kAtomic, current_actor(), site, "atomic");
  if (in_heap(p)) publish_atomic(p);
  breathe(true);
}

void thread_fence(bool beyond_block) {
  Enter enter;
  if (!beyond_block) return;
  Fiber& f = *g.current;
  f.fenced = f.view;
  ++f.view.own;  // later accesses are not covered
}

enum class Volatile { No, Yes };
static void on_access(void* p, size_t bytes, unsigned mode, const void* return_address, Volatile v = Volatile::No) {
  if (!g.running || g.in_runtime) return;
  Enter enter;
  const auto* q = static_cast<const char*>(p);
  if (q >= g.current->stack_low && q < g.current->stack_high) return;
  ++hooked_accesses;
  access(p, bytes, mode, current_actor(), site_of(return_address), (mode & kWrite) != 0 ? "store" : "load");
  breathe(v == Volatile::Yes);
}

}  // namespace rft::simt::emulator

#define SIMT_HOOK(name, n, mode, spin)                        \
  void name##n(void* p) {                                     \
    using namespace rft::simt::emulator;                      \
    on_access(p, n, mode, __builtin_return_address(0), spin); \
  }
#define SIMT_HOOKS(n)                                      \
  SIMT_HOOK(__tsan_read, n, kRead, Volatile::No)           \
  SIMT_HOOK(__tsan_write, n, kWrite, Volatile::No)         \
  SIMT_HOOK(__tsan_volatile_read, n, kRead, Volatile::Yes) \
  SIMT_HOOK(__tsan_volatile_write, n, kWrite, Volatile::Yes)

extern "C" {
SIMT_HOOKS(1)
SIMT_HOOKS(2)
SIMT_HOOKS(4)
SIMT_HOOKS(8)
SIMT_HOOKS(16)
void __tsan_read_range(void* p, size_t n) {
  rft::simt::emulator::on_access(p, n, rft::simt::emulator::kRead, __builtin_return_address(0));
}
void __tsan_write_range(void* p, size_t n) {
  rft::simt::emulator::on_access(p, n, rft::simt::emulator::kWrite, __builtin_return_address(0));
}
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
// -fsanitize=alignment without libubsan. Fatal, because the access itself could fault.
void __ubsan_handle_type_mismatch_v1(void*, void* p) {
  using namespace rft::simt::emulator;
  if (!g.running || g.in_runtime) return;
  Enter enter;
  fatal("misaligned", thread_text(g.current->id) + " dereferences " + memory_text(p),
        site_of(__builtin_return_address(0)));
}
}
