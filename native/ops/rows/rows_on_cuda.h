// The gradient of chosen rows on CUDA, for embed and gather_rows.
#pragma once
#include "ops/rows/launch.h"
#include "tensor/dispatch.h"

namespace rft::ops {

// target[rows[n]] += dy[n], repeated rows in the order of n. A parameter's gradient is F32 whatever dy is.
inline void add_to_rows_on_cuda(const Tensor& dy, const Tensor& rows, const GradTarget& target) {
  if (target.beta == 0.0f) target.grad.zero();
  cuda::by_dtype(dy, [&]<class T>(T*) {
    const int64_t N = dy.rows(), C = N ? dy.count() / N : 0;
    if (target.grad.dtype() == Dtype::F32)
      cuda::add_to_rows(dy.as<T>(), rows.as<int32_t>(), target.grad.as<float>(), N, C, cuda::stream());
    else cuda::add_to_rows(dy.as<T>(), rows.as<int32_t>(), target.grad.as<T>(), N, C, cuda::stream());
  });
}

}  // namespace rft::ops
