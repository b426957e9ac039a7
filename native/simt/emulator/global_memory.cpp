// The device heap, with shadow. A cell knows its last writer and its last reader of this launch. Blocks run one after
// another here but in any order on a GPU, so whatever two blocks do to one cell is a race, unless both accesses are
// atomic or one block has published its work: __threadfence, then an atomic on a word that the other block's atomic
// reads ("last block" pattern).
#include <sys/mman.h>

#include <map>

#include "base/error.h"
#include "simt/emulator/device.h"
#include "simt/emulator/shadow.h"

namespace rft::simt::emulator {
namespace {

constexpr size_t kHeapBytes = size_t(256) << 20, kHeapRedZone = 256, kHeapStart = 4096;
constexpr unsigned char kRedByte = 0xee;

struct Touch {
  uint32_t launch, block, clock;
  Site site;
};
struct HeapCell {
  enum Flag : uint16_t { Allocated = 1, Initialised = 2, WroteAtomic = 4 };
  Touch writer, reader;
  uint16_t writing_agent, reading_agent, flags;
};

unsigned char* heap = nullptr;
HeapCell* heap_cells = nullptr;
size_t heap_top = kHeapStart;
int heap_closed = 0;                   // depth
std::map<size_t, size_t> heap_blocks;  // offset -> bytes

std::map<const void*, std::map<uint32_t, View>> published;  // word -> block -> what it had done at its fence
std::map<uint32_t, std::map<uint32_t, View>> received;      // block -> other block -> what it knows of it

void* reserve(size_t bytes) {
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) throw Error("emulator: cannot reserve the device heap");
  return p;
}

template <class F>
void for_cells(size_t offset, size_t bytes, F f) {
  if (bytes == 0) return;
  for (size_t i = offset / kCell; i <= (offset + bytes - 1) / kCell; ++i) f(heap_cells[i]);
}

void protect(int rights) {
  if (heap != nullptr) mprotect(heap, kHeapBytes, rights);
}

size_t heap_offset(const void* p) { return size_t(static_cast<const unsigned char*>(p) - heap); }

bool ordered(const Access& a, const Touch& t, uint16_t agent) {
  if (t.launch != g.launch_id) return true;
  if (t.block == g.block) return agent == a.who.agent || a.who.view->saw(agent, t.clock);
  const auto mine = received.find(g.block);
  if (mine == received.end()) return false;
  const auto theirs = mine->second.find(t.block);
  return theirs != mine->second.end() && theirs->second.saw(agent, t.clock);
}

void race_on_heap(const Access& a, const Touch& t, uint16_t agent, bool other_wrote) {
  if (t.block == g.block) return report_race(a, agent, t.site, other_wrote);
  report("race",
         concat(a.write() ? "write" : "read", " of ", memory_text(a.p), " by ", agent_text(a.who.agent), ", ", a.what,
                "; block #", t.block, other_wrote ? " writes" : " reads", " it in the same launch"),
         a.site, t.site);
}

void cell_access(HeapCell& c, const Access& a) {
  if (!(c.flags & HeapCell::Allocated)) return report_bounds(a);
  if (!g.kernel.instrumented && !a.write()) return;  // plain stores unseen: bounds only
  if (!(a.atomic() && (c.flags & HeapCell::WroteAtomic)) && !ordered(a, c.writer, c.writing_agent))
    race_on_heap(a, c.writer, c.writing_agent, true);
  if (a.write() && !ordered(a, c.reader, c.reading_agent)) race_on_heap(a, c.reader, c.reading_agent, false);
  if ((!a.write() || a.atomic()) && !(c.flags & HeapCell::Initialised)) report_uninitialised(a);
  const Touch now{g.launch_id, g.block, a.who.clock, a.site};
  if (!a.write()) {
    c.reader = now;
    c.reading_agent = uint16_t(a.who.agent);
    return;
  }
  c.writer = now;
  c.writing_agent = uint16_t(a.who.agent);
  c.reader.launch = 0;
  c.flags = uint16_t(HeapCell::Allocated | HeapCell::Initialised | (a.atomic() ? HeapCell::WroteAtomic : 0));
}

}  // namespace

void* device_alloc(size_t bytes) {
  if (heap == nullptr) {
    heap = static_cast<unsigned char*>(reserve(kHeapBytes));
    heap_cells = static_cast<HeapCell*>(reserve(kHeapBytes / kCell * sizeof(HeapCell)));
  }
  const size_t offset = (heap_top + 2 * kHeapRedZone + 255) / 256 * 256;
  if (offset + bytes + kHeapRedZone > kHeapBytes) throw Error("emulator: device heap exhausted");
  heap_top = offset + bytes;
  heap_blocks[offset] = bytes;
  std::memset(heap + offset - kHeapRedZone, kRedByte, bytes + 2 * kHeapRedZone);
  std::memset(heap + offset, 0xff, bytes);  // NaN in bf16 and fp32, -1 as an index
  for_cells(offset, bytes, [](HeapCell& c) { c = {{}, {}, 0, 0, HeapCell::Allocated}; });
  return heap + offset;
}

void device_free(void* p) {
  const size_t offset = heap_offset(p);
  for_cells(offset, heap_blocks.at(offset), [](HeapCell& c) { c.flags = 0; });
  heap_blocks.erase(offset);
  if (heap_blocks.empty()) heap_top = kHeapStart;
}

void host_wrote(void* p, size_t bytes) {
  for_cells(heap_offset(p), bytes, [](HeapCell& c) {
    c = {{}, {}, 0, 0, HeapCell::Allocated | HeapCell::Initialised};
  });
}

bool initialised(const void* p, size_t bytes) {
  bool all = true;
  for_cells(heap_offset(p), bytes, [&](const HeapCell& c) { all = all && (c.flags & HeapCell::Initialised); });
  return all;
}

void close_heap() {
  if (++heap_closed == 1) protect(PROT_NONE);
}
void open_heap() {
  if (--heap_closed == 0) protect(PROT_READ | PROT_WRITE);
}

void begin_global() {
  if (heap_closed > 0) protect(PROT_READ | PROT_WRITE);
  published.clear();
  received.clear();
}

// The fast build's only defence against stray plain stores.
void end_global() {
  for (const auto& [offset, bytes] : heap_blocks)
    for (size_t i = 0; i < kHeapRedZone; ++i) {
      const bool below = heap[offset - 1 - i] != kRedByte;
      if (!below && heap[offset + bytes + i] == kRedByte) continue;
      report("bounds", concat("red zone damaged ", below ? "below " : "above ", heap_text(heap + offset)), 0);
      std::memset(heap + offset - kHeapRedZone, kRedByte, kHeapRedZone);
      std::memset(heap + offset + bytes, kRedByte, kHeapRedZone);
    }
  if (heap_closed > 0) protect(PROT_NONE);
}

bool in_heap(const void* p) { return heap != nullptr && heap_offset(p) < kHeapBytes; }

void global_access(const Access& a, size_t bytes) {
  for_cells(heap_offset(a.p), bytes, [&](HeapCell& c) { cell_access(c, a); });
}

std::string heap_text(const void* p) {
  const size_t offset = heap_offset(p);
  auto it = heap_blocks.upper_bound(offset);
  if (it != heap_blocks.begin() && offset - std::prev(it)->first < std::prev(it)->second + kHeapStart) --it;
  if (it == heap_blocks.end()) return "device memory, freed or never allocated";
  return concat("device buffer #", std::distance(heap_blocks.begin(), it), " byte ", long(offset) - long(it->first),
                " of ", it->second);
}

void publish_atomic(const void* word) {
  Fiber& f = *g.current;
  auto& blocks = published[word];
  if (f.fenced.seen) {
    const auto [it, fresh] = blocks.try_emplace(g.block, f.fenced);
    if (!fresh && it->second.self == f.id) it->second = f.fenced;
  }
  auto& mine = received[g.block];
  for (const auto& [block, view] : blocks)
    if (block != g.block) mine[block] = view;
}

}  // namespace rft::simt::emulator
