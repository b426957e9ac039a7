#include "ops/column_sums/column_sums.cuh"

namespace rft::cuda {
namespace {

template <class T>
void run(const ColumnSums<T>& a, Stream stream) {
  if (a.C == 0) return;
  const int64_t blocks = column_sum_blocks(a.rows);
  Launch l = over_items("column_sums", a.C, stream);
  l.grid.y = unsigned(blocks);
  if (blocks > 0) launch(l, column_sums_kernel<T>, a);
  launch(over_items("sum_blocks", a.C, stream), sum_blocks_kernel, a.partial, blocks, a.C, a.grad, a.beta);
}

}  // namespace

void column_sums(const ColumnSums<float>& a, Stream stream) { run(a, stream); }
void column_sums(const ColumnSums<bf16>& a, Stream stream) { run(a, stream); }

}  // namespace rft::cuda
