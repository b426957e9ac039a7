// adamw: Adam with decoupled weight decay (Loshchilov and Hutter 2019), as torch.optim.AdamW.
//
//   p *= 1 - lr weight_decay
//   m  = beta1 m + (1 - beta1) g          v = beta2 v + (1 - beta2) g^2
//   p -= lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)
//
// All tensors are cut into chunks and the chunks run in parallel; elements are independent, so the split never shows.
#include "ops/adamw/adamw.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/parallel_for.h"
#include "simd/vmath.h"

namespace rft::ops {

void adamw_step(const std::vector<AdamWTensor>& tensors, const AdamWParams& params, int64_t t, float grad_scale) {
  constexpr int64_t kChunk = 32768;
  expect(t >= 1, "adamw t", "a step count from 1", t);
  struct Chunk {
    const AdamWTensor* tensor;
    int64_t begin;
  };
  std::vector<Chunk> chunks;
  for (const AdamWTensor& tensor : tensors)
    for (int64_t begin = 0; begin < tensor.n; begin += kChunk) chunks.push_back({&tensor, begin});

  // The kernel's 1 - beta is that of the rounded beta; the corrections must undo exactly that.
  const float beta1 = float(params.beta1), beta2 = float(params.beta2);
  const float c1 = float(1.0 / (1.0 - std::pow(double(beta1), double(t))));
  const float c2 = float(1.0 / (1.0 - std::pow(double(beta2), double(t))));
  const float lr = float(params.lr), eps = float(params.eps), decay = float(params.lr * params.weight_decay);
  parallel_for(int64_t(chunks.size()), [&](int64_t i) {
    const auto [x, b] = chunks[size_t(i)];
    simd::adamw(x->p + b, x->g + b, x->m + b, x->v + b, std::min(kChunk, x->n - b), grad_scale, lr, beta1, beta2, eps,
                x->decay ? decay : 0.0f, c1, c2);
  });
}

}  // namespace rft::ops
