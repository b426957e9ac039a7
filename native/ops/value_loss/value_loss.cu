#include "ops/kernel.cuh"
#include "ops/value_loss/formula.h"
#include "ops/value_loss/launch.h"

namespace rft::cuda {
namespace {

__global__ void __launch_bounds__(256)
    value_loss_kernel(int64_t n, ops::ValueLossColumns in, double clip, ValueLossResult out) {
  const int64_t i = item_index();
  if (i >= n) return;
  const double value = in.values[i], old = in.old_values != nullptr ? double(in.old_values[i]) : value;
  const ops::ValueRow row = ops::value_row(value, in.returns[i], old, clip);
  const bool used = in.weights[i] != 0.0f;
  out.loss[i] = used ? float(row.loss) : 0.0f;
  out.dvalue[i] = used ? float(double(in.weights[i]) * row.slope) : 0.0f;
  out.clipped[i] = used && row.clipped;
}

}  // namespace

void value_loss(int64_t n, const ops::ValueLossColumns& in, double clip, const ValueLossResult& out, Stream stream) {
  if (n > 0) launch(over_items("value_loss", n, stream), value_loss_kernel, n, in, clip, out);
}

}  // namespace rft::cuda
