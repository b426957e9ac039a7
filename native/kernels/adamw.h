// One step of AdamW on one tensor, wherever it is: what the C interface and rft/kernels call. Maths:
// ops/adamw/adamw.cpp.
#pragma once
#include "ops/adamw/adamw.h"
#include "tensor/ctx.h"

namespace rft::kernels {

// F32 tensors of one size on ctx's device; changed in place but for the gradient.
struct AdamWTensors {
  const Tensor &parameter, &gradient, &m, &v;
};
void adamw(const Ctx& ctx, const AdamWTensors& tensors, const ops::AdamWParams& params, int64_t step, float grad_scale);

}  // namespace rft::kernels
