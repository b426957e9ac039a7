// Global gradient norm and the clip coefficient. Maths: grad_norm.cpp.
#pragma once
#include <cstdint>
#include <vector>

namespace rft::ops {

struct GradSpan {
  const float* g;
  int64_t n;
  const uint16_t* bf16 = nullptr;  // the gradient where it is stored as bf16; g is then not read
};

// L2 norm over all spans together; NaN or infinite when an element is (or the sum overflows): the step is then skipped.
double grad_norm(const std::vector<GradSpan>& spans);

// What to multiply the gradients by so that their norm does not exceed max_norm; 1 when max_norm is 0 (no clipping).
float clip_coefficient(double norm, double max_norm);

}  // namespace rft::ops
