// Happens-before. Agents are what can touch memory: threads, each thread's copy engine (cp.async, TMA stores), each
// warp's wgmma engine, and a ring of TMA load engines. A view is what an agent has seen of the others: agent a's
// accesses up to clock seen[a] are ordered before it. `proxy` is the part of that which a fence.proxy.async in the
// writing thread has made visible to TMA and wgmma.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

namespace rft::simt::emulator {

using Clocks = std::shared_ptr<const std::vector<uint32_t>>;

struct View {
  Clocks seen, proxy;
  uint32_t self = 0, own = 1, proxy_own = 0;
  bool saw(uint32_t agent, uint32_t clock) const { return clock <= (agent == self ? own : (*seen)[agent]); }
  bool proxied(uint32_t agent, uint32_t clock) const { return clock <= (agent == self ? proxy_own : (*proxy)[agent]); }
};

// What arrivals at a barrier have published.
struct SyncVar {
  Clocks seen, proxy;
};

struct Fiber;
void start_view(Fiber&);
void join(Fiber** fibers, int count, const SyncVar* also);  // everybody sees what everybody has done
void merge(SyncVar& to, const SyncVar& from);
void release(Fiber&, SyncVar&);
void acquire(Fiber&, const SyncVar&);
void see(Fiber&, uint32_t agent, uint32_t clock);
View issue_view(Fiber&);              // for work issued now: what the thread does from here on is not ordered before it
View warp_issue_view(unsigned warp);  // the same for all lanes of a warp

}  // namespace rft::simt::emulator
