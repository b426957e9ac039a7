// Attention forward for sm_90a: wgmma in place of mma.sync, for 128 packed rows a block and head sizes 64 and 128.
//
//   warpgroup 0     copies keys and values kStages tiles ahead; gives most of its registers away
//   warpgroups 1, 2 64 rows each: S = Q K^T of tile j + 1 is under way while P V of tile j is, and the softmax of tile
//                   j + 1 overlaps the latter
//
// Rows come by cp.async, not TMA: a tile may join the end of a prompt with the start of a response, two boxes of
// run-time size. They are stored as wgmma wants them: per 64 columns a block of 128-byte rows, 16-byte vectors
// exchanged by row. The order of sums is online_softmax.cuh's, tile for tile, so in the emulator the bits are those of
// attention_forward; on hardware that holds as far as wgmma adds up 16 products as mma.sync does.
#pragma once
#include "ops/attention/attend.cuh"
#include "ops/attention/forward.cuh"
#include "simt/ptx_sm90.h"

namespace rft::cuda::attention {

constexpr int kConsumers = 2, kGroupThreads = 128, kSm90Threads = kGroupThreads * (1 + kConsumers);
constexpr int kSm90Rows = kConsumers * kTileRows;
constexpr int kProducerRegisters = 56, kConsumerRegisters = 224;
static_assert(kProducerRegisters + kConsumers * kConsumerRegisters <= 65536 / kGroupThreads);

// Byte of vector `column / 8` of a row in a tile of kTileRows rows.
__device__ __forceinline__ uint32_t swizzled_at(int row, int column) {
  return uint32_t(column / 64 * kTileRows * 128 + row * 128 + ((column % 64 / 8) ^ (row % 8)) * 16);
}

template <int D>
struct Sm90Memory {
  static constexpr int kStages = D == 64 ? 4 : 3;
  static constexpr size_t kTile = size_t(kTileRows) * D * 2;
  using RowTotals = Totals<D, kConsumers * kGroupThreads>;
  static constexpr size_t kTiles = (kConsumers + 2 * kStages) * kTile, kTotals = sizeof(float) * RowTotals::kFloats;
  static constexpr size_t kBytes = kTiles + kTotals + sizeof(uint64_t) * (1 + 2 * kStages);

  unsigned char* base;
  __device__ __forceinline__ unsigned char* queries(int consumer) const { return base + size_t(consumer) * kTile; }
  __device__ __forceinline__ unsigned char* keys(int stage) const {
    return base + size_t(kConsumers + 2 * stage) * kTile;
  }
  __device__ __forceinline__ unsigned char* values(int stage) const { return keys(stage) + kTile; }
  __device__ __forceinline__ RowTotals totals() const {
    return {reinterpret_cast<float*>(base + kTiles) + (threadIdx.x - kGroupThreads)};
  }
  __device__ __forceinline__ uint64_t* queries_full() const {
    return reinterpret_cast<uint64_t*>(base + kTiles + kTotals);
  }
  __device__ __forceinline__ uint64_t* full(int stage) const { return queries_full() + 1 + stage; }
  __device__ __forceinline__ uint64_t* empty(int stage) const { return queries_full() + 1 + kStages + stage; }
};

// ---- producer
// -------------------------------------------------------------------------------------------------------- A tile of
// kTileRows rows; row(i): the first element of row i, nullptr for zeros.
template <int D, class Row>
__device__ __forceinline__ void copy_swizzled(unsigned char* tile, int head_dim, const bf16* somewhere, Row row) {
  constexpr int kRowVectors = D / 8, kRowsAtOnce = kGroupThreads / kRowVectors;
  const int column = int(threadIdx.x) % kRowVectors * 8, first = int(threadIdx.x) / kRowVectors;
#pragma unroll 4
  for (int r = first; r < kTileRows; r += kRowsAtOnce) {
    const bf16* from = row(r);
    const bool valid = from != nullptr && column < head_dim;
    simt::cp_async<16>(tile + swizzled_at(r, column), valid ? from + column : somewhere, valid ? 16 : 0);
  }
}

// What this thread's finished copies stored becomes visible to wgmma, then it counts.
__device__ __forceinline__ void publish(uint64_t* bar) {
  simt::fence_proxy_async();
  simt::mbarrier_arrive(bar);
}

template <int D>
__device__ __forceinline__ void produce(const Sm90Memory<D>& memory, const ForwardParams<bf16>& p,
                                        const PackedRows& rows, const KeyRows<bf16>& keys, int end_key) {
  constexpr int kStages = Sm90Memory<D>::kStages;
  for (int c = 0; c < kConsumers; ++c)
    copy_swizzled<D>(memory.queries(c), p.sizes.head_dim, p.q, [&](int r) { return rows.row(p.q, c * kTileRows + r); });
  simt::cp_async_commit();
  int tile = 0;
  for (int first = 0; first < end_key; first += kTileRows, ++tile) {
    const int stage = tile % kStages;
    simt::mbarrier_wait(memory.empty(stage), unsigned(tile / kStages & 1) ^ 1);
    copy_swizzled<D>(memory.keys(stage), p.sizes.head_dim, p.q,
                     [&](int i) { return first + i < end_key ? keys.key(first + i) : nullptr; });
    copy_swizzled<D>(memory.values(stage), p.sizes.head_dim, p.q,
                     [&](int i) { return first + i < end_key ? keys.value(first + i) : nullptr; });
    simt::cp_async_commit();
    simt::cp_async_wait<1>();  // of the tile before
    publish(tile == 0 ? memory.queries_full() : memory.full((tile - 1) % kStages));
  }
  simt::cp_async_wait<0>();
  publish(tile == 0 ? memory.queries_full() : memory.full((tile - 1) % kStages));
}

// ---- consumers
// ------------------------------------------------------------------------------------------------------- S of a tile,
// as C fragments.
using ScoreTile = float[kTileRows / 2];

template <int D>
__device__ __forceinline__ void issue_scores(const Sm90Memory<D>& memory, int consumer, int stage, ScoreTile& s) {
  simt::wgmma_fence();
#pragma unroll
  for (int k = 0; k < D / 16; ++k) {
    const int block = k / 4 * kTileRows * 128 + k % 4 * 32;
    simt::wgmma<kTileRows, false>(s, simt::wgmma_descriptor(memory.queries(consumer) + block, 16, 1024),
                                  simt::wgmma_descriptor(memory.keys(stage) + block, 16, 1024), k > 0);
  }
  simt::wgmma_commit();
}

template <int D>
__device__ __forceinline__ void issue_mix(const Sm90Memory<D>& memory, int stage,
                                          const uint32_t (&p)[kTileRows / 16][4], float (&o)[D / 2]) {
  simt::wgmma_fence();
#pragma unroll
  for (int k = 0; k < kTileRows / 16; ++k)
    simt::wgmma_rs<D, true>(o, p[k], simt::wgmma_descriptor(memory.values(stage) + k * 2048, kTileRows * 128, 1024),
                            true);
  simt::wgmma_commit();
}

__device__ __forceinline__ void pack(const ScoreTile& s, uint32_t (&p)[kTileRows / 16][4]) {
#pragma unroll
  for (int i = 0; i < kTileRows / 4; ++i) p[i / 4][i % 4] = simt::pack_bf16(s[2 * i], s[2 * i + 1]);
}

template <int N>
using Fragments = float (&)[N][4];
template <int N>
__device__ __forceinline__ Fragments<N / 4> fragments(float (&x)[N]) {
  return reinterpret_cast<Fragments<N / 4>>(x);
}

template <int D>
__device__ __forceinline__ void consume(const Sm90Memory<D>& memory, int consumer, const AttendRange& range, float c,
                                        Sums<D>& sums) {
  constexpr int kStages = Sm90Memory<D>::kStages;
  const auto totals = memory.totals();
  float(&o)[D / 2] = reinterpret_cast<float(&)[D / 2]>(sums.o);
  const bool leader = threadIdx.x % kGroupThreads == 0;
  const int tiles = (range.end_key + kTileRows - 1) / kTileRows;
  bool saved = false;
  sums.reset();
  simt::mbarrier_wait(memory.queries_full(), 0);
  if (tiles == 0) return;

  ScoreTile s;
  uint32_t p[kTileRows / 16][4];
  float w[2];
  simt::mbarrier_wait(memory.full(0), 0);
  issue_scores(memory, consumer, 0, s);
  simt::wgmma_wait<0>();
  mask_tile(fragments(s), 0, range);
  softmax_tile(fragments(s), sums.m, sums.l, c, w);
  pack(s, p);
  for (int next = 1; next < tiles; ++next) {
    simt::mbarrier_wait(memory.full(next % kStages), unsigned(next / kStages & 1));
    issue_scores(memory, consumer, next % kStages, s);
    issue_mix(memory, (next - 1) % kStages, p, o);
    simt::wgmma_wait<1>();
    const bool new_chunk = next % kChunkTiles<bf16> == 0;
    float m[2], l[2];
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      m[h] = new_chunk ? -INFINITY : sums.m[h];
      l[h] = new_chunk ? 0.0f : sums.l[h];
    }
    mask_tile(fragments(s), next * kTileRows, range);
    softmax_tile(fragments(s), m, l, c, w);
    simt::wgmma_wait<0>();
    if (leader) simt::mbarrier_arrive(memory.empty((next - 1) % kStages));
    if (new_chunk) {
      sums.whole();
      if (saved) totals.add_to(sums, c);
      totals.save(sums);
      saved = true;
      sums.reset();
    }
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      sums.m[h] = m[h];
      sums.l[h] = l[h];
    }
    rescale(sums.o, w);
    pack(s, p);
  }
  issue_mix(memory, (tiles - 1) % kStages, p, o);
  simt::wgmma_wait<0>();
  if (leader) simt::mbarrier_arrive(memory.empty((tiles - 1) % kStages));
  sums.whole();
  if (saved) totals.add_to(sums, c);
}

template <int D>
__global__ void __launch_bounds__(kSm90Threads, 1) attention_forward_sm90_kernel(const ForwardParams<bf16> p) {
#if SIMT_HAS_SM90A
  SIMT_DYN_SHARED(smem);
  const Sm90Memory<D> memory{smem};
  const RowTile tile = p.tiles[blockIdx.x];
  const Segment segment = p.segments[tile.segment];
  const PackedRows rows(p.sizes, segment.q_begin, segment.q_len, tile.first, kSm90Rows, int(blockIdx.y));
  AttendRange range;
  range.first_key = 0;
  range.end_key = visible_keys(segment, rows.local_query(rows.count - 1));
  range.all_see = visible_keys(segment, rows.local_query(0));
  if (threadIdx.x == 0) {
    simt::mbarrier_init(memory.queries_full(), kGroupThreads);
    for (int i = 0; i < Sm90Memory<D>::kStages; ++i) {
      simt::mbarrier_init(memory.full(i), kGroupThreads);
      simt::mbarrier_init(memory.empty(i), kConsumers);
    }
    simt::fence_mbarrier_init();
  }
  __syncthreads();

  if (threadIdx.x < kGroupThreads) {
    simt::setmaxnreg_dec<kProducerRegisters>();
    produce(memory, p, rows, key_rows(segment, p.k, p.v, p.sizes, int(blockIdx.y)), range.end_key);
  } else {
    simt::setmaxnreg_inc<kConsumerRegisters>();
    const int consumer = int(threadIdx.x) / kGroupThreads - 1;
    const int row0 = (warp_id() - kGroupThreads / 32) * kWarpRows + lane_id() / 4;
#pragma unroll
    for (int h = 0; h < 2; ++h) range.visible[h] = visible_keys(segment, rows.local_query(row0 + 8 * h));
    Sums<D> sums;
    consume(memory, consumer, range, p.scale * kLog2e, sums);
    write_forward_rows(p, rows, row0, sums);
  }
#else
  __trap();
#endif
}

}  // namespace rft::cuda::attention
