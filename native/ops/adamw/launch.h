// adamw on CUDA: all tensors in one launch.
#pragma once
#include <cstdint>

#include "simt/handles.h"

namespace rft::cuda {

// One tensor of the table, which lies on the device.
struct AdamWEntry {
  void* p;         // parameter, of the storage that the launch names
  float* master;   // (n) its float copy that is updated, for bf16 storage; nullptr: p itself is updated
  const float* g;  // (n)
  float *m, *v;    // (n) moments
  int64_t n;
  int64_t first_chunk;  // of its elements, 4096 a chunk, over all tensors in order
  float decay;          // lr weight_decay, or 0
  uint32_t id;          // for stochastic rounding
  float lr_factor = 1.0f;
};

struct AdamW {
  const AdamWEntry* table;  // on the device
  int32_t tensors;
  int64_t chunks;
  float lr, beta1, beta2, eps, c1, c2;  // c1 = 1 / (1 - beta1^t), c2 likewise
  float grad_scale;
  uint64_t seed;  // stochastic rounding of bf16 without a master copy: noise from (seed, step, tensor, element)
  int64_t step;
  bool stochastic;
};
constexpr int64_t kAdamWChunk = 4096;

void adamw_f32(const AdamW&, simt::Stream);
void adamw_bf16(const AdamW&, simt::Stream);

}  // namespace rft::cuda
