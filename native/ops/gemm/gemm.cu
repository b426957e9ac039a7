// Which tile a bf16 product runs on. Bits do not depend on the choice.
#include "ops/gemm/gemm.cuh"

#include "ops/gemm/check.h"
#include "ops/gemm/launch.h"

namespace rft::cuda {
namespace {

constexpr int64_t kManyTiles = 96;  // large tiles when so many keep the device busy
constexpr int64_t kSkinnyRows = 64;

bool aligned(const void* p, int64_t ld) { return reinterpret_cast<uintptr_t>(p) % 16 == 0 && ld % 8 == 0; }

template <class T, Major MajorA, Major MajorB, bool Aligned, class Out>
void run(const Operand& a, const Operand& b, int64_t K, const Result<Out>& r, Stream stream) {
  const int64_t blocks = ceil_div<int64_t>(r.m, T::Rows) * ceil_div<int64_t>(r.n, T::Cols);
  launch(Launch{"gemm", dim3(unsigned(blocks)), dim3(T::Threads), T::SharedBytes, stream},
         gemm_kernel<T, MajorA, MajorB, Aligned, Out>, a, b, K, r);
}

template <Major MajorA, Major MajorB, class Out>
void run_tile(const Operand& a, const Operand& b, int64_t K, const Result<Out>& r, Stream stream) {
  const int64_t large = ceil_div<int64_t>(r.m, LargeTile::Rows) * ceil_div<int64_t>(r.n, LargeTile::Cols);
  if (!aligned(a.base, a.ld) || !aligned(b.base, b.ld)) run<SmallTile, MajorA, MajorB, false>(a, b, K, r, stream);
  else if (large >= kManyTiles) run<LargeTile, MajorA, MajorB, true>(a, b, K, r, stream);
  else run<SmallTile, MajorA, MajorB, true>(a, b, K, r, stream);
}

template <class T, class Out>
void run_skinny_tile(const Operand& a, const Operand& b, int64_t K, const Result<Out>& r, Stream stream) {
  launch(
      Launch{"skinny gemm", dim3(unsigned(ceil_div<int64_t>(r.n, T::Rows))), dim3(T::Threads), T::SharedBytes, stream},
      skinny_gemm_kernel<T, Out>, a, b, K, r);
}

// Fewer rows of weights a block while that fills the device; many when x is wide enough to be worth sharing.
template <int Tokens, class Out>
void run_skinny(const Operand& a, const Operand& b, int64_t K, const Result<Out>& r, Stream stream) {
  if constexpr (Tokens <= 16)
    if (r.n < 64 * kManyTiles) return run_skinny_tile<SkinnyTile<1, Tokens>>(a, b, K, r, stream);
  run_skinny_tile<SkinnyTile<4, Tokens>>(a, b, K, r, stream);
}

template <class Out>
void run_gemm(const Gemm& g, const bf16* a, const bf16* b, const bf16* bias, Out* c, Stream stream) {
  check_gemm(g);
  if (g.m == 0 || g.n == 0) return;
  const bool pairs = g.ldc % 2 == 0 && reinterpret_cast<uintptr_t>(c) % (2 * sizeof(Out)) == 0;
  const Operand rows{a, g.lda, g.m}, cols{b, g.ldb, g.n};
  const Result<Out> r{c, g.ldc, g.m, g.n, bias, g.accumulate, pairs};
  if (g.form == Form::NN) return run_tile<Major::K, Major::Other>(rows, cols, g.k, r, stream);
  if (g.form == Form::TN) return run_tile<Major::Other, Major::Other>(rows, cols, g.k, r, stream);
  if (g.m > kSkinnyRows || !aligned(a, g.lda) || !aligned(b, g.ldb))
    return run_tile<Major::K, Major::K>(rows, cols, g.k, r, stream);
  if (g.m <= 8) run_skinny<8>(rows, cols, g.k, r, stream);
  else if (g.m <= 16) run_skinny<16>(rows, cols, g.k, r, stream);
  else if (g.m <= 32) run_skinny<32>(rows, cols, g.k, r, stream);
  else run_skinny<64>(rows, cols, g.k, r, stream);
}

}  // namespace

void gemm(const Gemm& g, const bf16* a, const bf16* b, const bf16* bias, bf16* c, Stream stream) {
  run_gemm(g, a, b, bias, c, stream);
}
void gemm(const Gemm& g, const bf16* a, const bf16* b, const bf16* bias, float* c, Stream stream) {
  run_gemm(g, a, b, bias, c, stream);
}

}  // namespace rft::cuda
