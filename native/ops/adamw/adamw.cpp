// adamw: Adam with decoupled weight decay (Loshchilov and Hutter 2019), as torch.optim.AdamW.
//
//   p *= 1 - lr weight_decay
//   m  = beta1 m + (1 - beta1) g          v = beta2 v + (1 - beta2) g^2
//   p -= lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)
//
// All tensors are cut into chunks and the chunks run in parallel; elements are independent, but for the scale that a
// block of 8-bit moments shares, and chunks are whole blocks: the split never shows. Moments and gradients of fewer
// bits are widened a block at a time, so the arithmetic is the same for all.
#include "ops/adamw/adamw.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/parallel_for.h"
#include "ops/adamw/rounding.h"
#include "simd/vmath.h"

namespace rft::ops {
namespace {

constexpr int64_t kChunk = 32768;
static_assert(kChunk % kStateBlock == 0);

struct Update {
  float lr, beta1, beta2, eps, decay, c1, c2, grad_scale;
  uint64_t seed, step;

  void operator()(const AdamWTensor& x, float* p, const float* g, float* m, float* v, int64_t n) const {
    simd::adamw(p, g, m, v, n, grad_scale, lr, beta1, beta2, eps, x.decay ? decay : 0.0f, c1, c2);
  }
};

void update_block(const Update& update, const AdamWTensor& x, int64_t begin, int64_t n) {
  float g[kStateBlock], m[kStateBlock], v[kStateBlock];
  if (x.g_bf16) simd::bf16_to_f32(x.g_bf16 + begin, g, n);
  load_moment(x.m, MomentKind::First, begin, n, m);
  load_moment(x.v, MomentKind::Second, begin, n, v);
  update(x, x.p + begin, x.g_bf16 ? g : x.g + begin, m, v, n);
  store_moment(x.m, MomentKind::First, begin, n, m, noise_stream(update.seed, update.step, 3 * uint64_t(x.id) + 1));
  store_moment(x.v, MomentKind::Second, begin, n, v, noise_stream(update.seed, update.step, 3 * uint64_t(x.id) + 2));
}

void update_chunk(const Update& update, const AdamWTensor& x, int64_t begin, int64_t end) {
  if (x.m.format == StateFormat::F32 && !x.g_bf16)
    return update(x, x.p + begin, x.g + begin, static_cast<float*>(x.m.values) + begin,
                  static_cast<float*>(x.v.values) + begin, end - begin);
  for (int64_t b = begin; b < end; b += kStateBlock) update_block(update, x, b, std::min(kStateBlock, end - b));
}

}  // namespace

void adamw_step(const std::vector<AdamWTensor>& tensors, const AdamWParams& params, int64_t t, float grad_scale) {
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
  const auto correction = [t](float beta) { return float(1.0 / (1.0 - std::pow(double(beta), double(t)))); };
  const Update update{.lr = float(params.lr),
                      .beta1 = beta1,
                      .beta2 = beta2,
                      .eps = float(params.eps),
                      .decay = float(params.lr * params.weight_decay),
                      .c1 = correction(beta1),
                      .c2 = correction(beta2),
                      .grad_scale = grad_scale,
                      .seed = params.seed,
                      .step = uint64_t(t)};
  parallel_for(int64_t(chunks.size()), [&](int64_t i) {
    const auto [x, b] = chunks[size_t(i)];
    update_chunk(update, *x, b, std::min(b + kChunk, x->n));
  });
}

}  // namespace rft::ops
