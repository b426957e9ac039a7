#include "ops/gemm/gemm_sm90.cuh"

#include "ops/gemm/check.h"
#include "ops/gemm/launch.h"
#include "simt/tensor_map.h"

namespace rft::cuda {
namespace {

constexpr int64_t kManyTiles = 96;
constexpr int64_t kDecodeRows = 64;

template <class T, bool Swapped, class Out>
void run(const Operand90& a, const Operand90& b, int64_t K, const Result<Out>& r, Stream stream) {
  const int64_t row_tiles = ceil_div<int64_t>(a.count, T::Rows), col_tiles = ceil_div<int64_t>(b.count, T::Cols);
  const auto map = [&](const Operand90& o, uint32_t box_rows) {
    return simt::tensor_map_2d(o.base, uint64_t(o.count), uint64_t(K), uint64_t(o.ld), box_rows, T::Depth);
  };
  launch(Launch{"gemm sm_90a", dim3(unsigned(row_tiles * col_tiles)), dim3(T::Threads), sizeof(T), stream},
         gemm_sm90_kernel<T, Swapped, Out>, map(a, T::Rows), map(b, T::Cols), row_tiles, col_tiles,
         int(ceil_div<int64_t>(K, T::Depth)), r);
}

template <class Out>
void run_gemm(const Gemm& g, const bf16* a, const bf16* b, const bf16* bias, Out* c, Stream stream) {
  check_gemm(g);
  expect(gemm_sm90_suits(g, a, b), "gemm sm_90a", "NT, k above 0, rows that start at multiples of 16 bytes",
         to_string(g));
  if (g.m == 0 || g.n == 0) return;
  const bool pairs = g.ldc % 2 == 0 && reinterpret_cast<uintptr_t>(c) % (2 * sizeof(Out)) == 0;
  const Operand90 x{a, g.lda, g.m}, w{b, g.ldb, g.n};
  const Result<Out> r{c, g.ldc, g.m, g.n, bias, g.accumulate, pairs};
  const int64_t wide = ceil_div<int64_t>(g.m, WideTile::Rows) * ceil_div<int64_t>(g.n, WideTile::Cols);
  if (g.m <= kDecodeRows) run<SkinnyTile90, true>(w, x, g.k, r, stream);
  else if (wide >= kManyTiles) run<WideTile, false>(x, w, g.k, r, stream);
  else run<NarrowTile, false>(x, w, g.k, r, stream);
}

}  // namespace

bool gemm_sm90_suits(const Gemm& g, const bf16* a, const bf16* b) {
  const auto aligned = [](const void* p, int64_t ld) {
    return reinterpret_cast<uintptr_t>(p) % 16 == 0 && ld % 8 == 0;
  };
  return g.form == Form::NT && g.k > 0 && aligned(a, g.lda) && aligned(b, g.ldb);
}

void gemm_sm90(const Gemm& g, const bf16* a, const bf16* b, const bf16* bias, bf16* c, Stream stream) {
  run_gemm(g, a, b, bias, c, stream);
}
void gemm_sm90(const Gemm& g, const bf16* a, const bf16* b, const bf16* bias, float* c, Stream stream) {
  run_gemm(g, a, b, bias, c, stream);
}

}  // namespace rft::cuda
