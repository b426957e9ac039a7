#include "simt/emulator/mbarrier.h"

#include <map>

#include "base/error.h"
#include "simt/emulator/shadow.h"

namespace rft::simt::emulator {
namespace {

std::map<uint32_t, Mbarrier> mbarriers;  // by shared offset

}  // namespace

void begin_mbarriers() { mbarriers.clear(); }

Mbarrier& mbarrier_at(uint32_t offset) { return mbarriers.at(offset); }

Mbarrier& mbarrier_at(const uint64_t* bar, const char* what, const Loc& loc) {
  const Site site = site_of(loc);
  const auto it = mbarriers.find(shared_offset(bar, "mbarrier", site));
  if (it == mbarriers.end())
    fatal("mbarrier", concat(thread_text(g.current->id), ": ", what, " on a barrier that was never initialised"), site);
  const Mbarrier& b = it->second;
  if (!g.current->view.saw(b.init_thread, b.init_clock))
    report("mbarrier",
           concat(thread_text(g.current->id), ": ", what, " is not ordered after the barrier's initialisation"), site);
  return it->second;
}

void finish_phase_if_complete(Mbarrier& b) {
  if (b.pending != 0 || b.bytes != 0) return;
  ++b.phase;
  b.pending = b.count;
  merge(b.completed, b.arriving);
  b.arriving = {};
  for (Fiber* f : b.waiting) make_runnable(*f);
  b.waiting.clear();
}

void mbarrier_init(uint64_t* bar, unsigned count, Loc loc) {
  Enter enter;
  const Site site = site_of(loc);
  if (uintptr_t(bar) % 8 != 0) fatal("misaligned", thread_text(g.current->id) + ": mbarrier", site);
  access(bar, sizeof *bar, kWrite, current_actor(), site, "mbarrier.init");
  Mbarrier& b = mbarriers[shared_offset(bar, "mbarrier", site)] = Mbarrier{};
  b.count = b.pending = count;
  b.init_thread = g.current->id;
  b.init_clock = g.current->view.own;
}

void mbarrier_arrive(uint64_t* bar, unsigned expect_bytes, Loc loc) {
  Enter enter;
  Mbarrier& b = mbarrier_at(bar, "arrive", loc);
  if (b.pending == 0)
    fatal("mbarrier", thread_text(g.current->id) + ": more arrivals than the barrier expects in this phase",
          site_of(loc));
  release(*g.current, b.arriving);
  b.bytes += expect_bytes;
  --b.pending;
  finish_phase_if_complete(b);
}

// Blocks instead of spinning, so a wait that never ends is an exact deadlock.
void mbarrier_wait(uint64_t* bar, unsigned parity, Loc loc) {
  Enter enter;
  Mbarrier& b = mbarrier_at(bar, "wait", loc);
  while ((b.phase & 1) == (parity & 1)) {  // the phase of this parity has not completed
    b.waiting.push_back(g.current);
    block_on("an mbarrier", loc);
  }
  acquire(*g.current, b.completed);
}

void fence_mbarrier_init() {
  Enter enter;
  for (auto& [offset, b] : mbarriers)
    if (b.init_thread == g.current->id) b.fenced = true;
}

// Makes the thread's own ordinary stores, and its cp.async copies that it has waited for, visible to TMA and wgmma:
// each writer fences, then the barrier.
void fence_proxy_async() {
  fence_mbarrier_init();
  View& view = g.current->view;
  view.proxy_own = view.own;
  const uint32_t copier = copier_of(g.current->id);
  if ((*view.proxy)[copier] == (*view.seen)[copier]) return;
  auto proxy = std::make_shared<std::vector<uint32_t>>(*view.proxy);
  (*proxy)[copier] = (*view.seen)[copier];
  view.proxy = proxy;
}

}  // namespace rft::simt::emulator
