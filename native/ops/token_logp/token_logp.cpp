// The fused log-prob head.
//
//   z = x w^T / T    logp_n = z_nt - lse(z_n), t = targets_n    entropy_n = lse(z_n) - sum_j p_nj z_nj
// x (N,C), w (V,C), targets I32 (N) -> logp (N), entropy (N), nats. Sums over the vocabulary: head_stats.h.
//
// Logits exist for one chunk of the vocabulary at a time. Forward runs a tile of rows against a chunk of w, of which it
// packs a part at a time, so that scratch stays small. Backward computes a chunk's logits again, turns them into
//   dz_nj = (g_n (1[j = t] - p_nj) - h_n p_nj (ln p_nj + H_n)) / T      g, h: gradients of logp and entropy
// and adds its share: dX += dz w_chunk (one chain over the vocabulary per element), dW_chunk (+)= dz^T x.
//
// Kept for backward: x, w, targets and (N,3) statistics.
#include <cmath>

#include "ops/gemm/product.h"
#include "ops/lanes.h"
#include "ops/ops.h"
#include "ops/token_logp/head_stats.h"
#include "ops/token_logp/launch.h"
#include "simd/gemm.h"
#include "simd/vmath.h"
#include "tensor/dispatch.h"

namespace rft::ops {
namespace {

using simd::Trans;

constexpr int64_t kRowTile = 256;
constexpr int64_t kPackedColumns = 256;               // of a chunk at a time
constexpr int64_t kStride = row_stride(kVocabChunk);  // of rows of logits

struct Head {
  Tensor x, w, targets;
  float temperature;

  int64_t N() const { return x.dim(0); }
  int64_t C() const { return x.dim(1); }
  int64_t V() const { return w.dim(0); }
  int64_t chunks() const { return (V() + kVocabChunk - 1) / kVocabChunk; }
  int64_t chunk_columns(int64_t chunk) const { return std::min(kVocabChunk, V() - chunk * kVocabChunk); }
};

void check(const Head& h, bool meta) {
  if (h.x.shape().size() != 2 || h.C() == 0) fail("token_logp x", "shape (N, C)", to_string(h.x.shape()));
  if (h.w.shape().size() != 2 || h.w.dim(1) != h.C() || h.V() == 0)
    fail("token_logp w", concat("shape (V, ", h.C(), ")"), to_string(h.w.shape()));
  if (h.targets.count() != h.N()) fail("token_logp targets", concat(h.N(), " ids"), to_string(h.targets.shape()));
  expect(h.temperature > 0, "token_logp temperature", "a positive number", h.temperature);
  if (meta || h.targets.on_cuda()) return;  // there they were checked before they were copied
  for (int64_t n = 0; n < h.N(); ++n) {
    const int32_t id = h.targets.i32()[n];
    if (id < 0 || id >= h.V()) fail(concat("token_logp target of row ", n), concat("a token id below ", h.V()), id);
  }
}

// parts (N, chunks) and the logits of the targets (N).
void forward_chunks(Ctx& ctx, const Head& h, ChunkStats* parts, float* target_logits) {
  const int64_t chunks = h.chunks(), wanted = 4 * num_threads();
  // Rows are split as well when the vocabulary alone gives too few tasks.
  const int64_t splits = chunks >= wanted ? 1 : std::min((wanted + chunks - 1) / chunks, (h.N() + 63) / 64);
  const int64_t packed_floats = round_up(simd::packed_size(kPackedColumns, h.C()), 16);
  for_each_with_scratch(ctx, h.N() ? chunks * splits : 0, packed_floats + std::min(kRowTile, h.N()) * kStride,
                        [&](int64_t task, float* scratch) {
    const int64_t chunk = task / splits, first = h.N() * (task % splits) / splits,
                  last = h.N() * (task % splits + 1) / splits;
    const int64_t begin = chunk * kVocabChunk, columns = h.chunk_columns(chunk);
    float* logits = scratch + packed_floats;  // (kRowTile, kStride)
    for (int64_t tile = first; tile < last; tile += kRowTile) {
      const int64_t rows = std::min(kRowTile, last - tile);
      for (int64_t c = 0; c < columns; c += kPackedColumns) {
        const int64_t part = std::min(kPackedColumns, columns - c);
        simd::pack_b_serial(Trans::Yes, part, h.C(), h.w.row(begin + c), h.C(), scratch);
        simd::gemm_packed_serial(Trans::No, rows, part, h.C(), h.x.row(tile), h.C(), scratch, 0.0f, logits + c,
                                 kStride);
      }
      for (int64_t r = 0; r < rows; ++r) {
        float* z = logits + r * kStride;
        apply_temperature(z, columns, h.temperature);
        parts[(tile + r) * chunks + chunk] = chunk_stats(z, columns);
        const int64_t target = h.targets.i32()[tile + r] - begin;
        if (target >= 0 && target < columns) target_logits[tile + r] = z[target];
      }
    }
  });
}

// On CUDA rows go through in blocks, as many as fit into kDeviceLogits floats. How they are cut never shows.
constexpr int64_t kDeviceLogits = int64_t{1} << 27;
int64_t device_stride(const Head& h) { return round_up(h.V(), 8); }
int64_t device_rows(const Head& h) { return std::max<int64_t>(1, std::min(h.N(), kDeviceLogits / device_stride(h))); }

// logits (rows, device_stride) of rows [first, first + rows), before temperature
template <class T>
void device_logits(const Head& h, int64_t first, int64_t rows, float* logits) {
  const T* no_bias = nullptr;
  cuda::forward_product({cuda::Form::NT, rows, h.V(), h.C(), h.C(), h.C(), device_stride(h)},
                        cuda::at<T>(h.x, first * h.C()), h.w.as<T>(), no_bias, logits, cuda::stream());
}

// True when the fused kernel took the whole call.
bool fused_forward(Ctx& ctx, const Head& h, const TokenLogp& out, const Tensor& stats) {
  if (h.x.dtype() != Dtype::BF16) return false;
  const cuda::FusedHead call{.n = h.N(),
                             .c = h.C(),
                             .v = h.V(),
                             .temperature = h.temperature,
                             .x = h.x.as<simt::bf16>(),
                             .w = h.w.as<simt::bf16>(),
                             .rows = nullptr,
                             .targets = h.targets.as<int32_t>(),
                             .wgmma = !ctx.meta() && cuda::uses_wgmma()};
  if (!cuda::fused_head_suits(call)) return false;
  const Tensor workspace = ctx.workspace({cuda::fused_head_workspace(h.N(), h.V())});
  cuda::on_stream(ctx, [&](auto stream) {
    cuda::fused_head(call, workspace.as<float>(), reinterpret_cast<cuda::RowStats*>(stats.as<float>()),
                     out.logp.as<float>(), out.entropy.as<float>(), stream);
  });
  return true;
}

void forward_on_cuda(Ctx& ctx, const Head& h, const TokenLogp& out, const Tensor& stats) {
  if (h.N() == 0 || fused_forward(ctx, h, out, stats)) return;
  const Tensor logits = ctx.workspace({device_rows(h), device_stride(h)});
  cuda::by_dtype(h.x, [&]<class T>(T*) {
    for (int64_t first = 0; first < h.N(); first += device_rows(h)) {
      const int64_t rows = std::min(device_rows(h), h.N() - first);
      const cuda::StoredLogits shape{rows, h.V(), device_stride(h), h.temperature};
      auto* row_stats = reinterpret_cast<cuda::RowStats*>(stats.as<float>() + 3 * first);
      device_logits<T>(h, first, rows, logits.as<float>());
      cuda::row_stats(shape, logits.as<float>(), row_stats, cuda::stream());
      cuda::stored_logp(shape, logits.as<float>(), h.targets.as<int32_t>() + first, row_stats,
                        out.logp.as<float>() + first, out.entropy.as<float>() + first, cuda::stream());
    }
  });
}

void forward(Ctx& ctx, const Head& h, const TokenLogp& out, const Tensor& stats) {
  if (ctx.cuda()) return forward_on_cuda(ctx, h, out, stats);
  const Tensor parts = ctx.workspace({h.N(), h.chunks(), 3});
  const Tensor target_logits = ctx.workspace({h.N()});
  auto* chunk_stats = static_cast<ChunkStats*>(parts.raw());
  forward_chunks(ctx, h, chunk_stats, ctx.meta() ? nullptr : target_logits.f32());
  if (ctx.meta()) return;
  auto* row_stats = static_cast<HeadStats*>(stats.raw());
  parallel_ranges(h.N(), 16, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      row_stats[n] = merge_chunks(chunk_stats + n * h.chunks(), h.chunks(), 1);
      out.logp.f32()[n] = row_stats[n].logp(target_logits.f32()[n]);
      out.entropy.f32()[n] = row_stats[n].entropy;
    }
  });
}

// One row of a chunk: logits become dL/d(x w^T). target: column, or out of [0, n). g, h: see above.
void logit_gradients(float* z, int64_t n, int64_t target, const HeadStats& stats, float g, float h, float per_t) {
  const float factor = std::exp(-stats.log_sum) * per_t;
  if (h == 0.0f) {
    simd::exp_sum(z, stats.max, z, n);
    simd::scale(-g * factor, z, z, n);
  } else {
    float inner[kVocabChunk];  // -(g + h (ln p + H))
    const float constant = -g - h * (stats.entropy - stats.log_sum);
    for (int64_t j = 0; j < n; ++j) inner[j] = constant - h * (z[j] - stats.max);
    simd::exp_sum(z, stats.max, z, n);
    for (int64_t j = 0; j < n; ++j) z[j] = z[j] == 0.0f ? 0.0f : z[j] * factor * inner[j];
  }
  if (target >= 0 && target < n) z[target] += g * per_t;
}

// A block of rows: logits, their gradient in their place, then its share of dX and dW.
void backward_on_cuda(Ctx& ctx, const Head& h, const Tensor& stats, const Tensor& dlogp, const Tensor& dentropy,
                      const GradTarget& dx, const GradTarget& dw) {
  const Tensor logits = ctx.workspace({device_rows(h), device_stride(h)});
  const Tensor workspace = cuda::gradient_workspace(ctx, h.x.dtype());
  cuda::by_dtype(h.x, [&]<class T>(T*) {
    constexpr bool kHalf = std::is_same_v<T, simt::bf16>;
    const int64_t C = h.C(), V = h.V(), ldz = device_stride(h), lda = kHalf ? 2 * ldz : ldz;
    const T* z = reinterpret_cast<const T*>(logits.as<float>());
    if (h.N() == 0 && dw.grad && dw.beta == 0.0f) dw.grad.zero();
    for (int64_t first = 0; first < h.N(); first += device_rows(h)) {
      ctx.check_abort();
      const int64_t rows = std::min(device_rows(h), h.N() - first);
      const auto column = [&](const Tensor& t) { return t ? t.as<float>() + first : nullptr; };
      device_logits<T>(h, first, rows, logits.as<float>());
      cuda::logit_gradients({rows, V, ldz, h.temperature}, kHalf ? cuda::LogitGradient::Bf16 : cuda::LogitGradient::F32,
                            logits.as<float>(), h.targets.as<int32_t>() + first,
                            reinterpret_cast<const cuda::RowStats*>(stats.as<float>() + 3 * first), column(dlogp),
                            column(dentropy), cuda::stream());
      if (dx.grad)
        cuda::gradient_product({cuda::Form::NN, rows, C, V, lda, C, C, dx.beta != 0.0f}, z, h.w.as<T>(),
                               cuda::at<T>(dx.grad, first * C), workspace, cuda::stream());
      if (dw.grad)
        cuda::gradient_product({cuda::Form::TN, V, C, rows, lda, C, C, first > 0 || dw.beta != 0.0f}, z,
                               cuda::at<T>(h.x, first * C), dw.grad.as<float>(), workspace, cuda::stream());
    }
  });
}

void backward(Ctx& ctx, const Head& h, const Tensor& stats, const Tensor& dlogp, const Tensor& dentropy) {
  const bool need_x = h.x.requires_grad(), need_w = h.w.requires_grad();
  const GradTarget dx = need_x ? grad_target(ctx, h.x) : GradTarget{};
  const GradTarget dw = need_w ? grad_target(ctx, h.w) : GradTarget{};
  if (ctx.cuda()) return backward_on_cuda(ctx, h, stats, dlogp, dentropy, dx, dw);
  const Tensor logits = ctx.workspace({h.N(), kStride});
  const Tensor packed_x = need_w ? ctx.workspace({simd::packed_size(h.C(), h.N())}) : Tensor();
  if (ctx.meta()) return;
  const int64_t N = h.N(), C = h.C();
  if (need_w) simd::pack_b(Trans::No, C, N, h.x.f32(), C, packed_x.f32());
  const auto* row_stats = static_cast<const HeadStats*>(stats.raw());
  float* z = logits.f32();
  for (int64_t chunk = 0; chunk < h.chunks(); ++chunk) {
    ctx.check_abort();
    const int64_t begin = chunk * kVocabChunk, n = h.chunk_columns(chunk);
    const float* w = h.w.row(begin);
    simd::gemm(Trans::No, Trans::Yes, N, n, C, h.x.f32(), C, w, C, 0.0f, z, kStride);
    parallel_ranges(N, 16, [&](int64_t first, int64_t last) {
      for (int64_t r = first; r < last; ++r) {
        apply_temperature(z + r * kStride, n, h.temperature);
        logit_gradients(z + r * kStride, n, h.targets.i32()[r] - begin, row_stats[r], dlogp ? dlogp.f32()[r] : 0.0f,
                        dentropy ? dentropy.f32()[r] : 0.0f, 1.0f / h.temperature);
      }
    });
    if (need_x) simd::gemm(Trans::No, Trans::No, N, C, n, z, kStride, w, C, chunk ? 1.0f : dx.beta, dx.grad.f32(), C);
    if (need_w) simd::gemm_packed(Trans::Yes, n, C, N, z, kStride, packed_x.f32(), dw.beta, dw.grad.row(begin), C);
  }
}

}  // namespace

TokenLogp token_logp(Ctx& ctx, const Tensor& x, const Tensor& w, const Tensor& targets, float temperature) {
  const Head head{x, w, targets, temperature};
  check(head, ctx.meta());
  static_assert(sizeof(ChunkStats) == 3 * sizeof(float) && sizeof(HeadStats) == 3 * sizeof(float));
  const TokenLogp out{ctx.empty({head.N()}), ctx.empty({head.N()})};
  const Tensor stats = ctx.empty({head.N(), 3});
  forward(ctx, head, out, stats);
  if (ctx.records(x, w))
    ctx.tape->record({out.logp, out.entropy},
                     [=](Ctx& c) { backward(c, head, stats, out.logp.grad(), out.entropy.grad()); });
  return out;
}

}  // namespace rft::ops
