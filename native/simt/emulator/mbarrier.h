// mbarrier objects, as TMA loads complete on them.
#pragma once
#include "simt/emulator/state.h"

namespace rft::simt::emulator {

struct Mbarrier {
  unsigned count = 0, pending = 0;  // arrivals: of a phase, still missing
  int64_t bytes = 0;                // expected and not yet arrived
  uint32_t phase = 0;
  std::vector<Fiber*> waiting;
  SyncVar arriving, completed;  // of the running phase, of the last one
  uint32_t init_thread = 0, init_clock = 0;
  bool fenced = false;  // fence.mbarrier_init since its initialisation
};

Mbarrier& mbarrier_at(const uint64_t* bar, const char* what, const Loc&);  // checks that it was initialised
Mbarrier& mbarrier_at(uint32_t shared_offset);
void finish_phase_if_complete(Mbarrier&);

}  // namespace rft::simt::emulator
