// y = x w^T + b as a model uses it. During a rollout the weights do not change, so they can be rearranged once for the
// matrix kernel; the bits are the same either way.
#pragma once
#include <string>

#include "model/weights.h"

namespace rft {

struct Linear {
  Tensor weight;  // (out, in)
  Tensor bias;    // (out) or none
  Tensor packed;  // rearranged weight, only between pack() and unpack()

  void pack(Ctx& ctx);
  void unpack() { packed = {}; }
};

Linear make_linear(Weights& weights, const std::string& name, int64_t out, int64_t in, bool bias);

// (T, in) -> (T, out)
Tensor project(Ctx& ctx, const Tensor& x, const Linear& linear);

}  // namespace rft
