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

// One block a tile; thread t adds rows t, t + 256, .. of it, and a fixed tree adds the threads.
__global__ void __launch_bounds__(kThreads)
    value_loss_sums_kernel(int64_t n, const float* weights, ValueLossResult out, ops::ValueLossSums* sums) {
  SIMT_SHARED(double, partial, [kThreads / kWarp]);
  const int64_t begin = int64_t(blockIdx.x) * ops::kValueTile, end = min(begin + ops::kValueTile, n);
  ops::ValueLossSums own{};
  for (int64_t i = begin + threadIdx.x; i < end; i += kThreads) own.add(weights[i], out.loss[i], out.clipped[i] != 0);
  const auto sum = [&](double x) { return block_sum<int(kThreads)>(x, partial); };
  const double weighted = sum(own.weighted), loss = sum(own.loss), clipped = sum(own.clipped), rows = sum(own.rows);
  if (threadIdx.x == 0) sums[blockIdx.x] = {weighted, loss, int32_t(clipped), int32_t(rows)};
}

}  // namespace

void value_loss(int64_t n, const ops::ValueLossColumns& in, double clip, const ValueLossResult& out, Stream stream) {
  if (n > 0) launch(over_items("value_loss", n, stream), value_loss_kernel, n, in, clip, out);
}

void value_loss_sums(int64_t n, const float* weights, const ValueLossResult& out, ops::ValueLossSums* sums,
                     Stream stream) {
  if (n == 0) return;
  const Launch one_a_tile{"value_loss_sums", dim3(unsigned(ops::value_tiles(n))), dim3(kThreads), 0, stream};
  launch(one_a_tile, value_loss_sums_kernel, n, weights, out, sums);
}

}  // namespace rft::cuda
