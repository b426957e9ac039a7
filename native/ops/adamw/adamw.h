// AdamW over many tensors at once. Maths: adamw.cpp.
#pragma once
#include <cstdint>
#include <vector>

#include "ops/adamw/moments.h"

namespace rft::ops {

struct AdamWTensor {
  float* p;        // (n) parameter
  const float* g;  // (n) gradient
  Moment m, v;     // (n) first and second moment, 0 before the first step
  int64_t n;
  bool decay;                        // whether weight decay applies
  uint32_t id = 0;                   // tells its rounding noise from that of other tensors
  const uint16_t* g_bf16 = nullptr;  // (n) the gradient where it is stored as bf16; g is then not read
};

struct AdamWParams {
  double lr;
  double beta1;
  double beta2;
  double eps;
  double weight_decay;
  uint64_t seed = 0;  // of rounding noise
};

// t = 1 for the first step. Gradients are multiplied by grad_scale (the clip coefficient) first.
void adamw_step(const std::vector<AdamWTensor>& tensors, const AdamWParams& params, int64_t t, float grad_scale);

}  // namespace rft::ops
