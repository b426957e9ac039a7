// Attention forward for training and prefill: one block per row tile and kv head.
#pragma once
#include "ops/attention/attend.cuh"

namespace rft::cuda::attention {

template <class T>
struct ForwardParams {
  const T *q, *k, *v;
  T* out;
  float* lse;  // (heads, query_rows), natural log
  const Segment* segments;
  const RowTile* tiles;
  HeadSizes sizes;
  float scale;
};

// Results of the lane's two rows of a tile.
template <class T, int D>
__device__ __forceinline__ void write_forward_rows(const ForwardParams<T>& p, const PackedRows& rows, int row0,
                                                   const Sums<D>& sums) {
  T* out[2];
  float inverse[2];
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    const int r = row0 + 8 * h;
    out[h] = rows.row(p.out, r);
    inverse[h] = inverse_sum(sums.l[h]);
    if (out[h] != nullptr && lane_id() % 4 == 0) p.lse[rows.statistic(r)] = log_sum_exp(sums.m[h], sums.l[h], p.scale);
  }
  store_rows(out, sums.o, inverse, p.sizes.head_dim);
}

template <class T, int D, int Warps>
__global__ void __launch_bounds__(32 * Warps, sizeof(T) == 2 && Warps == 4 ? 2 : 1)
    attention_forward_kernel(const ForwardParams<T> p) {
  SIMT_DYN_SHARED(smem);
  const AttendMemory<T, D, Warps> memory{smem};
  const RowTile tile = p.tiles[int(blockIdx.x) / kParts<Warps>];
  const Segment segment = p.segments[tile.segment];
  const int first = tile.first + int(blockIdx.x) % kParts<Warps> * (Warps * kWarpRows);
  const PackedRows rows(p.sizes, segment.q_begin, segment.q_len, first, Warps * kWarpRows, int(blockIdx.y));
  if (rows.empty()) return;
  const KeyRows<T> keys = key_rows(segment, p.k, p.v, p.sizes, int(blockIdx.y));

  const int row0 = warp_id() * kWarpRows + lane_id() / 4;
  AttendRange range;
  range.first_key = 0;
  range.end_key = visible_keys(segment, rows.local_query(rows.count - 1));
  range.all_see = visible_keys(segment, rows.local_query(0));
#pragma unroll
  for (int h = 0; h < 2; ++h) range.visible[h] = visible_keys(segment, rows.local_query(row0 + 8 * h));

  Sums<D> sums;
  attend<true>(memory, p.q, rows, keys, range, p.scale * kLog2e, sums);
  write_forward_rows(p, rows, row0, sums);
}

}  // namespace rft::cuda::attention
