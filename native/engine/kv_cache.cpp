#include "engine/kv_cache.h"

#include <cstring>

namespace rft {

SlotCache::SlotCache(const Ctx& ctx, const DecoderSpec& spec, int64_t slots, int64_t capacity)
    : capacity_(capacity), width_(spec.kv_heads * spec.head_dim) {
  for (int64_t l = 0; l < spec.layers; ++l) {
    k_.emplace_back(ctx.pool, Shape{slots, capacity, width_}, Dtype::F32, Purpose::KvCache);
    v_.emplace_back(ctx.pool, Shape{slots, capacity, width_}, Dtype::F32, Purpose::KvCache);
  }
}

void SlotCache::write(int layer, int64_t slot, int64_t position, const float* k, const float* v) {
  std::memcpy(k_[size_t(layer)].f32() + at(slot, position), k, size_t(width_) * sizeof(float));
  std::memcpy(v_[size_t(layer)].f32() + at(slot, position), v, size_t(width_) * sizeof(float));
}

ops::CachedRow SlotCache::row(int layer, int64_t slot, int64_t length, const PromptKv& prompt) const {
  const size_t l = size_t(layer);
  return {prompt.k[l].f32(),         prompt.v[l].f32(),         prompt.length,
          k_[l].f32() + at(slot, 0), v_[l].f32() + at(slot, 0), length};
}

}  // namespace rft
