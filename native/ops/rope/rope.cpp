// rope: rotary position embedding by an angle table (Su et al. 2021), rotate-half pairs as in Llama and Qwen.
// Which angle a token has (1-D, M-RoPE, 2-D vision) is the table's business.
//
//   for each head, i < D/2:   y[i]       = x[i] cos[i]       - x[i + D/2] sin[i]
//                             y[i + D/2] = x[i + D/2] cos[i] + x[i] sin[i]
//   dx: the same rotation of dy by the opposite angle
//
// x (T,H*D), cos and sin (T,D/2), shared by all heads -> y (T,H*D). Kept for backward: cos, sin.
#include "ops/ops.h"
#include "ops/rope/launch.h"
#include "ops/rows.h"
#include "tensor/dispatch.h"

namespace rft::ops {
namespace {

// One token: heads of 2 * half values. `sign` -1 rotates back.
void rotate(const float* x, const float* cos, const float* sin, float sign, int64_t heads, int64_t half, float* y) {
  for (int64_t h = 0; h < heads; ++h, x += 2 * half, y += 2 * half)
    for (int64_t i = 0; i < half; ++i) {
      const float a = x[i], b = x[i + half], s = sign * sin[i];
      y[i] = a * cos[i] - b * s;
      y[i + half] = b * cos[i] + a * s;
    }
}

void on_cuda(const Tensor& x, const Tensor& cos, const Tensor& sin, float sign, const Tensor& y, float beta) {
  cuda::by_dtype(x, [&]<class T>(T*) {
    const int64_t half = row_width(cos);
    const cuda::Rope<T> args{.x = x.as<T>(),
                             .cos = cos.as<float>(),
                             .sin = sin.as<float>(),
                             .sign = sign,
                             .y = y.as<T>(),
                             .beta = beta,
                             .rows = x.rows(),
                             .heads = row_width(x) / (2 * half),
                             .half = half};
    cuda::rope(args, cuda::stream());
  });
}

void forward(const Tensor& x, const Tensor& cos, const Tensor& sin, const Tensor& y) {
  if (x.on_cuda()) return on_cuda(x, cos, sin, 1.0f, y, 0.0f);
  const int64_t W = row_width(x), half = row_width(cos);
  const float *in = x.f32(), *pc = cos.f32(), *ps = sin.f32();
  float* out = y.f32();
  for_rows(x.rows(), W, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t)
      rotate(in + t * W, pc + t * half, ps + t * half, 1.0f, W / (2 * half), half, out + t * W);
  });
}

void backward(const Tensor& cos, const Tensor& sin, const Tensor& dy, const GradTarget& dx) {
  if (dy.on_cuda()) return on_cuda(dy, cos, sin, -1.0f, dx.grad, dx.beta);
  const int64_t W = row_width(dy), half = row_width(cos);
  const float *dout = dy.f32(), *pc = cos.f32(), *ps = sin.f32();
  float* grad = dx.grad.f32();
  for_rows(dy.rows(), W, [&](int64_t begin, int64_t end) {
    std::vector<float> row(static_cast<size_t>(W));
    for (int64_t t = begin; t < end; ++t) {
      rotate(dout + t * W, pc + t * half, ps + t * half, -1.0f, W / (2 * half), half, row.data());
      put_row(row.data(), dx.beta, grad + t * W, W);
    }
  });
}

}  // namespace

Tensor rope(Ctx& ctx, const Tensor& x, const Tensor& cos, const Tensor& sin) {
  const int64_t half = row_width(cos);
  if (cos.shape() != sin.shape()) fail("rope sin", concat("shape ", to_string(cos.shape())), to_string(sin.shape()));
  if (cos.rows() != x.rows())
    fail("rope cos", concat(x.rows(), " rows for x ", to_string(x.shape())), to_string(cos.shape()));
  if (half == 0 || row_width(x) % (2 * half) != 0)
    fail("rope x", concat("rows of a multiple of ", 2 * half, " values for cos ", to_string(cos.shape())),
         to_string(x.shape()));
  Tensor y = ctx.empty(x.shape(), x.dtype());
  if (!ctx.meta()) forward(x, cos, sin, y);
  if (ctx.records(x))
    ctx.tape->record({y}, [x = x.slot(), cos, sin, y = y.slot()](Ctx& c) {
      GradTarget dx = grad_target(c, x);
      if (!c.meta()) backward(cos, sin, y.grad(), dx);
    });
  return y;
}

}  // namespace rft::ops
