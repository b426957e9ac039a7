#include "ops/attention/panels.h"

#include "base/parallel_for.h"
#include "ops/lanes.h"
#include "simd/gemm.h"

namespace rft::ops::attention_detail {

using simd::Trans;

Panels::Panels(Ctx& ctx, const Plan& plan, Use use, const Tensor& k, const Tensor& v) {
  const int64_t D = plan.head_dim, stride = plan.kv_heads * D;
  const int forms = use == Use::Forward ? 2 : 4;
  for (auto& b : plan.blocks) {
    const int64_t sizes[4] = {simd::packed_size(b.len, D), simd::packed_size(D, b.len), simd::packed_size(b.len, D),
                              simd::packed_size(D, b.len)};
    Offsets o{};
    for (int f = 0; f < forms; ++f) {
      o.at[f] = per_head_;
      per_head_ += round_up(sizes[f], 16);
    }
    offsets_.push_back(o);
  }
  memory_ = ctx.workspace({plan.kv_heads, per_head_});
  if (ctx.meta()) return;
  float* base = memory_.f32();
  const int64_t blocks = int64_t(plan.blocks.size());
  parallel_for(blocks * plan.kv_heads, [&](int64_t task) {
    const int64_t head = task / blocks, b = task % blocks;
    const KeyBlock& block = plan.blocks[size_t(b)];
    const Offsets& o = offsets_[size_t(b)];
    const float* key = k.f32() + block.begin * stride + head * D;
    const float* value = v.f32() + block.begin * stride + head * D;
    float* out = base + head * per_head_;
    simd::pack_b_serial(Trans::Yes, block.len, D, key, stride, out + o.at[0]);
    simd::pack_b_serial(Trans::No, D, block.len, value, stride, out + o.at[1]);
    if (use == Use::Forward) return;
    simd::pack_b_serial(Trans::Yes, block.len, D, value, stride, out + o.at[2]);
    simd::pack_b_serial(Trans::No, D, block.len, key, stride, out + o.at[3]);
  });
}

void product_with_prefix(int64_t M, int64_t N, int64_t depth, int64_t packed_depth, const float* A, int64_t lda,
                         const float* packed, float beta, float* C, int64_t ldc) {
  if (depth == packed_depth) return simd::gemm_packed_serial(Trans::No, M, N, depth, A, lda, packed, beta, C, ldc);
  const int64_t width = simd::panel_width();
  for (int64_t n = 0; n < N; n += width)
    simd::gemm_packed_serial(Trans::No, M, std::min(width, N - n), depth, A, lda, packed + n * packed_depth, beta,
                             C + n, ldc);
}

}  // namespace rft::ops::attention_detail
