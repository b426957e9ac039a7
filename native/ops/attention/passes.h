// The two passes of attention on the CPU.
#pragma once
#include "ops/attention/plan.h"
#include "tensor/ctx.h"

namespace rft::ops::attention_detail {

// Fills out (T, H*D) and lse (H, T). On META only accounts for memory.
void forward(Ctx& ctx, const Plan& plan, const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& out,
             const Tensor& lse);

// Gives dq, dk, dv (each may be a null tensor: not wanted) their values; rows that take no part become 0.
void backward(Ctx& ctx, const Plan& plan, const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& out,
              const Tensor& lse, const Tensor& dout, const Tensor& dq, const Tensor& dk, const Tensor& dv);

// The same bits with the work cut differently; for tests. Auto picks by the number of independent tasks.
enum class BackwardCut { Auto, Components, KeyBlocks };
void set_backward_cut_for_test(BackwardCut cut);

}  // namespace rft::ops::attention_detail
