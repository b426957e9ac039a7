// The 256 numbers that an 8-bit moment may be, as a share of the largest of its block: block-wise dynamic quantisation
// of Dettmers et al. 2022 ("8-bit Optimizers via Block-wise Quantization", the map of bitsandbytes). A code spends its
// bits on the decimal exponent or on the fraction: decade e of 10^-7 .. 1 is cut into 2^e equal parts (2^(e+1) without
// a sign) and a code stands for the middle of its part. 0 and 1 are codes of their own.
//
//   +-10^(e-6) (0.1 + 0.9 (j + 1/2) / parts),  0 <= e < 7,  0 <= j < parts
#pragma once
#include <cstdint>

namespace rft::ops {

constexpr int64_t kStateBlock = 256;  // consecutive elements of a tensor that share one scale

struct DynamicMap {
  float value[256];  // rising
  float upper[256];  // [i] halfway between values i and i + 1; the last is never reached
};

constexpr DynamicMap dynamic_map(bool with_sign) {
  DynamicMap map{};
  int zero = with_sign ? 127 : 0, next = zero;
  map.value[next++] = 0.0f;
  double decade = 1e-6;
  for (int e = 0; e < 7; ++e, decade *= 10) {
    const int parts = with_sign ? 1 << e : 2 << e;
    for (int j = 0; j < parts; ++j, ++next) {
      map.value[next] = float(decade * (0.1 + 0.9 * (j + 0.5) / parts));
      if (with_sign) map.value[2 * zero - next] = -map.value[next];
    }
  }
  map.value[next] = 1.0f;
  for (int i = 0; i < 255; ++i) map.upper[i] = 0.5f * (map.value[i] + map.value[i + 1]);
  map.upper[255] = 2.0f;
  return map;
}

// First moments have a sign, second moments do not.
struct DynamicMaps {
  DynamicMap first, second;
};
inline constexpr DynamicMaps kDynamicMaps{dynamic_map(true), dynamic_map(false)};

}  // namespace rft::ops
