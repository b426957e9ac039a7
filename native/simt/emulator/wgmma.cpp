// wgmma: one operation of the four warps of a warpgroup. Its operands are read from shared memory some time between
// issue and wait, and the accumulators read as NaN until then. A wait returns once all four warps have issued what is
// waited for. Stricter than PTX in one point: every wait must be followed by a wgmma.fence before the next wgmma.
#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "simt/emulator/bf16.h"
#include "simt/emulator/device.h"
#include "simt/emulator/shadow.h"
#include "simt/emulator/warp.h"
#include "simt/emulator/wgmma_descriptor.h"

namespace rft::simt::emulator {
namespace {

constexpr unsigned kWarps = 4, kAllWarps = 15, kK = 16;
constexpr unsigned kRegisterFile = 65536;

// One warp's accumulator fragment between issue and wait: the emulator owns the values.
struct Accumulator {
  float* registers[32];
  size_t per_lane;
  std::vector<float> value;
  uint32_t last_op = 0;
  unsigned owed = ~0u;  // lanes that have not got their values back

  float& at(unsigned row, unsigned col) {  // 8x8 blocks, two columns a lane, as in mma.sync
    return value[(row % 8 * 4 + col % 8 / 2) * per_lane + col / 8 * 4 + row / 8 * 2 + col % 2];
  }
};
struct Operation {
  WgmmaCall call;
  Loc loc;
  unsigned issued = 0;        // bit per warp
  uint32_t a[kWarps][32][4];  // register operands
  std::shared_ptr<Accumulator> accumulator[kWarps];
  View view[kWarps];
};
struct WarpState {
  std::vector<std::shared_ptr<Accumulator>> in_flight;
  std::vector<uint32_t> group_end;  // operations issued when each group was committed
  uint32_t issued = 0;
  bool fenced = false;
};
struct Warpgroup {
  std::vector<Operation> operations;
  uint32_t performed = 0;
  std::vector<Fiber*> waiting;
  unsigned registers = 0;  // setmaxnreg; 0: as launched
};
WarpState warp_state[kMaxWarps];
Warpgroup warpgroups[kMaxWarps / kWarps];

// One warp's 16 rows: C (16, n) = A (16, 16) B (16, n) + C.
void multiply(Operation& op, uint32_t sequence, unsigned warpgroup, unsigned warp) {
  alignas(32) static float A[16][kK], B[kK][256];
  const Site site = site_of(op.loc);
  const Actor who{&op.view[warp], wgmma_agent(warpgroup * kWarps + warp), sequence + 1};
  const auto fetch = [&](uint32_t offset, const char* what) {
    const unsigned char* p = arena + std::min<size_t>(offset, kArenaBytes - 2);
    access(p, 2, kRead | kAsyncProxy, who, site, what);
    return bf16_at(p);
  };
  const WgmmaDescriptor a(op.call.a), b(op.call.b);
  const unsigned n = unsigned(op.call.n);
  for (unsigned i = 0; i < 16; ++i)
    for (unsigned k = 0; k < kK; ++k) {
      const uint32_t pair = op.a[warp][i % 8 * 4 + k % 8 / 2][k / 8 * 2 + i / 8];
      if (op.call.a_registers != nullptr) A[i][k] = k % 2 != 0 ? bf16_high(pair) : bf16_low(pair);
      else A[i][k] = fetch(a.at(warp * 16 + i, k, false), "wgmma A");
    }
  for (unsigned k = 0; k < kK; ++k)
    for (unsigned j = 0; j < n; ++j) B[k][j] = fetch(b.at(j, k, op.call.b_transposed), "wgmma B");
  Accumulator& c = *op.accumulator[warp];
  for (unsigned i = 0; i < 16; ++i)
    for (unsigned j = 0; j < n; ++j) {
      float sum = op.call.accumulate ? c.at(i, j) : 0.0f;
      for (unsigned k = 0; k < kK; ++k) sum += A[i][k] * B[k][j];
      c.at(i, j) = sum;
    }
}

void check_alignment(const Operation& op) {
  const WgmmaDescriptor a(op.call.a), b(op.call.b);
  const bool bad_a = op.call.a_registers == nullptr && !a.aligned();
  if (bad_a || !b.aligned())
    report("wgmma", "an operand with the 128-byte swizzle does not start on a 1024-byte boundary (base offset 0)",
           site_of(op.loc));
}

void perform_until(unsigned warpgroup, uint32_t end) {
  Warpgroup& group = warpgroups[warpgroup];
  for (; group.performed < end; ++group.performed) {
    Operation& op = group.operations[group.performed];
    check_alignment(op);
    for (unsigned warp = 0; warp < kWarps; ++warp) {
      multiply(op, group.performed, warpgroup, warp);
      op.view[warp] = {};
      op.accumulator[warp] = nullptr;
    }
  }
}

// The accumulator that this warp's registers hold, taken over from the code if it has it.
std::shared_ptr<Accumulator> take_accumulator(WarpState& state, const WarpArgs& w, size_t per_lane) {
  float* first = w.at<WgmmaCall>(0).d;
  for (const auto& x : state.in_flight)
    if (x->registers[0] == first && x->owed == ~0u) return x;
  auto acc = std::make_shared<Accumulator>();
  acc->per_lane = per_lane;
  acc->value.resize(32 * per_lane);
  for (unsigned lane = 0; lane < 32; ++lane) {
    acc->registers[lane] = w.at<WgmmaCall>(lane).d;
    std::memcpy(&acc->value[lane * per_lane], acc->registers[lane], per_lane * sizeof(float));
    std::memset(static_cast<void*>(acc->registers[lane]), 0xff, per_lane * sizeof(float));
  }
  state.in_flight.push_back(acc);
  return acc;
}

bool same(const WgmmaCall& x, const WgmmaCall& y) {
  return x.a == y.a && x.b == y.b && x.accumulate == y.accumulate && x.n == y.n && x.b_transposed == y.b_transposed &&
         (x.a_registers == nullptr) == (y.a_registers == nullptr);
}

void run_wgmma(const WarpArgs& w) {
  const unsigned warpgroup = w.warp / kWarps, in_group = w.warp % kWarps;
  WarpState& state = warp_state[w.warp];
  Warpgroup& group = warpgroups[warpgroup];
  const WgmmaCall& call = w.at<WgmmaCall>(0);
  const Site site = site_of(w.loc);
  if ((warpgroup + 1) * kWarps > g.warps) fatal("wgmma", "not a full warpgroup", site);
  if (!state.fenced) report("wgmma", concat("issued without wgmma.fence since the last wait, warp ", w.warp), site);
  for (unsigned lane = 1; lane < 32; ++lane)
    if (!same(call, w.at<WgmmaCall>(lane)))
      fatal("wgmma", concat("operands differ between lanes of warp ", w.warp), site);
  const uint32_t sequence = state.issued++;
  if (sequence == group.operations.size()) {
    group.operations.emplace_back();
    group.operations.back().call = call;
    group.operations.back().loc = w.loc;
  }
  Operation& op = group.operations[sequence];
  if (!same(op.call, call) || op.loc.line() != w.loc.line())
    fatal("wgmma", "warps of a warpgroup issue different wgmma operations", site);
  if (call.a_registers != nullptr)
    for (unsigned lane = 0; lane < 32; ++lane)
      std::memcpy(op.a[in_group][lane], w.at<WgmmaCall>(lane).a_registers, sizeof op.a[in_group][lane]);
  op.accumulator[in_group] = take_accumulator(state, w, size_t(call.n) / 2);
  op.accumulator[in_group]->last_op = sequence;
  op.view[in_group] = warp_issue_view(w.warp);
  op.issued |= 1u << in_group;
  if (op.issued != kAllWarps) return;
  for (Fiber* f : group.waiting) make_runnable(*f);
  group.waiting.clear();
  const Async when = config().async;
  if (when == Async::Early || (when == Async::Random && random_bits() % 2 != 0)) perform_until(warpgroup, sequence + 1);
}

void run_fence(const WarpArgs& w) { warp_state[w.warp].fenced = true; }
void run_commit(const WarpArgs& w) { warp_state[w.warp].group_end.push_back(warp_state[w.warp].issued); }
void run_wait(const WarpArgs& w) { warp_state[w.warp].fenced = false; }

constexpr Collective kWgmma{"wgmma", true, run_wgmma};
constexpr Collective kFence{"wgmma.fence", true, run_fence};
constexpr Collective kCommit{"wgmma.commit_group", true, run_commit};
constexpr Collective kWait{"wgmma.wait_group", true, run_wait};

void give_back(WarpState& state, uint32_t end, unsigned lane) {
  for (const auto& acc : state.in_flight) {
    if (acc->last_op >= end || !(acc->owed >> lane & 1)) continue;
    std::memcpy(acc->registers[lane], &acc->value[lane * acc->per_lane], acc->per_lane * sizeof(float));
    acc->owed &= ~(1u << lane);
  }
  std::erase_if(state.in_flight, [](const auto& acc) { return acc->owed == 0; });
}

}  // namespace

void begin_wgmma() {
  for (WarpState& w : warp_state) w = {};
  for (Warpgroup& w : warpgroups) w = {};
}

// Registers come in multiples of 8; a sum above what the block was launched with hangs on the device.
static void check_register_budget() {
  const unsigned launched = std::min(255u / 8 * 8, kRegisterFile / g.threads / 8 * 8);
  unsigned asked = 0, owned = 0, groups = 0;
  for (unsigned i = 0; i < (g.warps + kWarps - 1) / kWarps; ++i) {
    groups += warpgroups[i].registers != 0;
    asked += (warpgroups[i].registers != 0 ? warpgroups[i].registers : launched) * 128;
    owned += launched * 128;
  }
  if (groups != 0 && asked > owned)
    report("registers", concat("setmaxnreg asks for ", asked, " registers, the block was launched with ", owned), 0);
}

void end_wgmma() {
  for (unsigned w = 0; w < g.warps; ++w)
    if (warp_state[w].issued != warp_state[w & ~3u].issued)
      report("wgmma", "warps of a warpgroup issued different numbers of wgmma", 0);
  check_register_budget();
}

void wgmma_fence(Loc loc) {
  Enter enter;
  collective(kFence, ~0u, nullptr, loc);
}

void wgmma_commit(Loc loc) {
  Enter enter;
  collective(kCommit, ~0u, nullptr, loc);
}

void wgmma_wait(unsigned groups_left, Loc loc) {
  Enter enter;
  collective(kWait, ~0u, nullptr, loc);
  const uint32_t thread = g.current->id;
  WarpState& state = warp_state[thread / 32];
  if (state.group_end.size() <= groups_left) return;
  const uint32_t end = state.group_end[state.group_end.size() - 1 - groups_left];
  const unsigned warpgroup = thread / 128;
  Warpgroup& group = warpgroups[warpgroup];
  while (end != 0 && group.operations[end - 1].issued != kAllWarps) {
    group.waiting.push_back(g.current);
    block_on("a wgmma that other warps of the warpgroup have not issued", loc);
  }
  perform_until(warpgroup, std::max(end, group.performed));
  give_back(state, end, thread & 31);
  if (end != 0)
    for (unsigned i = 0; i < kWarps; ++i) see(*g.current, wgmma_agent(warpgroup * kWarps + i), end);
}

void wgmma_m64k16_bf16(const WgmmaCall& call, Loc loc) {
  Enter enter;
  WgmmaCall args = call;
  collective(kWgmma, ~0u, &args, loc);
}

void set_max_registers(unsigned count, Loc loc) {
  Enter enter;
  if (count < 24 || count > 256 || count % 8 != 0)
    fatal("registers", concat("setmaxnreg takes a multiple of 8 from 24 to 256, not ", count), site_of(loc));
  warpgroups[g.current->id / 128].registers = count;
}

}  // namespace rft::simt::emulator
