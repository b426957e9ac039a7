// split_columns: a fused projection cut into its parts.
//
//   y_i = x[:, o_i .. o_i + w_i), o_i = w_0 + ... + w_(i-1)        x (T, sum of w) -> y_i (T,w_i)
//   dx: the parts' gradients side by side, 0 for a part that nothing flowed back into
//
// Nothing is kept for backward.
#include "ops/ops.h"
#include "ops/rows.h"
#include "ops/rows/launch.h"
#include "tensor/dispatch.h"

namespace rft::ops {
namespace {

void forward(const Tensor& x, int64_t offset, const Tensor& part) {
  const int64_t W = row_width(x), w = row_width(part);
  if (x.on_cuda())
    return cuda::by_dtype(x, [&]<class T>(T*) {
      const cuda::Columns<T> args{.x = cuda::at<T>(x, offset),
                                  .x_stride = W,
                                  .y = part.as<T>(),
                                  .y_stride = w,
                                  .beta = 0.0f,
                                  .rows = x.rows(),
                                  .width = w};
      cuda::put_columns(args, cuda::stream());
    });
  const float* in = x.f32() + offset;
  float* out = part.f32();
  for_rows(x.rows(), w, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) std::copy_n(in + t * W, w, out + t * w);
  });
}

void backward_on_cuda(const std::vector<Tensor>& parts, const GradTarget& dx) {
  cuda::by_dtype(dx.grad, [&]<class T>(T*) {
    int64_t offset = 0;
    for (const Tensor& part : parts) {
      const int64_t w = row_width(part);
      const cuda::Columns<T> args{.x = part.grad() ? part.grad().as<T>() : nullptr,
                                  .x_stride = w,
                                  .y = cuda::at<T>(dx.grad, offset),
                                  .y_stride = row_width(dx.grad),
                                  .beta = dx.beta,
                                  .rows = dx.grad.rows(),
                                  .width = w};
      cuda::put_columns(args, cuda::stream());
      offset += w;
    }
  });
}

void backward(const std::vector<Tensor>& parts, const GradTarget& dx) {
  if (dx.grad.on_cuda()) return backward_on_cuda(parts, dx);
  const int64_t W = row_width(dx.grad);
  float* grad = dx.grad.f32();
  for_rows(dx.grad.rows(), W, [&](int64_t begin, int64_t end) {
    int64_t offset = 0;
    for (const Tensor& part : parts) {
      const int64_t w = row_width(part);
      for (int64_t t = begin; t < end; ++t) {
        float* to = grad + t * W + offset;
        if (part.grad()) put_row(part.grad().f32() + t * w, dx.beta, to, w);
        else if (dx.beta == 0.0f) std::fill_n(to, w, 0.0f);
      }
      offset += w;
    }
  });
}

}  // namespace

std::vector<Tensor> split_columns(Ctx& ctx, const Tensor& x, const std::vector<int64_t>& widths) {
  int64_t sum = 0;
  for (int64_t w : widths) {
    if (w <= 0) fail("split_columns widths", "positive widths", w);
    sum += w;
  }
  if (sum != row_width(x))
    fail("split_columns widths", concat("a sum of ", row_width(x), " for x ", to_string(x.shape())), sum);
  std::vector<Tensor> parts, slots;
  int64_t offset = 0;
  for (int64_t w : widths) {
    parts.push_back(ctx.empty({x.rows(), w}, x.dtype()));
    slots.push_back(parts.back().slot());
    if (!ctx.meta()) forward(x, offset, parts.back());
    offset += w;
  }
  if (ctx.records(x))
    ctx.tape->record(parts, [x = x.slot(), slots](Ctx& c) {
      GradTarget dx = grad_target(c, x);
      if (!c.meta()) backward(slots, dx);
    });
  return parts;
}

}  // namespace rft::ops
