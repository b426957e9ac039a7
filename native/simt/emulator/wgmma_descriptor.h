// The 64-bit shared-memory descriptor of wgmma, decoded as the hardware does, so that a wrong stride gives wrong
// numbers here too. start >> 4 in bits 0-13, leading byte offset >> 4 in 16-29, stride byte offset >> 4 in 32-45,
// swizzle in 62-63 (0 none, 1 128 B, 2 64 B, 3 32 B).
#pragma once
#include "simt/emulator/swizzle.h"

namespace rft::simt::emulator {

class WgmmaDescriptor {
 public:
  explicit WgmmaDescriptor(uint64_t bits)
      : start_(uint32_t(bits & 0x3fff) << 4),
        leading_(uint32_t(bits >> 16 & 0x3fff) << 4),
        stride_(uint32_t(bits >> 32 & 0x3fff) << 4),
        swizzle_(bits >> 62 == 0 ? 0 : 256u >> (bits >> 62)) {}

  bool aligned() const { return swizzle_ != 128 || (start_ >> 7 & 7) == 0; }

  // Shared offset of element (mn, k); the operand is K-major unless mn_major.
  uint32_t at(unsigned mn, unsigned k, bool mn_major) const {
    const unsigned line = swizzle_ != 0 ? swizzle_ : 16, line_elements = line / 2;
    uint32_t offset = start_;
    if (!mn_major) {
      offset += mn % 8 * line + mn / 8 * stride_;
      offset += swizzle_ != 0 ? k * 2 : k / 8 * leading_ + k % 8 * 2;
    } else {
      offset += mn % line_elements * 2 + k % 8 * line;
      offset += swizzle_ != 0 ? mn / line_elements * leading_ + k / 8 * stride_ : mn / 8 * stride_ + k / 8 * leading_;
    }
    return swizzled(offset, swizzle_);
  }

 private:
  uint32_t start_, leading_, stride_;
  unsigned swizzle_;
};

}  // namespace rft::simt::emulator
