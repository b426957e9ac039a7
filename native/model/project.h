// y = x w^T + b, plus scale (dropout(x) a^T) b^T where the layer has a low-rank adapter (LoRA, Hu et al. 2021). During
// a rollout the weights do not change, so they can be rearranged once for the matrix kernel; in F32 the bits are the
// same either way, in BF16 they are those of a model with rounded weights.
#pragma once
#include <string>

#include "model/weights.h"

namespace rft {

struct Linear {
  Tensor weight;  // (out, in)
  Tensor bias;    // (out) or none
  Tensor packed;  // rearranged weight, F32 or rounded to BF16, only between pack() and unpack()
  Tensor lora_a;  // (rank, in), or none
  Tensor lora_b;  // (out, rank)
  float lora_scale = 0.0f;
  float dropout = 0.0f;
  uint64_t stream = 0;  // of what dropout drops

  void pack(Ctx& ctx, Dtype dtype);
  void unpack() { packed = {}; }
};

// With the adapter that the weights' specification puts on it.
Linear make_linear(Weights& weights, const std::string& name, int64_t out, int64_t in, bool bias);

// weight += scale b a, which leaves nothing to add: b becomes 0.
void merge_adapter(Linear& linear);

// (T, in) -> (T, out)
Tensor project(Ctx& ctx, const Tensor& x, const Linear& linear);

}  // namespace rft
