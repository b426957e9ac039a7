// One tile of a matrix product on tensor cores (mma.sync, sm_80 and later): acc (Rows, Cols) += a b, bf16 operands,
// fp32 accumulation. What is done with the tile is the caller's: gemm.cuh stores it, token_logp reduces it.
//
//   element (i, k) of a and (j, k) of b    at base[i * ld + k] (Major::K) or base[k * ld + i] (Major::Other)
//
// Operands pass through shared memory in stages of Depth along k, copied by cp.async Stages - 1 ahead. Their 16-byte
// chunks are exchanged by row (XOR), so that neither the copies nor ldmatrix meet bank conflicts.
//
// Order of sums: every element is one chain of mma steps of 16 along k, from 0 upwards, however large the tile, the
// stage or the batch, and whichever operand is a: the tensor core treats the two factors alike. So a row of the result
// has the same bits in every tile shape; sampler and trainer rely on it.
#pragma once
#include "ops/kernel.cuh"
#include "simt/ptx.h"

namespace rft::cuda {

enum class Major { K, Other };  // the index of an operand that is contiguous in memory

// Rows of an operand, `count` in all; with `gather`, row i is row gather[i] of the array (Major::K only).
struct Operand {
  const bf16* base;
  int64_t ld, count;
  const int32_t* gather = nullptr;
};

template <int Rows_, int Cols_, int Depth_, int Stages_, int WarpRows_, int WarpCols_>
struct Tile {
  static constexpr int Rows = Rows_, Cols = Cols_, Depth = Depth_, Stages = Stages_;
  static constexpr int WarpRows = WarpRows_, WarpCols = WarpCols_, WarpsAcross = Cols / WarpCols;
  static constexpr int Threads = 32 * (Rows / WarpRows) * WarpsAcross;
  static constexpr int M = WarpRows / 16, N = WarpCols / 8;  // mma tiles of a warp
  static constexpr int ChunksA = Rows * Depth / 8, ChunksB = Cols * Depth / 8;
  static constexpr size_t SharedBytes = size_t(Stages) * (ChunksA + ChunksB) * 16;
  static_assert(Depth % 32 == 0 && Rows % WarpRows == 0 && Cols % WarpCols == 0);
  static_assert(N == 1 || N % 2 == 0);
  using Accumulators = float[M][N][4];
};

// Where chunk `chunk` of line `line` lies; a line has PerLine chunks.
template <int PerLine>
__device__ __forceinline__ int swizzled(int line, int chunk) {
  static_assert(PerLine >= 4);
  return line * PerLine + (PerLine == 4 ? chunk ^ (line / 2 % 4) : chunk ^ (line % 8));
}

__device__ __forceinline__ uint32_t bits_of(bf16 x) {
  uint16_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

// 8 values that need not be aligned, zeros from `count` on.
__device__ __forceinline__ void copy_chunk_by_element(uint4* to, const bf16* from, int count) {
  uint32_t pairs[4] = {0, 0, 0, 0};
#pragma unroll
  for (int i = 0; i < 8; ++i)
    if (i < count) pairs[i / 2] |= bits_of(from[i]) << (16 * (i % 2));
  *to = make_uint4(pairs[0], pairs[1], pairs[2], pairs[3]);
}

// One stage of an operand: Count rows from `first`, Depth along k from k0; zeros outside the array.
template <int Count, int Depth, int Threads, Major Contiguous, bool Aligned>
__device__ __forceinline__ void load_stage(uint4* stage, const Operand& op, int64_t first, int64_t k0, int64_t K) {
  constexpr int kPerLine = (Contiguous == Major::K ? Depth : Count) / 8, kChunks = Count * Depth / 8;
#pragma unroll
  for (int i = 0; i < (kChunks + Threads - 1) / Threads; ++i) {
    const int at = i * Threads + int(threadIdx.x);
    if (kChunks % Threads != 0 && at >= kChunks) break;
    const int line = at / kPerLine, chunk = at % kPerLine;
    const int64_t row = first + (Contiguous == Major::K ? line : chunk * 8);
    const int64_t k = k0 + (Contiguous == Major::K ? chunk * 8 : line);
    const int64_t left = Contiguous == Major::K ? K - k : op.count - row;
    const bool inside = row < op.count && k < K;
    const int values = !inside ? 0 : left < 8 ? int(left) : 8;
    const bf16* from = op.base;
    if (inside) {
      if constexpr (Contiguous == Major::K) from += (op.gather != nullptr ? int64_t(op.gather[row]) : row) * op.ld + k;
      else from += k * op.ld + row;
    }
    uint4* to = stage + swizzled<kPerLine>(line, chunk);
    if constexpr (Aligned) simt::cp_async<16>(to, from, values * int(sizeof(bf16)));
    else copy_chunk_by_element(to, from, values);
  }
}

// Fragments of step kk (16 along k) of a stage: rows row0 to row0 + 15 of a, rows col0 to col0 + 15 (or 7) of b.
template <class T, Major Contiguous>
__device__ __forceinline__ void fragment_a(uint32_t (&a)[4], const uint4* stage, int row0, int kk) {
  const int lane = int(threadIdx.x) % 32;
  if constexpr (Contiguous == Major::K)
    simt::ldmatrix(a, stage + swizzled<T::Depth / 8>(row0 + lane % 16, 2 * kk + lane / 16));
  else
    simt::ldmatrix<true>(a, stage + swizzled<T::Rows / 8>(kk * 16 + lane / 16 * 8 + lane % 8, row0 / 8 + lane / 8 % 2));
}
template <class T, Major Contiguous, int Registers>  // 4 for 16 columns, 2 for 8
__device__ __forceinline__ void fragment_b(uint32_t (&b)[Registers], const uint4* stage, int col0, int kk) {
  const int lane = int(threadIdx.x) % 32, right = Registers == 4 ? lane / 16 : 0;
  if constexpr (Contiguous == Major::K)
    simt::ldmatrix(b, stage + swizzled<T::Depth / 8>(col0 + right * 8 + lane % 8, 2 * kk + lane / 8 % 2));
  else simt::ldmatrix<true>(b, stage + swizzled<T::Cols / 8>(kk * 16 + lane / 8 % 2 * 8 + lane % 8, col0 / 8 + right));
}

// The copies and products of one block: `tiles` tiles that share the rows of a and follow each other along b. The copy
// of the next tile begins while the last one is still computed.
template <class T, Major MajorA, Major MajorB, bool Aligned>
class TileStream {
 public:
  __device__ TileStream(unsigned char* shared, const Operand& a, const Operand& b, int64_t K, int64_t row0,
                        int64_t col0, int64_t tiles)
      : a_(a),
        b_(b),
        K_(K),
        row0_(row0),
        next_col_(col0),
        end_col_(col0 + tiles * T::Cols),
        stage_a_(reinterpret_cast<uint4*>(shared)),
        stage_b_(stage_a_ + T::Stages * T::ChunksA) {
#pragma unroll
    for (int s = 0; s < T::Stages - 1; ++s) {
      load(s);
      simt::cp_async_commit();
    }
  }

  // acc = the next tile's product.
  __device__ void tile(typename T::Accumulators& acc) {
#pragma unroll
    for (int m = 0; m < T::M; ++m)
#pragma unroll
      for (int n = 0; n < T::N; ++n)
#pragma unroll
        for (int i = 0; i < 4; ++i) acc[m][n][i] = 0.0f;
    for (int64_t k = 0; k < K_; k += T::Depth) {
      simt::cp_async_wait<T::Stages - 2>();
      __syncthreads();  // this stage has arrived for all; the stage before is no longer read
      load(current_ == 0 ? T::Stages - 1 : current_ - 1);
      simt::cp_async_commit();
      multiply(acc);
      current_ = current_ + 1 == T::Stages ? 0 : current_ + 1;
    }
  }

  // Before the shared memory is used for anything else.
  __device__ void finish() {
    simt::cp_async_wait<0>();
    __syncthreads();
  }

  static __device__ int warp_row() { return int(threadIdx.x) / 32 / T::WarpsAcross * T::WarpRows; }
  static __device__ int warp_col() { return int(threadIdx.x) / 32 % T::WarpsAcross * T::WarpCols; }

 private:
  __device__ void load(int stage) {
    if (next_col_ >= end_col_) return;
    load_stage<T::Rows, T::Depth, T::Threads, MajorA, Aligned>(stage_a_ + stage * T::ChunksA, a_, row0_, next_k_, K_);
    load_stage<T::Cols, T::Depth, T::Threads, MajorB, Aligned>(stage_b_ + stage * T::ChunksB, b_, next_col_, next_k_,
                                                               K_);
    next_k_ += T::Depth;
    if (next_k_ < K_) return;
    next_k_ = 0;
    next_col_ += T::Cols;
  }

  __device__ void multiply(typename T::Accumulators& acc) const {
    const uint4 *a = stage_a_ + current_ * T::ChunksA, *b = stage_b_ + current_ * T::ChunksB;
#pragma unroll
    for (int kk = 0; kk < T::Depth / 16; ++kk) {
      uint32_t fa[T::M][4];
#pragma unroll
      for (int m = 0; m < T::M; ++m) fragment_a<T, MajorA>(fa[m], a, warp_row() + m * 16, kk);
      if constexpr (T::N == 1) {
        uint32_t fb[2];
        fragment_b<T, MajorB>(fb, b, warp_col(), kk);
#pragma unroll
        for (int m = 0; m < T::M; ++m) simt::mma_m16n8k16(acc[m][0], fa[m], fb[0], fb[1]);
      } else {
#pragma unroll
        for (int n = 0; n < T::N; n += 2) {
          uint32_t fb[4];
          fragment_b<T, MajorB>(fb, b, warp_col() + n * 8, kk);
#pragma unroll
          for (int m = 0; m < T::M; ++m) {
            simt::mma_m16n8k16(acc[m][n], fa[m], fb[0], fb[1]);
            simt::mma_m16n8k16(acc[m][n + 1], fa[m], fb[2], fb[3]);
          }
        }
      }
    }
  }

  const Operand a_, b_;
  const int64_t K_, row0_;
  int64_t next_col_, next_k_ = 0;
  const int64_t end_col_;
  uint4 *const stage_a_, *const stage_b_;
  int current_ = 0;
};

}  // namespace rft::cuda
