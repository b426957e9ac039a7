// The text decoder: RMSNorm, grouped-query attention with rotary positions, gated feed-forward. One definition for
// training, scoring, prefill and decode: what differs is how a layer attends, and that is an argument.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "model/project.h"
#include "model/rope_table.h"
#include "model/spec.h"

namespace rft {

// Receives the rotated q (T, H*D), k and v (T, K*D) of a layer; returns the attention output (T, H*D).
using Attend = std::function<Tensor(Ctx&, int layer, const Tensor& q, const Tensor& k, const Tensor& v)>;
// Sees named intermediate tensors as they are made; for inspection and tests.
using Trace = std::function<void(const std::string& name, const Tensor& value)>;

class Decoder {
 public:
  Decoder(const DecoderSpec& spec, Weights& weights);

  const DecoderSpec& spec() const { return spec_; }
  Tensor embed(Ctx& ctx, const Tensor& ids) const;  // I32 (T) -> (T,C)
  struct LayersOptions {
    bool recompute = false;  // layers in backward instead of keeping their activations
    Tensor wanted = {};      // I32 (N): the only rows of the result that are needed. The last layer computes keys and
                             // values of all rows, the rest of these alone; its attend receives q (N, H*D).
    Trace trace = {};
  };
  // (T,C) embeddings -> (T,C), or (N,C) of the rows wanted, before the final norm.
  Tensor layers(Ctx& ctx, Tensor x, const RopeTable& rope, const Attend& attend, const LayersOptions& options) const;
  Tensor final_norm(Ctx& ctx, const Tensor& x) const;
  const Tensor& head_weight() const { return head_.weight; }  // (V,C)
  const Linear& head() const { return head_; }

  // Arranges the linears' weights for the matrix kernel until unpack(); BF16: rounded.
  void pack(Ctx& ctx, Dtype dtype);
  void unpack();
  // Every linear of the layers, not the head.
  void for_each_linear(const std::function<void(Linear&)>& visit);

 private:
  struct Layer {
    Tensor attn_norm, q_norm, k_norm, ffn_norm;
    Linear q, k, v, o, gate, up, down;
  };
  Tensor layer(Ctx& ctx, int index, const Tensor& x, const RopeTable& rope, const Attend& attend,
               const Tensor& wanted = {}) const;

  DecoderSpec spec_;
  Tensor embedding_, norm_;
  Linear head_;
  std::vector<Layer> layers_;
};

}  // namespace rft
