#include "simt/emulator/warp.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace rft::simt::emulator {
namespace {

struct Gathering {
  const Collective* op;
  unsigned mask, arrived;
  Loc loc;
};
struct Warp {
  unsigned live = 0;
  int gathering_count = 0;
  Gathering gathering[32];  // by mask
  void* args[32];
};
Warp warps[kMaxWarps];

bool complete(unsigned warp, int index) {
  Warp& w = warps[warp];
  const Gathering gathered = w.gathering[index];
  const unsigned need = gathered.op->aligned ? gathered.mask : gathered.mask & w.live;
  if (gathered.arrived != need) return false;
  w.gathering[index] = w.gathering[--w.gathering_count];
  if (gathered.op->run != nullptr) gathered.op->run({warp, need, gathered.loc});
  make_warp_runnable(warp, need);
  return true;
}

void run_syncwarp(const WarpArgs& w) {
  Fiber* fibers[32];
  int count = 0;
  for_lanes(w.lanes, [&](unsigned lane) { fibers[count++] = &g.fibers[w.thread(lane)]; });
  join(fibers, count, nullptr);
}

struct ShuffleArgs {
  const void* in;
  void* out;
  unsigned size;
  int source;
};
void run_shuffle(const WarpArgs& w) {
  for_lanes(w.lanes, [&](unsigned lane) {
    const auto& a = w.at<ShuffleArgs>(lane);
    if (w.lanes >> a.source & 1) {
      std::memcpy(a.out, w.at<ShuffleArgs>(unsigned(a.source)).in, a.size);
      return;
    }
    report("shuffle", concat(thread_text(w.thread(lane)), " reads lane ", a.source, ", which does not take part"),
           site_of(w.loc));
    std::memset(a.out, 0xff, a.size);
  });
}

struct BallotArgs {
  bool predicate;
  unsigned result;
};
void run_ballot(const WarpArgs& w) {
  unsigned result = 0;
  for_lanes(w.lanes, [&](unsigned lane) { result |= unsigned(w.at<BallotArgs>(lane).predicate) << lane; });
  for_lanes(w.lanes, [&](unsigned lane) { w.at<BallotArgs>(lane).result = result; });
}

// Shuffles and votes order no memory, as in CUDA; __syncwarp does.
constexpr Collective kSyncwarp{"__syncwarp", false, run_syncwarp};
constexpr Collective kShuffle{"a shuffle", false, run_shuffle};
constexpr Collective kBallot{"a warp vote", false, run_ballot};

}  // namespace

void* WarpArgs::pointer(unsigned lane) const { return warps[warp].args[lane]; }

void collective(const Collective& op, unsigned mask, void* args, const Loc& loc) {
  Fiber& f = *g.current;
  Warp& w = warps[f.id / 32];
  const unsigned lane = f.id & 31;
  if (!(mask >> lane & 1))
    fatal("divergence", concat(thread_text(f.id), " calls ", op.name, " with a mask that leaves it out"), site_of(loc));
  w.args[lane] = args;
  const auto end = w.gathering + w.gathering_count;
  const auto it = std::find_if(w.gathering, end, [mask](const Gathering& x) { return x.mask == mask; });
  if (it == end) {
    *it = {&op, mask, 0, loc};
    ++w.gathering_count;
  }
  if (it->op != &op || (op.aligned && it->loc.line() != loc.line()))
    fatal("divergence",
          concat(thread_text(f.id), " is at ", op.name, " while other lanes of its mask are at ", it->op->name, " ",
                 site_text(site_of(it->loc))),
          site_of(loc));
  it->arrived |= 1u << lane;
  if (!complete(f.id / 32, int(it - w.gathering))) block_on(op.name, loc);
}

void begin_warps() {
  for (unsigned w = 0; w < g.warps; ++w) {
    const unsigned lanes = std::min(32u, g.threads - w * 32);
    warps[w].live = lanes == 32 ? ~0u : (1u << lanes) - 1;
    warps[w].gathering_count = 0;
  }
}

// The rest of a mask need not wait for a lane that has returned, unless the instruction is .aligned: then it never
// completes and is reported as a deadlock.
void exit_warps(Fiber& f) {
  Warp& w = warps[f.id / 32];
  w.live &= ~(1u << (f.id & 31));
  for (int i = 0; i < w.gathering_count;)
    if (w.gathering[i].op->aligned || !complete(f.id / 32, i)) ++i;
}

void warp_sync(unsigned mask, Loc loc) {
  Enter enter;
  collective(kSyncwarp, mask, nullptr, loc);
}
void warp_shuffle(unsigned mask, const void* in, void* out, unsigned size, int source_lane, Loc loc) {
  Enter enter;
  ShuffleArgs args{in, out, size, source_lane};
  collective(kShuffle, mask, &args, loc);
}
unsigned warp_ballot(unsigned mask, bool predicate, Loc loc) {
  Enter enter;
  BallotArgs args{predicate, 0};
  collective(kBallot, mask, &args, loc);
  return args.result;
}

}  // namespace rft::simt::emulator
