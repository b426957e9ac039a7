#include "ops/adamw/moments.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "ops/adamw/rounding.h"
#include "simd/multiversion.h"

namespace rft::ops {
namespace {

// Where to look for the code of a share: its sign, exponent and first 7 bits of fraction name a cell, and no cell holds
// more than one bound between codes.
struct Cells {
  static constexpr int kShift = 16;
  static constexpr uint32_t kFirst = std::bit_cast<uint32_t>(0x1p-24f) >> kShift;  // smaller shares are 0
  static constexpr uint32_t kCount = (24u << 7) + 1;                               // magnitudes up to 1
  uint8_t lowest[2 * kCount];  // code of the smallest share of a cell; negative ones in the second half
};

constexpr float magnitude_of(uint32_t cell) { return std::bit_cast<float>((Cells::kFirst + cell) << Cells::kShift); }

constexpr Cells make_cells(const DynamicMap& map) {
  Cells cells{};
  int up = 0, down = 255;
  while (map.upper[up] <= 0.0f) ++up;
  for (uint32_t i = 0; i < Cells::kCount; ++i) {
    while (i > 0 && magnitude_of(i) >= map.upper[up]) ++up;
    while (down > 0 && -magnitude_of(i + 1) < map.upper[down - 1]) --down;
    cells.lowest[i] = uint8_t(up);
    cells.lowest[Cells::kCount + i] = uint8_t(down);
  }
  return cells;
}

constexpr Cells kFirstCells = make_cells(kDynamicMaps.first), kSecondCells = make_cells(kDynamicMaps.second);

// The code nearest to a share of -1 .. 1: the number of bounds that are not above it.
inline int nearest_code(const DynamicMap& map, const Cells& cells, float share) {
  const uint32_t bits = std::bit_cast<uint32_t>(share), key = (bits & 0x7fffffffu) >> Cells::kShift;
  const uint32_t cell = key > Cells::kFirst ? key - Cells::kFirst : 0;
  const int low = cells.lowest[cell + (bits >> 31) * Cells::kCount];
  return low + (share >= map.upper[low]);
}

void quantise_first(const float* share, int64_t n, uint8_t* codes) {
  for (int64_t i = 0; i < n; ++i) codes[i] = uint8_t(nearest_code(kDynamicMaps.first, kFirstCells, share[i]));
}

void quantise_second(const float* share, int64_t n, uint8_t* codes) {
  for (int64_t i = 0; i < n; ++i) {
    const int code = nearest_code(kDynamicMaps.second, kSecondCells, share[i]);
    codes[i] = uint8_t(code + (code == 0 && share[i] > 0.0f));
  }
}

// A block as shares of its largest magnitude, which is returned. 16 maxima at once: a maximum has no order.
float to_shares(const float* x, int64_t n, float* share) {
  float most = 0.0f;
  simd::multiversion([=, &most]() RFT_INLINE_LAMBDA {
    float lanes[16] = {};
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
      for (int64_t l = 0; l < 16; ++l) {
        const float size = std::abs(x[i + l]);
        lanes[l] = size > lanes[l] ? size : lanes[l];
      }
    for (; i < n; ++i) lanes[0] = std::max(lanes[0], std::abs(x[i]));
    for (float lane : lanes) most = std::max(most, lane);
    const float unit = most > 0.0f ? most : 1.0f;
    for (int64_t k = 0; k < n; ++k) share[k] = x[k] / unit;
  });
  return most;
}

void store_bits8(const Moment& moment, MomentKind kind, int64_t begin, int64_t n, const float* in) {
  float share[kStateBlock];
  uint8_t* codes = static_cast<uint8_t*>(moment.values) + begin;
  moment.scales[begin / kStateBlock] = to_shares(in, n, share);
  if (kind == MomentKind::First) quantise_first(share, n, codes);
  else quantise_second(share, n, codes);
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
    const DynamicMap& map = kind == MomentKind::First ? kDynamicMaps.first : kDynamicMaps.second;
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
