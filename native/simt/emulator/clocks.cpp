#include "simt/emulator/clocks.h"

#include <algorithm>

#include "simt/emulator/state.h"

namespace rft::simt::emulator {
namespace {

using Mutable = std::vector<uint32_t>;

std::shared_ptr<Mutable> copy_of(const Clocks& c) { return std::make_shared<Mutable>(*c); }

void max_into(Mutable& v, const Clocks& c) {
  for (size_t i = 0; i < v.size(); ++i) v[i] = std::max(v[i], (*c)[i]);
}

// The union of what `count` fibers have seen and done. After a barrier most of them share one vector.
template <class FiberAt>
std::pair<std::shared_ptr<Mutable>, std::shared_ptr<Mutable>> united(FiberAt at, int count) {
  auto seen = copy_of(at(0).view.seen), proxy = copy_of(at(0).view.proxy);
  for (int i = 1; i < count; ++i) {
    if (at(i).view.seen != at(i - 1).view.seen) max_into(*seen, at(i).view.seen);
    if (at(i).view.proxy != at(i - 1).view.proxy) max_into(*proxy, at(i).view.proxy);
  }
  for (int i = 0; i < count; ++i) {
    (*seen)[at(i).id] = at(i).view.own;
    (*proxy)[at(i).id] = at(i).view.proxy_own;
  }
  return {seen, proxy};
}

}  // namespace

void start_view(Fiber& f) {
  static Clocks zero;
  if (!zero || zero->size() != g.agents) zero = std::make_shared<Mutable>(g.agents, 0u);
  f.view = {zero, zero, f.id, 1, 0};
  f.fenced = {};
}

void join(Fiber** fibers, int count, const SyncVar* also) {
  auto [seen, proxy] = united([&](int i) -> Fiber& { return *fibers[i]; }, count);
  if (also != nullptr && also->seen) {
    max_into(*seen, also->seen);
    max_into(*proxy, also->proxy);
  }
  for (int i = 0; i < count; ++i) {
    View& v = fibers[i]->view;
    v.seen = seen;
    v.proxy = proxy;
    ++v.own;
  }
}

void merge(SyncVar& to, const SyncVar& from) {
  if (!from.seen) return;
  if (!to.seen) {
    to = from;
    return;
  }
  auto seen = copy_of(to.seen), proxy = copy_of(to.proxy);
  max_into(*seen, from.seen);
  max_into(*proxy, from.proxy);
  to = {seen, proxy};
}

void release(Fiber& f, SyncVar& v) {
  auto seen = copy_of(f.view.seen), proxy = copy_of(f.view.proxy);
  (*seen)[f.id] = f.view.own++;
  (*proxy)[f.id] = f.view.proxy_own;
  merge(v, {seen, proxy});
}

void acquire(Fiber& f, const SyncVar& v) {
  if (!v.seen) return;
  SyncVar mine{f.view.seen, f.view.proxy};
  merge(mine, v);
  f.view.seen = mine.seen;
  f.view.proxy = mine.proxy;
}

void see(Fiber& f, uint32_t agent, uint32_t clock) {
  if ((*f.view.seen)[agent] >= clock) return;
  auto seen = copy_of(f.view.seen);
  (*seen)[agent] = clock;
  f.view.seen = seen;
}

View issue_view(Fiber& f) {
  const View v = f.view;
  ++f.view.own;
  return v;
}

View warp_issue_view(unsigned warp) {
  Fiber* first = &g.fibers[warp * 32];
  auto [seen, proxy] = united([&](int i) -> Fiber& { return first[i]; }, 32);
  const View v{seen, proxy, first->id, first->view.own, first->view.proxy_own};
  for (int i = 0; i < 32; ++i) ++first[i].view.own;
  return v;
}

}  // namespace rft::simt::emulator
