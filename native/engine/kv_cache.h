// Keys and values during generation. A prompt's are stored once for all its samples; every running sequence has a slot
// for its own. The layout within is that of ops/attention/cached.h.
#pragma once
#include <vector>

#include "model/spec.h"
#include "ops/attention/cached.h"
#include "tensor/ctx.h"

namespace rft {

// One cache per layer, each in memory of its own.
class PromptKv {
 public:
  PromptKv(const DecoderSpec& spec, int64_t length) : spec_(&spec), length_(length) {}
  // k, v (length, K*D) of the next layer.
  void add_layer(const Ctx& ctx, const float* k, const float* v);
  ops::KvCache layer(int index) const;
  int64_t bytes() const;
  int64_t length() const { return length_; }

 private:
  const DecoderSpec* spec_;
  int64_t length_;
  std::vector<Tensor> layers_;
};

class SlotCache {
 public:
  SlotCache(const Ctx& ctx, const DecoderSpec& spec, int64_t slots, int64_t capacity);
  // Stores row `position` of a slot.
  void write(int layer, int64_t slot, int64_t position, const float* k, const float* v);
  // What a query of a sequence sees: its prompt, then `length` own rows.
  ops::CachedRow row(int layer, int64_t slot, int64_t length, const PromptKv& prompt) const;

 private:
  ops::KvCache at(int layer, int64_t slot) const;
  const DecoderSpec* spec_;
  int64_t capacity_;
  std::vector<Tensor> layers_;  // (slots, floats of a cache)
};

// Bytes that `rows` cached rows of a sequence take, over all layers.
int64_t kv_bytes(const DecoderSpec& spec, int64_t rows);

}  // namespace rft
