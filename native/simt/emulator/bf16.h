// bf16 as the tensor-core instructions see it: two in a register, or two bytes in memory.
#pragma once
#include <cstdint>
#include <cstring>

namespace rft::simt::emulator {

inline float float_of_bits(uint32_t bits) {
  float f;
  std::memcpy(&f, &bits, 4);
  return f;
}
inline float bf16_low(uint32_t pair) { return float_of_bits(pair << 16); }
inline float bf16_high(uint32_t pair) { return float_of_bits(pair & 0xffff0000u); }
inline float bf16_at(const unsigned char* p) { return float_of_bits(uint32_t(p[0]) << 16 | uint32_t(p[1]) << 24); }

}  // namespace rft::simt::emulator
