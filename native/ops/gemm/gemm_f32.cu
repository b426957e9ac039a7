#include "ops/gemm/gemm_f32.cuh"

#include "ops/gemm/check.h"
#include "ops/gemm/launch.h"

namespace rft::cuda {
namespace {

template <int PerThread, Major MajorA, Major MajorB>
void run(const Gemm& g, const float* a, const float* b, const float* bias, float* c, Stream stream) {
  const dim3 grid(unsigned(ceil_div<int64_t>(g.m, 16 * PerThread)), unsigned(ceil_div<int64_t>(g.n, kColsF32)));
  launch(Launch{"gemm fp32", grid, dim3(256), 0, stream}, gemm_f32_kernel<PerThread, MajorA, MajorB>,
         OperandF32{a, g.lda, g.m}, OperandF32{b, g.ldb, g.n}, g.k, c, g.ldc, bias, g.accumulate);
}

template <Major MajorA, Major MajorB>
void run_rows(const Gemm& g, const float* a, const float* b, const float* bias, float* c, Stream stream) {
  if (g.m <= 16) run<1, MajorA, MajorB>(g, a, b, bias, c, stream);
  else run<4, MajorA, MajorB>(g, a, b, bias, c, stream);
}

}  // namespace

void gemm(const Gemm& g, const float* a, const float* b, const float* bias, float* c, Stream stream) {
  check_gemm(g);
  if (g.m == 0 || g.n == 0) return;
  if (g.form == Form::NT) run_rows<Major::K, Major::K>(g, a, b, bias, c, stream);
  else if (g.form == Form::NN) run_rows<Major::K, Major::Other>(g, a, b, bias, c, stream);
  else run_rows<Major::Other, Major::Other>(g, a, b, bias, c, stream);
}

}  // namespace rft::cuda
