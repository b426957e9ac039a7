// __syncthreads and the named barriers. Arrivals are counted, so divergence and exited threads are seen.
#include "base/error.h"
#include "simt/emulator/state.h"

namespace rft::simt::emulator {
namespace {

constexpr int kWholeBlock = -1;

struct Barrier {
  int need = 0, arrived = 0, waiting_count = 0;
  int votes = 0, decided_votes = 0, decided_of = 0;
  Loc loc;
  SyncVar released;
  Fiber* waiting[kMaxThreads];
};
Barrier barriers[16];

void finish(Barrier& b) {
  join(b.waiting, b.waiting_count, &b.released);
  for (int i = 0; i < b.waiting_count; ++i) make_runnable(*b.waiting[i]);
  b.decided_votes = b.votes;
  b.decided_of = b.arrived;
  b.waiting_count = b.arrived = b.need = b.votes = 0;
  b.released = {};
}

void check_block_barrier(const Barrier& b, const Loc& loc) {
  if (b.loc.line() != loc.line())
    report("divergence",
           concat(thread_text(g.current->id), " is at a different __syncthreads than the thread that came first"),
           site_of(loc), site_of(b.loc));
  if (g.live_threads < g.threads)
    report("divergence",
           concat("__syncthreads after ", g.threads - g.live_threads, " thread(s) of the block have exited"),
           site_of(loc));
}

void arrive(int id, int threads, bool wait, const Loc& loc) {
  Fiber& f = *g.current;
  Barrier& b = barriers[id];
  if (b.arrived == 0) {
    b.need = threads;
    b.loc = loc;
  }
  if (b.need != threads)
    fatal("divergence", concat(thread_text(f.id), " gives barrier ", id, " another thread count"), site_of(loc));
  if (threads == kWholeBlock) check_block_barrier(b, loc);
  ++b.arrived;
  if (wait) b.waiting[b.waiting_count++] = &f;
  else release(f, b.released);
  const bool last = b.arrived == (threads == kWholeBlock ? int(g.live_threads) : threads);
  if (last) finish(b);
  else if (wait) block_on(threads == kWholeBlock ? "__syncthreads" : "a named barrier", loc);
}

}  // namespace

void begin_barriers() {
  for (Barrier& b : barriers) {
    b.need = b.arrived = b.waiting_count = b.votes = 0;
    b.released = {};
  }
}

void exit_barriers(Fiber& f) {
  Barrier& b = barriers[0];
  if (b.waiting_count == 0 || b.need != kWholeBlock) return;
  report("divergence", thread_text(f.id) + " exited while the rest of the block waits at __syncthreads",
         site_of(b.loc));
  if (unsigned(b.arrived) == g.live_threads) finish(b);
}

void block_barrier(Loc loc) {
  Enter enter;
  arrive(0, kWholeBlock, true, loc);
}

void named_barrier(int id, int threads, bool wait, Loc loc) {
  Enter enter;
  if (id < 0 || id > 15 || threads % 32 != 0 || threads < 32 || unsigned(threads) > kMaxThreads)
    fatal("divergence", concat("barrier ", id, " of ", threads, " threads: ids are 0 to 15, counts multiples of 32"),
          site_of(loc));
  arrive(id, threads, wait, loc);
}

// The result is kept until the next barrier of the block completes, and by then everybody has read it.
int block_vote(bool predicate, Vote vote, Loc loc) {
  Enter enter;
  Barrier& b = barriers[0];
  b.votes += predicate;
  arrive(0, kWholeBlock, true, loc);
  if (vote == Vote::Count) return b.decided_votes;
  return vote == Vote::Or ? b.decided_votes != 0 : b.decided_votes == b.decided_of;
}

}  // namespace rft::simt::emulator
