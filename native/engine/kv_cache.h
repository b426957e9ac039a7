// Keys and values during generation. A prompt's are stored once for all its samples; every running sequence has a slot
// for its own. The layout within is that of ops/attention/cached.h.
#pragma once
#include <vector>

#include "model/spec.h"
#include "ops/attention/cached.h"
#include "ops/attention/launch.h"
#include "tensor/ctx.h"

namespace rft {

// One cache per layer, each in memory of its own.
class PromptKv {
 public:
  PromptKv(const DecoderSpec& spec, int64_t length) : spec_(&spec), length_(length) {}
  // Rows [begin, begin + length) of k and v (T, K*D) of the next layer.
  void add_layer(const Ctx& ctx, const Tensor& k, const Tensor& v, int64_t begin);
  ops::KvCache layer(int index) const;  // not on CUDA
  // On CUDA, where a cache is (K, length, D) for keys and as much for values.
  const Tensor& keys(int index) const { return layers_[size_t(2 * index)]; }
  const Tensor& values(int index) const { return layers_[size_t(2 * index + 1)]; }
  int64_t bytes() const;
  int64_t length() const { return length_; }

 private:
  const DecoderSpec* spec_;
  int64_t length_;
  std::vector<Tensor> layers_;  // one a layer; on CUDA two
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

// What the CUDA kernels want to know of a decoder, for so many queries.
cuda::AttentionSizes attention_sizes(const DecoderSpec& spec, int64_t queries);

// Bytes that `rows` cached rows of a sequence take, over all layers; on CUDA rows are stored as the activations are.
int64_t kv_bytes(const DecoderSpec& spec, int64_t rows);
int64_t kv_bytes_on_cuda(const DecoderSpec& spec, int64_t rows, Dtype dtype);

}  // namespace rft
