// The catalogue: every differentiable op, one line each, with shapes. Implementation, maths and what is kept for
// backward: native/ops/<name>/<name>.cpp. Activations are F32, on CUDA F32 or BF16; T packed tokens, C width, H heads,
// K kv heads, D head size, V vocabulary, N scored rows.
#pragma once
#include <utility>
#include <vector>

#include "ops/attention/segment.h"
#include "tensor/ctx.h"

namespace rft::ops {

Tensor embed(Ctx&, const Tensor& ids, const Tensor& w);                     // I32 (T), (V,C) -> (T,C)
Tensor linear(Ctx&, const Tensor& x, const Tensor& w, const Tensor& bias);  // (T,K), (N,K), (N) or {} -> (T,N)
Tensor rms_norm(Ctx&, const Tensor& x, const Tensor& w, float eps);         // (T,C), (C) -> (T,C); also (T*H,D), (D)
struct AddRmsNorm {
  Tensor sum, normed;
};
AddRmsNorm add_rms_norm(Ctx&, const Tensor& x, const Tensor& residual, const Tensor& w,
                        float eps);  // x + residual, and its rms_norm
Tensor layer_norm(Ctx&, const Tensor& x, const Tensor& w, const Tensor& b, float eps);
Tensor rope(Ctx&, const Tensor& x, const Tensor& cos, const Tensor& sin);  // (T,H*D), (T,D/2) twice -> (T,H*D)
Tensor silu_mul(Ctx&, const Tensor& gate, const Tensor& up);               // silu(gate) * up
enum class Gelu { Erf, Tanh, Quick };
Tensor gelu(Ctx&, const Tensor& x, Gelu kind);
Tensor add(Ctx&, const Tensor& a, const Tensor& b);
Tensor scale(Ctx&, const Tensor& x, float factor);
// Each element is 0 with probability p, else x / (1 - p); which ones follows from (seed, stream, place).
Tensor dropout(Ctx&, const Tensor& x, float p, uint64_t seed, uint64_t stream);
void record_add(Ctx&, const Tensor& a, const Tensor& b, const Tensor& y);  // for kernels that add on the way
std::vector<Tensor> split_columns(Ctx&, const Tensor& x,
                                  const std::vector<int64_t>& widths);  // (T, sum) -> (T, w_i)...
Tensor reshape(Ctx&, const Tensor& x, Shape shape);                     // same elements
Tensor gather_rows(Ctx&, const Tensor& x, const Tensor& rows);          // (T,C), I32 (N) -> (N,C); rows may repeat
Tensor scatter_rows(Ctx&, const Tensor& base, const Tensor& rows,
                    const Tensor& src);  // base with rows replaced; rows distinct

// q (T,H*D), k and v (Tk,K*D) -> (T,H*D). Rows of q outside every segment give 0.
Tensor attention(Ctx&, const Tensor& q, const Tensor& k, const Tensor& v, const Segments& segments, int heads,
                 int kv_heads, float scale);

// Fused head: logits = x w^T / temperature are never stored for all rows. Natural log, nats.
struct TokenLogp {
  Tensor logp, entropy;  // (N) each
};
TokenLogp token_logp(Ctx&, const Tensor& x, const Tensor& w, const Tensor& targets,
                     float temperature);  // (N,C), (V,C), I32 (N)

}  // namespace rft::ops
