#include "ops/token_logp/stored_head.cuh"

#include "base/error.h"
#include "ops/token_logp/launch.h"

namespace rft::cuda {
namespace {

void check(const StoredLogits& l, const char* where) {
  expect(l.v > 0 && l.ldz >= l.v && l.temperature > 0, where, "rows of V logits and a positive temperature",
         concat("(", l.n, ",", l.v, ") stride ", l.ldz, " temperature ", l.temperature));
}

}  // namespace

void row_stats(const StoredLogits& l, const float* logits, RowStats* stats, Stream stream) {
  check(l, "row stats");
  if (l.n == 0) return;
  launch(Launch{"row stats", dim3(unsigned(l.n)), dim3(kStoredThreads), 0, stream}, row_stats_kernel, logits, l.ldz,
         l.v, 1.0f / l.temperature, stats);
}

void stored_logp(const StoredLogits& l, const float* logits, const int32_t* targets, const RowStats* stats, float* logp,
                 float* entropy, Stream stream) {
  check(l, "stored logp");
  if (l.n == 0) return;
  launch(Launch{"stored logp", dim3(unsigned(ceil_div<int64_t>(l.n, 128))), dim3(128), 0, stream}, stored_logp_kernel,
         logits, l.ldz, l.n, l.v, 1.0f / l.temperature, targets, stats, logp, entropy);
}

void logit_gradients(const StoredLogits& l, LogitGradient stored_as, float* logits, const int32_t* targets,
                     const RowStats* stats, const float* dlogp, const float* dentropy, Stream stream) {
  check(l, "logit gradients");
  expect(l.ldz % 8 == 0 && reinterpret_cast<uintptr_t>(logits) % 16 == 0, "logit gradients",
         "aligned rows of a multiple of 8 logits", l.ldz);
  if (l.n == 0) return;
  const Launch grid{"logit gradients", dim3(unsigned(l.n)), dim3(512), 0, stream};
  const auto run = [&](auto kernel) {
    launch(grid, kernel, logits, l.ldz, l.v, 1.0f / l.temperature, targets, stats, dlogp, dentropy);
  };
  if (stored_as == LogitGradient::Bf16) run(logit_gradient_kernel<bf16>);
  else run(logit_gradient_kernel<float>);
}

}  // namespace rft::cuda
