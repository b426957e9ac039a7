// One block's walk over key tiles: the loop of the training forward pass and of the decode. 16 rows a warp; keys
// and values are copied one tile ahead. Blocks of 8 warps read keys half as often, those of 4 suit short segments and
// the decode, those of kFewWarps devices with little shared memory; rows get the same bits from all.
#pragma once
#include "ops/attention/online_softmax.cuh"
#include "ops/attention/products.cuh"
#include "ops/attention/rows.cuh"

namespace rft::cuda::attention {

// Of a tile; fp32 rows are twice as long. Both divide kChunkKeys.
template <class T>
constexpr int kTileKeys = sizeof(T) == 2 ? 64 : 32;
template <class T>
constexpr int kChunkTiles = kChunkKeys / kTileKeys<T>;

template <class T, int D>
struct AttendTypes;
template <int D>
struct AttendTypes<bf16, D> {
  using Rows = RegisterRows<D>;
};
template <int D>
struct AttendTypes<float, D> {
  using Rows = SharedRows<float, D>;
};

// A row's total over finished chunks, in shared memory: each thread only touches its own.
template <int D, int Threads>
struct Totals {
  static constexpr int kO = D / 2, kFloats = (kO + 4) * Threads;
  float* mine;

  __device__ __forceinline__ float& at(int i) const { return mine[i * Threads]; }
  __device__ __forceinline__ void save(const Sums<D>& sums) const {
#pragma unroll
    for (int i = 0; i < kO; ++i) at(i) = sums.o[i / 4][i % 4];
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      at(kO + h) = sums.m[h];
      at(kO + 2 + h) = sums.l[h];
    }
  }
  // sums = total + sums.
  __device__ __forceinline__ void add_to(Sums<D>& sums, float c) const {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const Merge merge(at(kO + h), sums.m[h], c);
      sums.m[h] = merge.m;
      sums.l[h] = merge(at(kO + 2 + h), sums.l[h]);
#pragma unroll
      for (int i = 0; i < kO; ++i)
        if (i % 4 / 2 == h) sums.o[i / 4][i % 4] = merge(at(i), sums.o[i / 4][i % 4]);
    }
  }
};

// Shared memory of a block: queries, two stages of keys and values, totals, scratch. In bf16 the queries move to
// registers before the first total is saved, so the two share their place.
template <class T, int D, int Warps>
struct AttendMemory {
  static constexpr int kRows = Warps * kWarpRows;
  using RowTotals = Totals<D, 32 * Warps>;
  static constexpr size_t kQueries = tile_bytes<T, D>(kRows), kTotals = sizeof(float) * RowTotals::kFloats;
  static constexpr bool kOverlaid = sizeof(T) == 2;
  static constexpr size_t kFront = kOverlaid ? (kQueries > kTotals ? kQueries : kTotals) : kQueries + kTotals;
  static constexpr size_t kTile = tile_bytes<T, D>(kTileKeys<T>);
  static constexpr size_t kScratch = sizeof(float) * size_t(scratch_floats<T, kTileKeys<T> / 8>(kRows));
  static constexpr size_t kBytes = kFront + 4 * kTile + kScratch;

  unsigned char* base;
  __device__ __forceinline__ T* queries() const { return reinterpret_cast<T*>(base); }
  __device__ __forceinline__ RowTotals totals() const {
    return {reinterpret_cast<float*>(base + (kOverlaid ? 0 : kQueries)) + threadIdx.x};
  }
  __device__ __forceinline__ T* keys(int stage) const {
    return reinterpret_cast<T*>(base + kFront + size_t(2 * stage) * kTile);
  }
  __device__ __forceinline__ T* values(int stage) const {
    return reinterpret_cast<T*>(base + kFront + size_t(2 * stage + 1) * kTile);
  }
  __device__ __forceinline__ float* scratch() const { return reinterpret_cast<float*>(base + kFront + 4 * kTile); }
};

// The lane's two rows, and the tile's keys: [first_key, end_key), first_key a multiple of kChunkKeys. Row h sees
// logical keys below visible[h]; every row of the tile sees those below all_see.
struct AttendRange {
  int first_key, end_key, all_see, visible[2];
};

// Scores of keys from `first` on that a row does not see become -inf.
template <int N>
__device__ __forceinline__ void mask_tile(float (&s)[N][4], int first, const AttendRange& range) {
  if (first + N * 8 <= range.all_see) return;
#pragma unroll
  for (int n = 0; n < N; ++n)
#pragma unroll
    for (int i = 0; i < 4; ++i)
      if (first + n * 8 + lane_id() % 4 * 2 + i % 2 >= range.visible[i / 2]) s[n][i] = -INFINITY;
}

// Leaves in `sums`, whole, what the rows' keys in the range add up to. WholeRow: over all chunks; else there is only
// one. Warps without rows only copy.
template <bool WholeRow, class T, int D, int Warps>
__device__ __forceinline__ void attend(const AttendMemory<T, D, Warps>& memory, const T* q, const PackedRows& rows,
                                       const KeyRows<T>& keys, const AttendRange& range, float c, Sums<D>& sums) {
  constexpr int kKeys = kTileKeys<T>;
  auto copy_keys = [&](int stage, int first) {
    copy_rows<T, D, kKeys, 32 * Warps>(memory.keys(stage), rows.sizes.head_dim, q, [&](int i) {
      return first + i < range.end_key ? keys.key(first + i) : nullptr;
    });
    copy_rows<T, D, kKeys, 32 * Warps>(memory.values(stage), rows.sizes.head_dim, q, [&](int i) {
      return first + i < range.end_key ? keys.value(first + i) : nullptr;
    });
  };
  copy_rows<T, D, Warps * kWarpRows, 32 * Warps>(memory.queries(), rows.sizes.head_dim, q,
                                                 [&](int r) { return rows.row(q, r); });
  copy_keys(0, range.first_key);
  simt::cp_async_commit();
  simt::cp_async_wait<0>();
  __syncthreads();
  const typename AttendTypes<T, D>::Rows queries(memory.queries() + warp_id() * kWarpRows * kPitch<T, D>);
  const auto totals = memory.totals();
  const bool active = warp_id() * kWarpRows < rows.count;
  bool saved = false;
  sums.reset();

  for (int first = range.first_key, stage = 0; first < range.end_key; first += kKeys, stage ^= 1) {
    simt::cp_async_wait<0>();
    __syncthreads();
    if (first + kKeys < range.end_key) copy_keys(stage ^ 1, first + kKeys);
    simt::cp_async_commit();
    if (!active) continue;
    if (WholeRow && first != range.first_key && first % kChunkKeys == 0) {
      sums.whole();
      if (saved) totals.add_to(sums, c);
      totals.save(sums);
      sums.reset();
      saved = true;
    }

    float s[kKeys / 8][4];
    scores<D>(s, queries, memory.keys(stage));
    mask_tile(s, first, range);
    float w[2];
    softmax_tile(s, sums.m, sums.l, c, w);
    rescale(sums.o, w);
    mix<D>(sums.o, s, memory.values(stage), memory.scratch());
  }
  simt::cp_async_wait<0>();
  sums.whole();
  if (WholeRow && saved) totals.add_to(sums, c);
}

}  // namespace rft::cuda::attention
