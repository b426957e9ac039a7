// How the two moments of AdamW are stored, 4, 2 or 1 byte an element.
//
//   F32     as they are
//   BF16    rounded stochastically: to nearest, a second moment would stand still, since it loses 0.1 % in a step and
//           neighbouring bf16 values are 0.4 to 0.8 % apart
//   Bits8   codes of dynamic_map.h, and a float scale for each kStateBlock elements: the largest of them
//
// A second moment above 0 is never stored as 0: without a gradient, the next update would divide a first moment that
// survived by eps alone.
#pragma once
#include <cstdint>

#include "ops/adamw/dynamic_map.h"

namespace rft::ops {

enum class StateFormat : uint8_t { F32, BF16, Bits8 };
enum class MomentKind : uint8_t { First, Second };

struct Moment {
  Moment() = default;
  Moment(float* values) : values(values) {}
  Moment(StateFormat format, void* values, float* scales) : format(format), values(values), scales(scales) {}
  StateFormat format = StateFormat::F32;
  void* values = nullptr;   // (n) float, bf16 or codes
  float* scales = nullptr;  // (ceil(n / kStateBlock)), Bits8 only
};

constexpr int64_t state_blocks(int64_t n) { return (n + kStateBlock - 1) / kStateBlock; }

// One block, elements [begin, begin + n) with begin a multiple of kStateBlock, as floats.
void load_moment(const Moment& moment, MomentKind kind, int64_t begin, int64_t n, float* out);
// `noise`: random stream of this tensor, moment and step (rounding.h).
void store_moment(const Moment& moment, MomentKind kind, int64_t begin, int64_t n, const float* in, uint64_t noise);

}  // namespace rft::ops
