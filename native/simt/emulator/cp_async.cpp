// cp.async: a copy takes effect at once, when it is waited for, or either, by configuration. Until the wait it belongs
// to the thread's copy engine, so touching its bytes too early is a race.
#include <cstring>

#include "base/error.h"
#include "simt/emulator/device.h"
#include "simt/emulator/shadow.h"

namespace rft::simt::emulator {
namespace {

struct Copy {
  void* to;
  const void* from;
  unsigned bytes, source_bytes;
  View view;
  uint32_t clock;
  Loc loc;
  bool done;
};
struct Copies {
  std::vector<Copy> issued;
  std::vector<size_t> group_end;  // index into issued at which each committed group ends
};
Copies copies[kMaxThreads];
uint32_t copy_clock[kMaxThreads];

void perform(uint32_t thread, Copy& c) {
  if (c.done) return;
  c.done = true;
  const Actor who{&c.view, copier_of(thread), c.clock};
  const Site site = site_of(c.loc);
  access(c.from, c.source_bytes, kRead, who, site, "cp.async source");
  access(c.to, c.bytes, kWrite, who, site, "cp.async destination");
  if (c.source_bytes != 0) std::memcpy(c.to, c.from, c.source_bytes);
  std::memset(static_cast<char*>(c.to) + c.source_bytes, 0, c.bytes - c.source_bytes);
}

}  // namespace

uint32_t next_copy_clock(uint32_t thread) { return ++copy_clock[thread]; }

void begin_copies() {
  for (uint32_t t = 0; t < g.threads; ++t) {
    copies[t].issued.clear();
    copies[t].group_end.clear();
    copy_clock[t] = 0;
  }
}

void exit_copies(Fiber& f) {
  if (!copies[f.id].issued.empty())
    report("async", thread_text(f.id) + " exits with cp.async copies that nobody waited for",
           site_of(copies[f.id].issued[0].loc));
}

void cp_async(void* to, const void* from, unsigned bytes, unsigned source_bytes, Loc loc) {
  Enter enter;
  const uint32_t thread = g.current->id;
  const Site site = site_of(loc);
  if (uintptr_t(to) % bytes != 0 || (source_bytes != 0 && uintptr_t(from) % bytes != 0))
    fatal("misaligned", concat(thread_text(thread), ": cp.async of ", bytes, " bytes"), site);
  if (source_bytes > bytes) fatal("bounds", concat(thread_text(thread), ": cp.async reads more than it writes"), site);
  shared_offset(to, "cp.async destination", site);
  auto& issued = copies[thread].issued;
  issued.push_back({to, from, bytes, source_bytes, issue_view(*g.current), next_copy_clock(thread), loc, false});
  const Async when = config().async;
  if (when == Async::Early || (when == Async::Random && random_bits() % 2 != 0)) perform(thread, issued.back());
}

void cp_async_commit() {
  Enter enter;
  Copies& c = copies[g.current->id];
  c.group_end.push_back(c.issued.size());
}

void cp_async_wait(unsigned groups_left) {
  Enter enter;
  const uint32_t thread = g.current->id;
  Copies& c = copies[thread];
  if (c.group_end.size() <= groups_left) return;
  const size_t finished = c.group_end.size() - groups_left, end = c.group_end[finished - 1];
  for (size_t i = 0; i < end; ++i) perform(thread, c.issued[i]);
  if (end != 0) see(*g.current, copier_of(thread), c.issued[end - 1].clock);
  c.issued.erase(c.issued.begin(), c.issued.begin() + long(end));
  c.group_end.erase(c.group_end.begin(), c.group_end.begin() + long(finished));
  for (size_t& e : c.group_end) e -= end;
}

}  // namespace rft::simt::emulator
