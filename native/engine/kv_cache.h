// Keys and values during generation. A prompt's are stored once for all its samples; every running sequence has a slot
// for its own. Rows are (K*D) wide, one slab per layer.
#pragma once
#include <vector>

#include "model/spec.h"
#include "ops/attention/cached.h"
#include "tensor/ctx.h"

namespace rft {

struct PromptKv {
  std::vector<Tensor> k, v;  // per layer (P, K*D)
  int64_t length = 0;
};

class SlotCache {
 public:
  SlotCache(const Ctx& ctx, const DecoderSpec& spec, int64_t slots, int64_t capacity);
  // Stores row `position` of a slot.
  void write(int layer, int64_t slot, int64_t position, const float* k, const float* v);
  // What a query of a sequence sees: its prompt, then `length` own rows.
  ops::CachedRow row(int layer, int64_t slot, int64_t length, const PromptKv& prompt) const;

 private:
  int64_t at(int64_t slot, int64_t position) const { return (slot * capacity_ + position) * width_; }
  int64_t capacity_, width_;
  std::vector<Tensor> k_, v_;  // per layer (slots, capacity, K*D)
};

}  // namespace rft
