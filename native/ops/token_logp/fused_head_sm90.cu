#include "ops/token_logp/fused_head_sm90.cuh"

#include "ops/token_logp/launch.h"
#include "simt/tensor_map.h"

namespace rft::cuda {

void fused_head_sm90(const FusedHead& h, float* partial, float* target_logits, Stream stream) {
  const dim3 grid(unsigned(ceil_div<int64_t>(h.n, WgmmaHeadTile::Rows)), unsigned(vocab_splits(h.v).count));
  const auto map = [&](const bf16* p, int64_t rows, uint32_t box_rows) {
    return simt::tensor_map_2d(p, uint64_t(rows), uint64_t(h.c), uint64_t(h.c), box_rows, WgmmaHeadTile::Depth);
  };
  launch(Launch{"fused head sm_90a", grid, dim3(WgmmaHeadTile::Threads), sizeof(WgmmaHeadTile), stream},
         fused_head_sm90_kernel, map(h.x, h.n, WgmmaHeadTile::Rows), map(h.w, h.v, kVocabTile), h.n, h.c, h.v,
         h.targets, 1.0f / h.temperature, reinterpret_cast<VocabStats*>(partial), target_logits);
}

}  // namespace rft::cuda
