// adamw on CUDA: all tensors of one storage in one launch.
#pragma once
#include <cstdint>

#include "ops/adamw/moments.h"
#include "simt/handles.h"

namespace rft::cuda {

// One tensor of the table, which lies on the device.
struct AdamWEntry {
  void* p;        // parameter, of the storage that the launch names
  float* master;  // (n) its float copy that is updated, for bf16 storage; nullptr: p itself is updated
  const void* g;  // (n)
  void *m, *v;    // (n) moments
  int64_t n;
  int64_t first_chunk;  // of its elements, 4096 a chunk, over all tensors in order
  float decay;          // lr weight_decay, or 0
  uint32_t id;          // for stochastic rounding
  float lr_factor = 1.0f;
  float *m_scales = nullptr, *v_scales = nullptr;  // 8-bit moments: one for each ops::kStateBlock elements
};

struct AdamWStorage {
  bool bf16_weights = false, bf16_gradients = false;
  ops::StateFormat state = ops::StateFormat::F32;
};

struct AdamW {
  const AdamWEntry* table;  // on the device
  int32_t tensors;
  int64_t chunks;
  float lr, beta1, beta2, eps, c1, c2;  // c1 = 1 / (1 - beta1^t), c2 likewise
  float grad_scale;
  uint64_t seed;  // of rounding noise, a function of (seed, step, tensor, element)
  int64_t step;
  bool stochastic;                         // how bf16 weights without a master copy are rounded
  const ops::DynamicMaps* maps = nullptr;  // on the device; 8-bit moments only
};
constexpr int64_t kAdamWChunk = 4096;

void adamw(const AdamW&, const AdamWStorage&, simt::Stream);

}  // namespace rft::cuda
