// grad_norm: the norm of all gradients as one vector, as torch.nn.utils.clip_grad_norm_.
//
//   norm = sqrt(sum over tensors of sum of g^2)        coefficient = min(1, max_norm / (norm + 1e-6))
//
// Chunks of 4096 elements are summed in float by the fixed order of simd::sum_squares, and the chunks in double, in
// order: the result does not depend on the thread count.
#include "ops/grad_norm/grad_norm.h"

#include <algorithm>
#include <cmath>

#include "base/parallel_for.h"
#include "simd/vmath.h"

namespace rft::ops {
namespace {

constexpr int64_t kChunk = 4096;

float chunk_squares(const GradSpan& span, int64_t begin) {
  const int64_t n = std::min(kChunk, span.n - begin);
  if (!span.bf16) return simd::sum_squares(span.g + begin, n);
  float wide[kChunk];
  simd::bf16_to_f32(span.bf16 + begin, wide, n);
  return simd::sum_squares(wide, n);
}

double sum_of_squares(const GradSpan& span) {
  std::vector<float> partial(static_cast<size_t>((span.n + kChunk - 1) / kChunk));
  parallel_ranges(int64_t(partial.size()), 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) partial[size_t(i)] = chunk_squares(span, i * kChunk);
  });
  double sum = 0.0;
  for (float s : partial) sum += s;
  return sum;
}

}  // namespace

double grad_norm(const std::vector<GradSpan>& spans) {
  double sum = 0.0;
  for (const GradSpan& span : spans) sum += sum_of_squares(span);
  return std::sqrt(sum);
}

float clip_coefficient(double norm, double max_norm) {
  return max_norm > 0.0 ? float(std::min(1.0, max_norm / (norm + 1e-6))) : 1.0f;
}

}  // namespace rft::ops
