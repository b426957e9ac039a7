// The log-prob head on CUDA. N scored rows, C width, V vocabulary; logp and entropy in nats.
//
// Two routes with the same bits, since both keep the order of vocab_stats.cuh and gemm's:
//   fused    fused_head: logits stay in registers; for many rows
//   stored   gemm writes fp32 logits, then row_stats and stored_logp; for decoding, few rows, fp32 models
// Backward, by chunks of rows: gemm writes logits, logit_gradients turns them into their gradient in place, two more
// products give dx and dw.
#pragma once
#include <cstdint>

#include "simt/handles.h"

namespace rft::cuda {

// Of a row of logits at temperature: the highest, ln sum e^(z - highest), the entropy. (N, 3) fp32 in tensors.
struct RowStats;

// How the sums of vocab_stats.cuh are cut, by V alone.
constexpr int kVocabChunk = 64, kVocabStreams = 4, kVocabTile = kVocabChunk * kVocabStreams, kMaxSplits = 16;
struct VocabSplits {
  int count, tiles_each;
};
constexpr VocabSplits vocab_splits(int64_t V) {
  const int tiles = int((V + kVocabTile - 1) / kVocabTile), each = (tiles + kMaxSplits - 1) / kMaxSplits;
  return {(tiles + each - 1) / each, each};
}

// x (rows, C), w (V, C), both with rows at multiples of 16 bytes. Scored row n is row n of x, or rows[n] when rows is
// given (they may repeat). A target outside the vocabulary has logp -inf.
struct FusedHead {
  int64_t n, c, v;
  float temperature;
  const simt::bf16 *x, *w;
  const int32_t *rows, *targets;  // (N); rows may be nullptr
  bool wgmma = false;             // by the instructions of sm_90a, which must be there; not with `rows`
};
// Floats of workspace that fused_head needs.
constexpr int64_t fused_head_workspace(int64_t n, int64_t v) { return (3 * vocab_splits(v).count + 1) * n; }
// Are there so many rows that its blocks fill a device, and do rows start at multiples of 16 bytes?
inline bool fused_head_suits(const FusedHead& h) {
  const auto aligned = [](const simt::bf16* p) { return reinterpret_cast<uintptr_t>(p) % 16 == 0; };
  return h.n >= 512 && h.c % 8 == 0 && aligned(h.x) && aligned(h.w);
}
void fused_head(const FusedHead&, float* workspace, RowStats* stats, float* logp, float* entropy, simt::Stream);

// The part of fused_head that wgmma computes.
void fused_head_sm90(const FusedHead&, float* partial, float* target_logits, simt::Stream);

// logits (N, ldz) fp32 before temperature.
struct StoredLogits {
  int64_t n, v, ldz;
  float temperature;
};
void row_stats(const StoredLogits&, const float* logits, RowStats* stats, simt::Stream);
void stored_logp(const StoredLogits&, const float* logits, const int32_t* targets, const RowStats* stats, float* logp,
                 float* entropy, simt::Stream);

// Writes dL/d(x w^T) over the logits, given the gradients of logp and entropy (N) or nullptr for zeros. ldz must be a
// multiple of 8. As bf16, row n begins where row n of the logits did: its stride is 2 ldz elements.
enum class LogitGradient { F32, Bf16 };
void logit_gradients(const StoredLogits&, LogitGradient stored_as, float* logits, const int32_t* targets,
                     const RowStats* stats, const float* dlogp, const float* dentropy, simt::Stream);

}  // namespace rft::cuda
