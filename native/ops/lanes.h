// Scratch memory for parallel work: at most num_threads() lanes, each with its own block of pool memory, so that what
// an op needs while it runs is counted (on META too) and nothing is allocated inside the loop.
#pragma once
#include <algorithm>
#include <atomic>

#include "base/parallel_for.h"
#include "tensor/ctx.h"

namespace rft::ops {

constexpr int64_t round_up(int64_t n, int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }

// A row stride for `columns` floats: whole cache lines, and not a power of two of them, which would crowd all rows into
// a few cache sets.
constexpr int64_t row_stride(int64_t columns) { return round_up(columns, 32) + 16; }

// Calls body(task, scratch) for each task in [0, tasks); scratch has `floats` elements, 64-byte aligned, contents
// undefined. Which lane runs a task must not matter to the result. On META only the scratch is accounted for.
template <class Body>
void for_each_with_scratch(Ctx& ctx, int64_t tasks, int64_t floats, const Body& body) {
  if (tasks == 0) return;
  const int64_t lanes = std::min<int64_t>(num_threads(), tasks);
  const int64_t stride = round_up(floats, 16);
  Tensor scratch = ctx.workspace({lanes, stride});
  if (ctx.meta()) return;
  float* memory = scratch.f32();
  std::atomic<int64_t> next{0};
  parallel_for(lanes, [&](int64_t lane) {
    float* own = memory + lane * stride;
    for (int64_t task; (task = next.fetch_add(1, std::memory_order_relaxed)) < tasks;) body(task, own);
  });
}

}  // namespace rft::ops
