// y = x w^T in bf16 on wgmma.
#pragma once
#include "ops/gemm/result.cuh"
#include "ops/gemm/wgmma_tile.cuh"

namespace rft::cuda {

using WideTile = WgmmaTile<2, 256, 4>;      // 128 rows of x, 256 of w; 192 KB
using NarrowTile = WgmmaTile<2, 64, 8>;     // when there are few tiles
using SkinnyTile90 = WgmmaTile<1, 64, 12>;  // 64 rows of w, up to 64 of x: 96 KB of weights on their way

struct Operand90 {
  const bf16* base;
  int64_t ld, count;
};

// a (rows of the tile) and b; Swapped: a is w and b is x, so the tile is stored transposed.
template <class T, bool Swapped, class Out>
__global__ void __launch_bounds__(T::Threads, 1)
    gemm_sm90_kernel(const __grid_constant__ simt::TensorMap a, const __grid_constant__ simt::TensorMap b,
                     int64_t row_tiles, int64_t col_tiles, int steps, Result<Out> r) {
#if RFT_HAS_WGMMA
  SIMT_DYN_SHARED(shared);
  T& s = *reinterpret_cast<T*>(shared);
  const Place at = place_of(blockIdx.x, row_tiles, col_tiles);
  const int64_t row0 = at.row_tile * T::Rows, col0 = at.col_tile * T::Cols;
  s.init();
  const auto multiply = [&](int group) {
    StageCursor<T> cursor;
    typename T::Accumulators acc;
    multiply_tile(s, cursor, steps, group, acc);
    const int lane = int(threadIdx.x) % 32;
#pragma unroll
    for (int n = 0; n < T::Cols / 8; ++n)
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int64_t row = row0 + group * 64 + int(threadIdx.x) / 32 % 4 * 16 + half * 8 + lane / 4;
        const int64_t col = col0 + n * 8 + lane % 4 * 2;
        const float x = acc[4 * n + 2 * half], y = acc[4 * n + 2 * half + 1];
        if constexpr (Swapped) {
          store_one(r, col, row, x);
          store_one(r, col + 1, row, y);
        } else {
          store_two(r, row, col, x, y);
        }
      }
  };
  run_roles<T>([&] { copy_tiles(s, &a, &b, row0, col0, 1, steps); }, multiply);
#endif
}

}  // namespace rft::cuda
