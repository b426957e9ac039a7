// Packed keys and values of an attention call: per kv head and key block, the panels that the matrix products read.
#pragma once
#include "ops/attention/plan.h"
#include "tensor/ctx.h"

namespace rft::ops::attention_detail {

class Panels {
 public:
  // Forward reads K^T and V; backward reads V^T and K as well.
  enum class Use { Forward, Backward };
  Panels(Ctx& ctx, const Plan& plan, Use use, const Tensor& k, const Tensor& v);

  const float* k_transposed(int kv_head, int block) const { return at(kv_head, block, 0); }  // (D, len) panels
  const float* v(int kv_head, int block) const { return at(kv_head, block, 1); }             // (len, D) panels
  const float* v_transposed(int kv_head, int block) const { return at(kv_head, block, 2); }
  const float* k(int kv_head, int block) const { return at(kv_head, block, 3); }

 private:
  struct Offsets {
    int64_t at[4];
  };
  const float* at(int kv_head, int block, int form) const {
    return memory_.f32() + kv_head * per_head_ + offsets_[size_t(block)].at[form];
  }
  int64_t per_head_ = 0;
  std::vector<Offsets> offsets_;
  Tensor memory_;
};

// C (M,N) = beta C + A (M,depth) B, where B is packed with `packed_depth` >= depth rows, of which the first are used.
void product_with_prefix(int64_t M, int64_t N, int64_t depth, int64_t packed_depth, const float* A, int64_t lda,
                         const float* packed, float beta, float* C, int64_t ldc);

}  // namespace rft::ops::attention_detail
