// The bf16 matrix product: a tile of tile.cuh, then bias, accumulation and the store.
#pragma once
#include "ops/gemm/result.cuh"
#include "ops/gemm/tile.cuh"

namespace rft::cuda {

using LargeTile = Tile<128, 128, 32, 4, 64, 32>;  // 8 warps, 64 KB: two blocks fit an SM of sm_80
using SmallTile = Tile<64, 64, 32, 4, 32, 32>;    // 4 warps, 32 KB
// For decoding: Warps x 16 rows of weights against Tokens rows of x, with 36 to 96 KB of copies on their way.
template <int Warps, int Tokens>
using SkinnyTile = Tile<16 * Warps, Tokens, 64, Warps == 1 ? 12 : 6, 16, Tokens>;

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
    for (int half = 0; half < 2; ++half)
#pragma unroll
      for (int n = 0; n < T::N; ++n)
        store_two(r, row0 + Stream::warp_row() + m * 16 + half * 8 + lane / 4,
                  col0 + Stream::warp_col() + n * 8 + lane % 4 * 2, acc[m][n][2 * half], acc[m][n][2 * half + 1]);
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
      for (int i = 0; i < 4; ++i)
        store_one(r, Stream::warp_col() + n * 8 + lane % 4 * 2 + i % 2,
                  row0 + Stream::warp_row() + m * 16 + i / 2 * 8 + lane / 4, acc[m][n][i]);
}

}  // namespace rft::cuda
