// dK and dV: one block per key tile (or kParts blocks) and kv head.
#pragma once
#include "ops/attention/backward.cuh"

namespace rft::cuda::attention {

// The row tiles that see a key tile, kStreamRows packed rows each, in order.
template <class T>
struct RowWalk {
  const BackwardParams<T>& p;
  int kv_head, visit, end_visit, skipped;  // keys of the tile before the block's own
  Segment segment;
  int column, first, rows;  // of the current visit: logical key, current packed row, rows in all

  __device__ __forceinline__ RowWalk(const BackwardParams<T>& params, const KeyTile& tile, int head, int skipped_)
      : p(params), kv_head(head), visit(tile.first_visit), end_visit(tile.last_visit), skipped(skipped_) {
    enter();
  }
  __device__ __forceinline__ bool done() const { return visit >= end_visit; }
  __device__ __forceinline__ void next() {
    first += kStreamRows;
    if (first < rows) return;
    ++visit;
    enter();
  }
  // To the first visit with rows that see the tile, and to the first such row.
  __device__ __forceinline__ void enter() {
    for (; visit < end_visit; ++visit) {
      const Visit v = p.plan.visits[visit];
      segment = p.plan.segments[v.segment];
      column = v.column + skipped;
      const bool late = segment.causal && column >= segment.kv0_len;
      const int blind =
          late ? column - segment.kv0_len - segment.kv1_len + segment.q_len : 0;  // queries that see nothing
      first = max(0, blind) * p.sizes.group();
      rows = segment.q_len * p.sizes.group();
      if (first < rows) return;
    }
  }
  __device__ __forceinline__ PackedRows tile() const {
    return PackedRows(p.sizes, segment.q_begin, segment.q_len, first, kStreamRows, kv_head);
  }
};

// Q and dO of a row tile, and per row: lse, delta, and how many of the key tile's keys it sees.
template <class T, int D, int Warps>
__device__ __forceinline__ void copy_row_tile(const BackwardMemory<T, D, Warps>& memory, int stage,
                                              const RowWalk<T>& walk) {
  const BackwardParams<T>& p = walk.p;
  const PackedRows rows = walk.tile();
  copy_rows<T, D, kStreamRows, 32 * Warps>(memory.stream(stage, 0), p.sizes.head_dim, p.q,
                                           [&](int r) { return rows.row(p.q, r); });
  copy_rows<T, D, kStreamRows, 32 * Warps>(memory.stream(stage, 1), p.sizes.head_dim, p.q,
                                           [&](int r) { return rows.row(p.dout, r); });
  if (const int r = int(threadIdx.x); r < kStreamRows) {
    const bool exists = r < rows.count;
    const size_t at = exists ? rows.statistic(r) : 0;
    simt::cp_async<4>(memory.statistics(stage, 0) + r, p.lse + at, exists ? 4 : 0);
    simt::cp_async<4>(memory.statistics(stage, 1) + r, p.delta + at, exists ? 4 : 0);
    memory.statistics(stage, 2)[r] =
        exists ? float(visible_keys(walk.segment, rows.local_query(r)) - walk.column) : 0.0f;
  }
}

// s^T and dP^T of the warp's 16 keys and a row tile become p^T and dS^T.
template <class T, int D, int Warps>
__device__ __forceinline__ void key_score_gradients(const BackwardMemory<T, D, Warps>& memory, int stage, float c,
                                                    float (&p)[kStreamRows / 8][4], float (&ds)[kStreamRows / 8][4]) {
  const int key = warp_id() * kWarpRows + lane_id() / 4;
#pragma unroll
  for (int n = 0; n < kStreamRows / 8; ++n)
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const int r = n * 8 + lane_id() % 4 * 2 + i;
      const float base = exponent_base(memory.statistics(stage, 0)[r]), delta = memory.statistics(stage, 1)[r];
      const float seen = memory.statistics(stage, 2)[r];
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        float& x = p[n][2 * h + i];
        x = float(key + 8 * h) < seen ? simt::exp2_approx(fmaf(x, c, base)) : 0.0f;
        ds[n][2 * h + i] = x * (ds[n][2 * h + i] - delta);
      }
    }
}

template <class T, int D, int Warps>
__global__ void __launch_bounds__(32 * Warps, sizeof(T) == 2 ? 2 : 1)
    attention_key_gradients_kernel(const BackwardParams<T> p) {
  SIMT_DYN_SHARED(smem);
  using Memory = BackwardMemory<T, D, Warps>;
  const Memory memory{smem};
  KeyTile tile = p.plan.key_tiles[int(blockIdx.x) / kParts<Warps>];
  const int skipped = int(blockIdx.x) % kParts<Warps> * Memory::kRows;
  tile.begin += skipped;
  tile.len = min(tile.len - skipped, Memory::kRows);
  if (tile.len <= 0) return;
  const int kv_head = int(blockIdx.y);
  const size_t stride = size_t(p.sizes.kv_heads) * size_t(p.sizes.head_dim);
  const size_t at = size_t(tile.begin) * stride + size_t(kv_head) * size_t(p.sizes.head_dim);
  copy_rows<T, D, Memory::kRows, Memory::kThreads>(memory.stay(0), p.sizes.head_dim, p.q, [&](int r) {
    return r < tile.len ? p.k + at + size_t(r) * stride : nullptr;
  });
  copy_rows<T, D, Memory::kRows, Memory::kThreads>(memory.stay(1), p.sizes.head_dim, p.q, [&](int r) {
    return r < tile.len ? p.v + at + size_t(r) * stride : nullptr;
  });
  RowWalk<T> walk(p, tile, kv_head, skipped);
  if (!walk.done()) copy_row_tile(memory, 0, walk);
  simt::cp_async_commit();

  const bool active = warp_id() * kWarpRows < tile.len;
  const float c = p.scale * kLog2e;
  float dk[D / 8][4] = {}, dv[D / 8][4] = {};
  for (int stage = 0; !walk.done(); stage ^= 1) {
    simt::cp_async_wait<0>();
    __syncthreads();
    walk.next();
    if (!walk.done()) copy_row_tile(memory, stage ^ 1, walk);
    simt::cp_async_commit();
    if (!active) continue;
    float prob[kStreamRows / 8][4], ds[kStreamRows / 8][4];
    scores<D>(prob, SharedRows<T, D>(memory.warp_rows(0)), memory.stream(stage, 0));
    scores<D>(ds, SharedRows<T, D>(memory.warp_rows(1)), memory.stream(stage, 1));
    key_score_gradients(memory, stage, c, prob, ds);
    mix<D>(dv, prob, memory.stream(stage, 1), memory.scratch());
    mix<D>(dk, ds, memory.stream(stage, 0), memory.scratch());
  }
  simt::cp_async_wait<0>();

  const float scales[2] = {p.scale, p.scale}, ones[2] = {1.0f, 1.0f};
  T *to_k[2], *to_v[2];
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    const int r = warp_id() * kWarpRows + lane_id() / 4 + 8 * h;
    const size_t row = at + size_t(r) * stride;
    to_k[h] = r < tile.len && p.dk != nullptr ? p.dk + row : nullptr;
    to_v[h] = r < tile.len && p.dv != nullptr ? p.dv + row : nullptr;
  }
  store_rows(to_k, dk, scales, p.sizes.head_dim);
  store_rows(to_v, dv, ones, p.sizes.head_dim);
}

}  // namespace rft::cuda::attention
