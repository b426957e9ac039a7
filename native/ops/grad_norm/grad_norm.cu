#include "ops/grad_norm/grad_norm.cuh"

namespace rft::cuda {

void sum_squares(const float* g, int64_t n, float* partial, Stream stream) {
  if (n == 0) return;
  launch(Launch{"sum_squares", dim3(unsigned(sum_squares_chunks(n))), dim3(256), 0, stream}, sum_squares_kernel, g, n,
         partial);
}

void sum_partials(const float* partial, int64_t n, double* total, Stream stream) {
  launch(Launch{"sum_partials", dim3(1), dim3(1024), 0, stream}, sum_partials_kernel, partial, n, total);
}

}  // namespace rft::cuda
