#include "ops/token_logp/fused_head.cuh"

#include <string>

#include "base/error.h"
#include "ops/token_logp/launch.h"

namespace rft::cuda {
namespace {

std::string shape_of(const FusedHead& h) { return concat("x (", h.n, ",", h.c, ") w (", h.v, ",", h.c, ")"); }

bool aligned(const FusedHead& h) {
  return h.c % 8 == 0 && reinterpret_cast<uintptr_t>(h.x) % 16 == 0 && reinterpret_cast<uintptr_t>(h.w) % 16 == 0;
}

}  // namespace

void fused_head(const FusedHead& h, float* workspace, RowStats* stats, float* logp, float* entropy, Stream stream) {
  expect(h.v > 0 && h.c > 0 && h.temperature > 0, "fused head", "a vocabulary, a width and a positive temperature",
         concat(shape_of(h), " temperature ", h.temperature));
  expect(aligned(h), "fused head", "rows that start at multiples of 16 bytes", shape_of(h));
  expect(!h.wgmma || h.rows == nullptr, "fused head", "all rows of x in order with wgmma", "an index of rows");
  if (h.n == 0) return;
  const VocabSplits splits = vocab_splits(h.v);
  auto* partial = reinterpret_cast<VocabStats*>(workspace);
  float* target_logits = workspace + 3 * splits.count * h.n;
  if (h.wgmma) {
    fused_head_sm90(h, workspace, target_logits, stream);
  } else {
    const dim3 grid(unsigned(ceil_div<int64_t>(h.n, HeadTile::Rows)), unsigned(splits.count));
    launch(Launch{"fused head", grid, dim3(HeadTile::Threads), HeadTile::SharedBytes, stream}, fused_head_kernel,
           Operand{h.x, h.c, h.n, h.rows}, Operand{h.w, h.c, h.v}, h.c, h.targets, 1.0f / h.temperature, partial,
           target_logits);
  }
  launch(Launch{"merge splits", dim3(unsigned(ceil_div<int64_t>(h.n, 128))), dim3(128), 0, stream}, merge_splits_kernel,
         partial, splits.count, h.n, h.v, h.targets, target_logits, stats, logp, entropy);
}

}  // namespace rft::cuda
