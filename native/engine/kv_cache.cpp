#include "engine/kv_cache.h"

namespace rft {

namespace {

int64_t cache_size(const DecoderSpec& spec, int64_t rows) {
  return ops::kv_cache_size(rows, int(spec.kv_heads), int(spec.head_dim));
}

ops::KvCache cache_at(const DecoderSpec& spec, float* memory, int64_t rows) {
  return ops::kv_cache_at(memory, rows, int(spec.kv_heads), int(spec.head_dim));
}

}  // namespace

int64_t kv_bytes(const DecoderSpec& spec, int64_t rows) {
  return spec.layers * cache_size(spec, rows) * int64_t(sizeof(float));
}

void PromptKv::add_layer(const Ctx& ctx, const float* k, const float* v) {
  layers_.emplace_back(ctx.pool, Shape{cache_size(*spec_, length_)}, Dtype::F32, Purpose::KvCache);
  if (ctx.meta()) return;
  ops::fill_kv_cache(layer(int(layers_.size()) - 1), k, v, int(spec_->kv_heads), int(spec_->head_dim));
}

ops::KvCache PromptKv::layer(int index) const { return cache_at(*spec_, layers_[size_t(index)].f32(), length_); }

int64_t PromptKv::bytes() const { return kv_bytes(*spec_, length_); }

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
