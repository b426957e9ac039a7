// Shared memory of the running block: one arena with red zones between variables. A cell knows its last writer and up
// to three readers that no barrier has ordered since, so a race is seen whichever side comes first.
#include <sys/mman.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "simt/emulator/shadow.h"

namespace rft::simt::emulator {

unsigned char* arena = nullptr;

namespace {

constexpr size_t kRedZone = 64, kDynamicOffset = 1024;  // dynamic memory comes first: 1024-aligned without effort

struct Reader {
  uint32_t clock;
  Site site;
  uint16_t agent;
};
struct Cell {
  enum Flag : uint8_t { Allocated = 1, Initialised = 2, WroteAtomic = 4, WrotePlain = 8 };
  uint32_t clock;  // of the last write; 0: none
  Site site;
  uint16_t agent;
  uint8_t flags, readers;
  Reader reader[3];
};
struct Variable {
  const void* key;
  size_t bytes;
  std::string name;
};

std::vector<Cell> cells;
std::map<size_t, Variable> variables;  // by offset
size_t used = 0;

void allocate(size_t offset, size_t bytes, const void* key, const char* name) {
  variables[offset] = {key, bytes, name};
  std::memset(arena + offset, 0xff, bytes);  // NaN
  // A fast build hides plain stores, so nothing can be called uninitialised.
  const uint8_t flags = g.kernel.instrumented ? Cell::Allocated : Cell::Allocated | Cell::Initialised;
  for (size_t i = offset / kCell; i < (offset + bytes + kCell - 1) / kCell; ++i) cells[i].flags = flags;
  used = offset + bytes;
}

void check_order(const Cell& c, const Access& a) {
  if (c.clock == 0 || c.agent == a.who.agent || (a.atomic() && (c.flags & Cell::WroteAtomic))) return;
  if (!a.who.view->saw(c.agent, c.clock)) return report_race(a, c.agent, c.site, true);
  if ((a.mode & kAsyncProxy) && (c.flags & Cell::WrotePlain) && !a.who.view->proxied(c.agent, c.clock))
    report("proxy",
           concat(a.what, " on ", memory_text(a.p), " meets bytes that ", agent_text(c.agent),
                  " stored with ordinary stores, with no fence.proxy.async between"),
           a.site, c.site);
}

void note_reader(Cell& c, const Access& a) {
  int slot = -1;
  for (int i = 0; i < c.readers && slot < 0; ++i)
    if (c.reader[i].agent == a.who.agent || a.who.view->saw(c.reader[i].agent, c.reader[i].clock)) slot = i;
  if (slot < 0) slot = c.readers < 3 ? c.readers++ : int(random_bits() % 3);
  c.reader[slot] = {a.who.clock, a.site, uint16_t(a.who.agent)};
}

void cell_access(Cell& c, const Access& a) {
  if (!(c.flags & Cell::Allocated)) return report_bounds(a);
  check_order(c, a);
  if ((!a.write() || a.atomic()) && !(c.flags & Cell::Initialised)) report_uninitialised(a);
  if (!a.write()) return note_reader(c, a);
  for (int i = 0; i < c.readers; ++i)
    if (c.reader[i].agent != a.who.agent && !a.who.view->saw(c.reader[i].agent, c.reader[i].clock))
      report_race(a, c.reader[i].agent, c.reader[i].site, false);
  c.readers = 0;
  c.clock = a.who.clock;
  c.site = a.site;
  c.agent = uint16_t(a.who.agent);
  c.flags = uint8_t(Cell::Allocated | Cell::Initialised | (a.atomic() ? Cell::WroteAtomic : 0) |
                    (a.mode & kAsyncProxy ? 0 : Cell::WrotePlain));
}

}  // namespace

void begin_shared(size_t dynamic_bytes) {
  if (arena == nullptr) {
    void* p = mmap(nullptr, kArenaBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) throw Error("emulator: no memory for the shared arena");
    arena = static_cast<unsigned char*>(p);
    cells.resize(kArenaBytes / kCell);
  }
  std::fill(cells.begin(), cells.begin() + long(used / kCell + 1), Cell{});
  variables.clear();
  used = 0;
  if (dynamic_bytes != 0) allocate(kDynamicOffset, dynamic_bytes, nullptr, "dynamic shared memory");
}

void* shared_variable(const void* key, size_t bytes, size_t align, const char* name) {
  Enter enter;
  for (const auto& [offset, v] : variables)
    if (v.key == key) return arena + offset;
  const size_t offset = (used + kRedZone + align - 1) / align * align;
  if (offset + bytes + kRedZone > kArenaBytes) fatal("launch", concat("no room for shared '", name, "'"), 0);
  allocate(offset, bytes, key, name);
  return arena + offset;
}

unsigned char* dynamic_shared() { return arena + kDynamicOffset; }

bool in_shared(const void* p) {
  return arena != nullptr && size_t(static_cast<const unsigned char*>(p) - arena) < kArenaBytes;
}

uint32_t shared_offset(const void* p, const char* what, Site site) {
  if (!in_shared(p)) fatal("bounds", concat(what, ": ", memory_text(p), " is not shared memory"), site);
  return uint32_t(static_cast<const unsigned char*>(p) - arena);
}
uint32_t shared_address(const void* p, Loc loc) {
  Enter enter;
  return shared_offset(p, "shared address", site_of(loc));
}

void shared_access(const Access& a, size_t bytes) {
  const size_t offset = size_t(a.p - arena);
  for (size_t i = offset / kCell; i <= (offset + bytes - 1) / kCell; ++i) cell_access(cells[i], a);
}

std::string shared_text(const void* p) {
  const long offset = static_cast<const unsigned char*>(p) - arena;
  auto it = variables.upper_bound(size_t(offset));
  if (it == variables.begin()) return "shared memory below every variable";
  --it;
  return concat("shared '", it->second.name, "' byte ", offset - long(it->first), " of ", it->second.bytes);
}

}  // namespace rft::simt::emulator
