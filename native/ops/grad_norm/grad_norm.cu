#include "ops/grad_norm/grad_norm.cuh"

namespace rft::cuda {

namespace {

template <class T>
void run(const T* g, int64_t n, float* partial, Stream stream) {
  if (n == 0) return;
  launch(Launch{"sum_squares", dim3(unsigned(sum_squares_chunks(n))), dim3(256), 0, stream}, sum_squares_kernel<T>, g,
         n, partial);
}

}  // namespace

void sum_squares(const float* g, int64_t n, float* partial, Stream stream) { run(g, n, partial, stream); }
void sum_squares(const bf16* g, int64_t n, float* partial, Stream stream) { run(g, n, partial, stream); }

void sum_partials(const float* partial, int64_t n, double* total, Stream stream) {
  launch(Launch{"sum_partials", dim3(1), dim3(1024), 0, stream}, sum_partials_kernel, partial, n, total);
}

}  // namespace rft::cuda
