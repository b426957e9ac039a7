// AdamW over many tensors at once. Maths: adamw.cpp.
#pragma once
#include <cstdint>
#include <vector>

namespace rft::ops {

struct AdamWTensor {
  float* p;        // (n) parameter
  const float* g;  // (n) gradient
  float* m;        // (n) first moment, 0 before the first step
  float* v;        // (n) second moment, 0 before the first step
  int64_t n;
  bool decay;  // whether weight decay applies
};

struct AdamWParams {
  double lr;
  double beta1;
  double beta2;
  double eps;
  double weight_decay;
};

// t = 1 for the first step. Gradients are multiplied by grad_scale (the clip coefficient) first.
void adamw_step(const std::vector<AdamWTensor>& tensors, const AdamWParams& params, int64_t t, float grad_scale);

}  // namespace rft::ops
