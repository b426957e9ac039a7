// TMA in two dimensions. A load lands at a scheduling step of the scheduler's choice and then counts its bytes on the
// mbarrier: always the full box, also when part of it lies outside the tensor and is filled with zeros. A store is
// read from shared memory any time before its wait.
#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "simt/emulator/device.h"
#include "simt/emulator/mbarrier.h"
#include "simt/emulator/shadow.h"
#include "simt/emulator/swizzle.h"

namespace rft::simt::emulator {

namespace {

struct Load {
  uint32_t to;
  TensorMap2D map;
  int x, y;
  uint32_t bar;
  View view;
  uint32_t agent, clock;
  Loc loc;
};
struct Store {
  TensorMap2D map;
  uint32_t from;
  int x, y;
  View view;
  uint32_t clock;
  Loc loc;
  bool done;
};
struct Stores {
  std::vector<Store> issued;
  std::vector<size_t> group_end;
};

std::vector<Load> loads;
uint32_t engine_clock[kTmaEngines];
unsigned next_engine = 0;
Stores stores[kMaxThreads];

struct BoxElement {
  unsigned char* shared;
  unsigned char* global;  // null outside the tensor
};

template <class F>
void for_box(const TensorMap2D& m, uint32_t shared, int x0, int y0, F f) {
  for (uint32_t row = 0; row < m.box[1]; ++row)
    for (uint32_t col = 0; col < m.box[0]; ++col) {
      const uint32_t at = shared + (row * m.box[0] + col) * m.element_bytes;
      const int64_t x = int64_t(x0) + col, y = int64_t(y0) + row;
      const bool inside = x >= 0 && y >= 0 && uint64_t(x) < m.size[0] && uint64_t(y) < m.size[1];
      auto* base = static_cast<unsigned char*>(const_cast<void*>(m.base));
      f(BoxElement{arena + swizzled(at, m.swizzle_bytes),
                   inside ? base + uint64_t(y) * m.stride_bytes + uint64_t(x) * m.element_bytes : nullptr});
    }
}

void deliver(size_t index) {
  const Load op = loads[index];
  loads.erase(loads.begin() + long(index));
  const Actor who{&op.view, op.agent, op.clock};
  const Site site = site_of(op.loc);
  const uint32_t bytes = op.map.element_bytes;
  for_box(op.map, op.to, op.x, op.y, [&](const BoxElement& e) {
    access(e.shared, bytes, kWrite | kAsyncProxy, who, site, "TMA load destination");
    if (e.global == nullptr) {
      std::memset(e.shared, 0, bytes);
      return;
    }
    access(e.global, bytes, kRead, who, site, "TMA load source");
    std::memcpy(e.shared, e.global, bytes);
  });
  Mbarrier& b = mbarrier_at(op.bar);
  b.bytes -= int64_t(op.map.box[0]) * op.map.box[1] * bytes;
  auto seen = std::make_shared<std::vector<uint32_t>>(*op.view.seen);
  (*seen)[op.agent] = op.clock;
  merge(b.arriving, {seen, op.view.proxy});
  finish_phase_if_complete(b);
}

void perform(uint32_t thread, Store& op) {
  if (op.done) return;
  op.done = true;
  const Actor who{&op.view, copier_of(thread), op.clock};
  const Site site = site_of(op.loc);
  for_box(op.map, op.from, op.x, op.y, [&](const BoxElement& e) {
    access(e.shared, op.map.element_bytes, kRead | kAsyncProxy, who, site, "TMA store source");
    if (e.global == nullptr) return;
    access(e.global, op.map.element_bytes, kWrite, who, site, "TMA store destination");
    std::memcpy(e.global, e.shared, op.map.element_bytes);
  });
}

void check_box(const TensorMap2D& m, const void* shared, Site site) {
  if (uintptr_t(shared) % 128 != 0) fatal("misaligned", "TMA needs shared memory aligned to 128 bytes", site);
  if (m.box[0] > 256 || m.box[1] > 256) fatal("tma", "a box is at most 256 wide", site);
  if (m.swizzle_bytes != 0 && m.box[0] * m.element_bytes > m.swizzle_bytes)
    fatal("tma", "a box row is wider than the swizzle", site);
}

}  // namespace

bool tma_in_flight() { return !loads.empty(); }

void tma_deliver_one() { deliver(config().async == Async::Random ? random_bits() % loads.size() : 0); }

void begin_tma() {
  loads.clear();
  std::fill(std::begin(engine_clock), std::end(engine_clock), 0u);
  for (uint32_t t = 0; t < g.threads; ++t) {
    stores[t].issued.clear();
    stores[t].group_end.clear();
  }
}

void end_tma() {
  if (!loads.empty()) report("async", "the block ended with TMA loads in flight", site_of(loads[0].loc));
}

// They do finish, but only a wait keeps their shared memory alive.
void exit_tma(Fiber& f) {
  for (Store& s : stores[f.id].issued) {
    report("async", thread_text(f.id) + " exits with a TMA store it did not wait for", site_of(s.loc));
    perform(f.id, s);
  }
}

void tma_load_2d(void* to, const TensorMap2D* map, int x, int y, uint64_t* bar, Loc loc) {
  Enter enter;
  const Site site = site_of(loc);
  const Mbarrier& b = mbarrier_at(bar, "TMA load", loc);
  if (!b.fenced) report("mbarrier", "TMA uses a barrier initialised without fence.mbarrier_init", site);
  check_box(*map, to, site);
  const unsigned engine = next_engine++ % kTmaEngines;
  loads.push_back({shared_offset(to, "TMA load", site), *map, x, y, shared_offset(bar, "mbarrier", site),
                   issue_view(*g.current), tma_agent(engine), ++engine_clock[engine], loc});
  if (config().async == Async::Early) deliver(loads.size() - 1);
}

void tma_store_2d(const TensorMap2D* map, const void* from, int x, int y, Loc loc) {
  Enter enter;
  const Site site = site_of(loc);
  const uint32_t thread = g.current->id;
  check_box(*map, from, site);
  auto& issued = stores[thread].issued;
  issued.push_back({*map, shared_offset(from, "TMA store", site), x, y, issue_view(*g.current), next_copy_clock(thread),
                    loc, false});
  const Async when = config().async;
  if (when == Async::Early || (when == Async::Random && random_bits() % 2 != 0)) perform(thread, issued.back());
}

void tma_store_commit() {
  Enter enter;
  Stores& s = stores[g.current->id];
  s.group_end.push_back(s.issued.size());
}

void tma_store_wait(unsigned groups_left) {
  Enter enter;
  const uint32_t thread = g.current->id;
  Stores& s = stores[thread];
  if (s.group_end.size() <= groups_left) return;
  const size_t finished = s.group_end.size() - groups_left, end = s.group_end[finished - 1];
  for (size_t i = 0; i < end; ++i) perform(thread, s.issued[i]);
  if (end != 0) see(*g.current, copier_of(thread), s.issued[end - 1].clock);
  s.issued.erase(s.issued.begin(), s.issued.begin() + long(end));
  s.group_end.erase(s.group_end.begin(), s.group_end.begin() + long(finished));
  for (size_t& e : s.group_end) e -= end;
}

}  // namespace rft::simt::emulator
