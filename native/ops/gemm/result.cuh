// Where a product goes: bias, accumulation and the store, the same for every kernel; and which block computes which
// tile.
#pragma once
#include "ops/kernel.cuh"

namespace rft::cuda {

template <class Out>
struct Result {
  Out* c;
  int64_t ldc, m, n;
  const bf16* bias;        // (n) or nullptr
  bool accumulate, pairs;  // pairs: two neighbours of a row can be stored at once
};

template <class Out>
__device__ __forceinline__ float finished(const Result<Out>& r, float sum, const Out* old, int64_t col) {
  if (r.bias != nullptr) sum += to_float(r.bias[col]);
  return r.accumulate ? to_float(*old) + sum : sum;
}

__device__ __forceinline__ void store_pair(float* to, float x, float y) {
  *reinterpret_cast<float2*>(to) = make_float2(x, y);
}
__device__ __forceinline__ void store_pair(bf16* to, float x, float y) {
  *reinterpret_cast<__nv_bfloat162*>(to) = __floats2bfloat162_rn(x, y);
}

// Blocks are numbered so that those running together share operands: down kStrip row tiles, then one column tile on.
struct Place {
  int64_t row_tile, col_tile;
};
__device__ __forceinline__ Place place_of(int64_t block, int64_t row_tiles, int64_t col_tiles) {
  constexpr int64_t kStrip = 8;
  const int64_t strip = block / (kStrip * col_tiles), rest = block % (kStrip * col_tiles);
  const int64_t height = row_tiles - strip * kStrip < kStrip ? row_tiles - strip * kStrip : kStrip;
  return {strip * kStrip + rest % height, rest / height};
}

template <class Out>
__device__ __forceinline__ void store_one(const Result<Out>& r, int64_t row, int64_t col, float sum) {
  if (row >= r.m || col >= r.n) return;
  Out* to = r.c + row * r.ldc + col;
  *to = from_float<Out>(finished(r, sum, to, col));
}

// Columns col and col + 1.
template <class Out>
__device__ __forceinline__ void store_two(const Result<Out>& r, int64_t row, int64_t col, float x, float y) {
  if (row >= r.m || col >= r.n) return;
  if (!r.pairs || col + 1 == r.n) {
    store_one(r, row, col, x);
    store_one(r, row, col + 1, y);
    return;
  }
  Out* to = r.c + row * r.ldc + col;
  store_pair(to, finished(r, x, to, col), finished(r, y, to + 1, col + 1));
}

}  // namespace rft::cuda
