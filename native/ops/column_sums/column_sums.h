// Host side of the column sums on CUDA, for the gradients of norm weights and biases.
#pragma once
#include "ops/column_sums/launch.h"
#include "tensor/dispatch.h"

namespace rft::ops {

// What is summed: see cuda::ColumnSums. `stats` holds rstd (rows), or mean and rstd (rows, 2), or nothing.
struct SummedColumns {
  Tensor dy, x, stats;
  int64_t rows, C;
};

inline void sum_columns_on_cuda(Ctx& ctx, const SummedColumns& in, const GradTarget& target) {
  const Tensor partial = ctx.workspace({cuda::column_sum_blocks(in.rows), in.C});
  cuda::by_dtype(in.dy, [&]<class T>(T*) {
    const bool layer = in.stats && in.stats.count() == 2 * in.rows && in.rows > 0;
    const float* stats = in.stats ? in.stats.as<float>() : nullptr;
    const cuda::ColumnSums<T> args{.dy = in.dy.as<T>(),
                                   .x = in.x ? in.x.as<T>() : nullptr,
                                   .mean = layer ? stats : nullptr,
                                   .rstd = layer ? stats + 1 : stats,
                                   .stat_stride = layer ? 2 : 1,
                                   .rows = in.rows,
                                   .C = in.C,
                                   .partial = partial.as<float>(),
                                   .grad = target.grad.as<float>(),
                                   .beta = target.beta};
    cuda::column_sums(args, cuda::stream());
  });
}

}  // namespace rft::ops
