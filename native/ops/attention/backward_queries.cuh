// dQ: one block per row tile (or kParts blocks) and kv head.
#pragma once
#include "ops/attention/backward.cuh"

namespace rft::cuda::attention {

template <class T, int D, int Warps>
__global__ void __launch_bounds__(32 * Warps, sizeof(T) == 2 ? 2 : 1)
    attention_query_gradients_kernel(const BackwardParams<T> p) {
  SIMT_DYN_SHARED(smem);
  using Memory = BackwardMemory<T, D, Warps>;
  const Memory memory{smem};
  const RowTile tile = p.plan.row_tiles[int(blockIdx.x) / kParts<Warps>];
  const int first_row = tile.first + int(blockIdx.x) % kParts<Warps> * Memory::kRows;
  const Segment segment = p.plan.segments[tile.segment];
  const PackedRows rows(p.sizes, segment.q_begin, segment.q_len, first_row, Memory::kRows, int(blockIdx.y));
  if (rows.empty()) return;
  const KeyRows<T> keys = key_rows(segment, p.k, p.v, p.sizes, int(blockIdx.y));
  const int end_key = visible_keys(segment, rows.local_query(rows.count - 1));
  const int all_see = visible_keys(segment, rows.local_query(0));
  const int D_used = p.sizes.head_dim;
  auto copy_keys = [&](int stage, int first) {
    copy_rows<T, D, kStreamRows, Memory::kThreads>(memory.stream(stage, 0), D_used, p.q, [&](int i) {
      return first + i < end_key ? keys.key(first + i) : nullptr;
    });
    copy_rows<T, D, kStreamRows, Memory::kThreads>(memory.stream(stage, 1), D_used, p.q, [&](int i) {
      return first + i < end_key ? keys.value(first + i) : nullptr;
    });
  };
  copy_rows<T, D, Memory::kRows, Memory::kThreads>(memory.stay(0), D_used, p.q,
                                                   [&](int r) { return rows.row(p.q, r); });
  copy_rows<T, D, Memory::kRows, Memory::kThreads>(memory.stay(1), D_used, p.q,
                                                   [&](int r) { return rows.row(p.dout, r); });
  copy_keys(0, 0);
  simt::cp_async_commit();

  const int row0 = warp_id() * kWarpRows + lane_id() / 4;
  const bool active = warp_id() * kWarpRows < rows.count;
  const float c = p.scale * kLog2e;
  float base[2] = {}, delta[2] = {};
  int visible[2];
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    const int r = row0 + 8 * h;
    visible[h] = visible_keys(segment, rows.local_query(r));
    if (r >= rows.count) continue;
    base[h] = exponent_base(p.lse[rows.statistic(r)]);
    delta[h] = p.delta[rows.statistic(r)];
  }

  float dq[D / 8][4] = {};
  for (int first = 0, stage = 0; first < end_key; first += kStreamRows, stage ^= 1) {
    simt::cp_async_wait<0>();
    __syncthreads();
    if (first + kStreamRows < end_key) copy_keys(stage ^ 1, first + kStreamRows);
    simt::cp_async_commit();
    if (!active) continue;
    float s[kStreamRows / 8][4], ds[kStreamRows / 8][4];
    scores<D>(s, SharedRows<T, D>(memory.warp_rows(0)), memory.stream(stage, 0));
    scores<D>(ds, SharedRows<T, D>(memory.warp_rows(1)), memory.stream(stage, 1));
    const bool masks = first + kStreamRows > all_see;
#pragma unroll
    for (int n = 0; n < kStreamRows / 8; ++n)
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float prob = simt::exp2_approx(fmaf(s[n][i], c, base[i / 2]));
        const bool seen = !masks || first + n * 8 + lane_id() % 4 * 2 + i % 2 < visible[i / 2];
        ds[n][i] = seen ? prob * (ds[n][i] - delta[i / 2]) : 0.0f;
      }
    mix<D>(dq, ds, memory.stream(stage, 0), memory.scratch());
  }
  simt::cp_async_wait<0>();

  const float scales[2] = {p.scale, p.scale};
  T* const to[2] = {rows.row(p.dq, row0), rows.row(p.dq, row0 + 8)};
  store_rows(to, dq, scales, D_used);
}

}  // namespace rft::cuda::attention
