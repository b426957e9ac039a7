// The bf16 matrix product: a tile of tile.cuh, then bias, accumulation and the store.
#pragma once
#include "ops/gemm/tile.cuh"

namespace rft::cuda {

using LargeTile = Tile<128, 128, 32, 4, 64, 32>;  // 8 warps, 64 KB: two blocks fit an SM of sm_80
using SmallTile = Tile<64, 64, 32, 4, 32, 32>;    // 4 warps, 32 KB
// For decoding: Warps x 16 rows of weights against Tokens rows of x, with 36 to 96 KB of copies on their way.
template <int Warps, int Tokens>
using SkinnyTile = Tile<16 * Warps, Tokens, 64, Warps == 1 ? 12 : 6, 16, Tokens>;

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

template <class T, Major MajorA, Major MajorB, bool Aligned, class Out>
__global__ void __launch_bounds__(T::Threads) gemm_kernel(Operand a, Operand b, int64_t K, Result<Out> r) {
  SIMT_DYN_SHARED(shared);
  const Place at = place_of(blockIdx.x, ceil_div<int64_t>(r.m, T::Rows), ceil_div<int64_t>(r.n, T::Cols));
  const int64_t row0 = at.row_tile * T::Rows, col0 = at.col_tile * T::Cols;
  using Stream = TileStream<T, MajorA, MajorB, Aligned>;
  Stream stream(shared, a, b, K, row0, col0, 1);
  typename T::Accumulators acc;
  stream.tile(acc);
  stream.finish();
  const int lane = int(threadIdx.x) % 32;
#pragma unroll
  for (int m = 0; m < T::M; ++m)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int64_t row = row0 + Stream::warp_row() + m * 16 + half * 8 + lane / 4;
      if (row >= r.m) continue;
#pragma unroll
      for (int n = 0; n < T::N; ++n) {
        const int64_t col = col0 + Stream::warp_col() + n * 8 + lane % 4 * 2;
        if (col >= r.n) continue;
        Out* to = r.c + row * r.ldc + col;
        const float first = finished(r, acc[m][n][2 * half], to, col);
        if (col + 1 == r.n) {
          *to = from_float<Out>(first);
          continue;
        }
        const float second = finished(r, acc[m][n][2 * half + 1], to + 1, col + 1);
        if (r.pairs) {
          store_pair(to, first, second);
        } else {
          to[0] = from_float<Out>(first);
          to[1] = from_float<Out>(second);
        }
      }
    }
}

// Few rows (decoding): the roles change. 16 rows of the weights b are the rows of the tensor-core tile and up to
// T::Cols rows of a its columns, so that a batch of 8 wastes nothing; deep stages keep the memory busy.
template <class T, class Out>
__global__ void __launch_bounds__(T::Threads) skinny_gemm_kernel(Operand a, Operand b, int64_t K, Result<Out> r) {
  SIMT_DYN_SHARED(shared);
  const int64_t row0 = int64_t(blockIdx.x) * T::Rows;  // of b: columns of c
  using Stream = TileStream<T, Major::K, Major::K, true>;
  Stream stream(shared, b, a, K, row0, 0, 1);
  typename T::Accumulators acc;
  stream.tile(acc);
  stream.finish();
  const int lane = int(threadIdx.x) % 32;
#pragma unroll
  for (int m = 0; m < T::M; ++m)
#pragma unroll
    for (int n = 0; n < T::N; ++n)
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int64_t col = row0 + Stream::warp_row() + m * 16 + i / 2 * 8 + lane / 4;
        const int64_t row = Stream::warp_col() + n * 8 + lane % 4 * 2 + i % 2;
        if (row >= r.m || col >= r.n) continue;
        Out* to = r.c + row * r.ldc + col;
        *to = from_float<Out>(finished(r, acc[m][n][i], to, col));
      }
}

}  // namespace rft::cuda
