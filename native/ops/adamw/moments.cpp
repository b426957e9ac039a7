#include "ops/adamw/moments.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "ops/adamw/rounding.h"
#include "simd/multiversion.h"

namespace rft::ops {
namespace {

const DynamicMap& map_of(MomentKind kind) {
  return kind == MomentKind::First ? kDynamicMaps.first : kDynamicMaps.second;
}

// codes[i] = the code nearest to x[i] / scale, by bisection of all elements at once.
void quantise(const DynamicMap& map, const float* x, float scale, int64_t n, uint8_t* codes) {
  simd::multiversion([=, &map]() RFT_INLINE_LAMBDA {
    float share[kStateBlock];
    int32_t code[kStateBlock];
    for (int64_t i = 0; i < n; ++i) {
      share[i] = x[i] / scale;
      code[i] = 0;
    }
    for (int32_t step = 128; step > 0; step /= 2)
      for (int64_t i = 0; i < n; ++i) code[i] += share[i] >= map.upper[code[i] + step - 1] ? step : 0;
    for (int64_t i = 0; i < n; ++i) codes[i] = uint8_t(code[i]);
  });
}

float largest(const float* x, int64_t n) {
  float most = 0.0f;
  for (int64_t i = 0; i < n; ++i) most = std::max(most, std::abs(x[i]));
  return most;
}

void store_bits8(const Moment& moment, MomentKind kind, int64_t begin, int64_t n, const float* in) {
  uint8_t* codes = static_cast<uint8_t*>(moment.values) + begin;
  const float scale = largest(in, n);
  moment.scales[begin / kStateBlock] = scale;
  quantise(map_of(kind), in, scale > 0.0f ? scale : 1.0f, n, codes);
  if (kind == MomentKind::Second)
    for (int64_t i = 0; i < n; ++i) codes[i] = uint8_t(codes[i] + (codes[i] == 0 && in[i] > 0.0f));
}

void store_bf16(uint16_t* out, int64_t begin, int64_t n, const float* in, uint64_t noise) {
  simd::multiversion([=]() RFT_INLINE_LAMBDA {
    for (int64_t i = 0; i < n; ++i)
      out[begin + i] = round_stochastic(std::bit_cast<uint32_t>(in[i]), noise16(noise, uint64_t(begin + i)));
  });
}

}  // namespace

void load_moment(const Moment& moment, MomentKind kind, int64_t begin, int64_t n, float* out) {
  if (moment.format == StateFormat::F32)
    std::memcpy(out, static_cast<const float*>(moment.values) + begin, size_t(n) * sizeof(float));
  else if (moment.format == StateFormat::BF16)
    simd::bf16_to_f32(static_cast<const uint16_t*>(moment.values) + begin, out, n);
  else {
    const uint8_t* codes = static_cast<const uint8_t*>(moment.values) + begin;
    const float scale = moment.scales[begin / kStateBlock];
    const DynamicMap& map = map_of(kind);
    for (int64_t i = 0; i < n; ++i) out[i] = map.value[codes[i]] * scale;
  }
}

void store_moment(const Moment& moment, MomentKind kind, int64_t begin, int64_t n, const float* in, uint64_t noise) {
  if (moment.format == StateFormat::F32)
    std::memcpy(static_cast<float*>(moment.values) + begin, in, size_t(n) * sizeof(float));
  else if (moment.format == StateFormat::BF16) store_bf16(static_cast<uint16_t*>(moment.values), begin, n, in, noise);
  else store_bits8(moment, kind, begin, n, in);
}

}  // namespace rft::ops
