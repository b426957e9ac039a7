// Warp collectives: each lane leaves a pointer to its arguments, and the last lane of the mask runs the operation for
// all, so a collective costs one switch per lane. Several masks can be in progress in one warp.
#pragma once
#include "simt/emulator/state.h"

namespace rft::simt::emulator {

struct WarpArgs {
  unsigned warp;
  unsigned lanes;  // that take part
  Loc loc;
  template <class T>
  T& at(unsigned lane) const {
    return *static_cast<T*>(pointer(lane));
  }
  void* pointer(unsigned lane) const;
  uint32_t thread(unsigned lane) const { return warp * 32 + lane; }
};

struct Collective {
  const char* name;
  // .aligned instructions need all 32 lanes at the same line; the others take the live lanes of the mask.
  bool aligned;
  void (*run)(const WarpArgs&);
};

// Blocks until all lanes of the mask are here. `op` must have static storage.
void collective(const Collective& op, unsigned mask, void* args, const Loc&);

template <class F>
void for_lanes(unsigned lanes, F f) {
  for (; lanes != 0; lanes &= lanes - 1) f(unsigned(__builtin_ctz(lanes)));
}

}  // namespace rft::simt::emulator
