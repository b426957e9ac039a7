// One memory access, checked: bounds, initialisation, order. Fed by every wrapper, and in checked builds by every
// plain load and store of the kernel.
#pragma once
#include "simt/emulator/report.h"
#include "simt/emulator/state.h"

namespace rft::simt::emulator {

constexpr size_t kCell = 2;  // bytes per shadow cell: bf16 neighbours must not alias

enum Mode : unsigned { kRead = 0, kWrite = 1, kAtomic = 2, kAsyncProxy = 4 };

struct Actor {
  const View* view;
  uint32_t agent, clock;
};
inline Actor current_actor() { return {&g.current->view, g.current->id, g.current->view.own}; }

struct Access {
  const unsigned char* p;
  unsigned mode;
  const Actor& who;
  Site site;
  const char* what;
  bool write() const { return (mode & kWrite) != 0; }
  bool atomic() const { return (mode & kAtomic) != 0; }
};

void access(const void* p, size_t bytes, unsigned mode, const Actor&, Site, const char* what);

void report_bounds(const Access&);
void report_uninitialised(const Access&);
void report_race(const Access&, uint32_t other_agent, Site other_site, bool other_wrote);

bool in_shared(const void* p);
bool in_heap(const void* p);
void shared_access(const Access&, size_t bytes);
void global_access(const Access&, size_t bytes);
std::string shared_text(const void* p);
std::string heap_text(const void* p);
void publish_atomic(const void* word);  // orders blocks: __threadfence, then an atomic on the same word

}  // namespace rft::simt::emulator
