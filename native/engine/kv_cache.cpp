#include "engine/kv_cache.h"

#include <cmath>

#include "tensor/dispatch.h"

namespace rft {

namespace {

int64_t cache_size(const DecoderSpec& spec, int64_t rows) {
  return ops::kv_cache_size(rows, int(spec.kv_heads), int(spec.head_dim));
}

ops::KvCache cache_at(const DecoderSpec& spec, float* memory, int64_t rows) {
  return ops::kv_cache_at(memory, rows, int(spec.kv_heads), int(spec.head_dim));
}

}  // namespace

cuda::AttentionSizes attention_sizes(const DecoderSpec& s, int64_t queries) {
  return {queries, 0, int(s.heads), int(s.kv_heads), int(s.head_dim), 1.0f / std::sqrt(float(s.head_dim))};
}

int64_t kv_bytes(const DecoderSpec& spec, int64_t rows) {
  return spec.layers * cache_size(spec, rows) * int64_t(sizeof(float));
}

int64_t kv_bytes_on_cuda(const DecoderSpec& spec, int64_t rows, Dtype dtype) {
  return 2 * spec.layers * spec.kv_heads * spec.head_dim * rows * int64_t(size_of(dtype));
}

void PromptKv::add_layer(const Ctx& ctx, const Tensor& k, const Tensor& v, int64_t begin) {
  if (ctx.cuda()) {
    const Shape shape{spec_->kv_heads, length_, spec_->head_dim};
    for (int i = 0; i < 2; ++i) layers_.emplace_back(ctx.pool, shape, k.dtype(), Purpose::KvCache);
    return cuda::by_dtype(k, [&]<class T>(T*) {
      const int64_t at = begin * k.columns();
      const cuda::FillCache<T> call{.k = cuda::at<T>(k, at),
                                    .v = cuda::at<T>(v, at),
                                    .cached_k = layers_.end()[-2].as<T>(),
                                    .cached_v = layers_.back().as<T>(),
                                    .len = length_,
                                    .capacity = length_};
      cuda::fill_kv_cache(attention_sizes(*spec_, 0), call, cuda::stream());
    });
  }
  layers_.emplace_back(ctx.pool, Shape{cache_size(*spec_, length_)}, Dtype::F32, Purpose::KvCache);
  if (ctx.meta()) return;
  ops::fill_kv_cache(layer(int(layers_.size()) - 1), k.row(begin), v.row(begin), int(spec_->kv_heads),
                     int(spec_->head_dim));
}

ops::KvCache PromptKv::layer(int index) const { return cache_at(*spec_, layers_[size_t(index)].f32(), length_); }

int64_t PromptKv::bytes() const {
  if (layers_.empty() || !layers_[0].on_cuda()) return kv_bytes(*spec_, length_);
  return kv_bytes_on_cuda(*spec_, length_, layers_[0].dtype());
}

SlotCache::SlotCache(const Ctx& ctx, const DecoderSpec& spec, int64_t slots, int64_t capacity)
    : spec_(&spec), capacity_(capacity) {
  for (int64_t l = 0; l < spec.layers; ++l)
    layers_.emplace_back(ctx.pool, Shape{slots, cache_size(spec, capacity)}, Dtype::F32, Purpose::KvCache);
}

ops::KvCache SlotCache::at(int layer, int64_t slot) const {
  return cache_at(*spec_, layers_[size_t(layer)].row(slot), capacity_);
}

void SlotCache::write(int layer, int64_t slot, int64_t position, const float* k, const float* v) {
  ops::write_kv_cache(at(layer, slot), position, k, v, int(spec_->kv_heads), int(spec_->head_dim));
}

ops::CachedRow SlotCache::row(int layer, int64_t slot, int64_t length, const PromptKv& prompt) const {
  return {prompt.layer(layer), at(layer, slot), length};
}

}  // namespace rft
