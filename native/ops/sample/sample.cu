#include "ops/sample/sample.cuh"

namespace rft::cuda {

void sample_rows(const SampleRows& a, Stream stream) {
  if (a.rows == 0) return;
  launch(Launch{"sample", dim3(unsigned(a.rows)), dim3(kSampleThreads), 0, stream}, sample_kernel, a);
}

}  // namespace rft::cuda
