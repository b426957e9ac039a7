#include "ops/gae/gae.cuh"

namespace rft::cuda {

void gae(const ops::GaeColumns& in, double gamma, double lambda, float* advantages, float* returns, Stream stream) {
  if (in.sequence_count == 0) return;
  launch(over_items("gae", in.sequence_count * 32, stream), gae_kernel, in, gamma, lambda, advantages, returns);
}

}  // namespace rft::cuda
