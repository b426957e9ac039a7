// The shared-memory swizzle of TMA and wgmma: 16-byte columns are exchanged by bits 7 and up of the address.
#pragma once
#include <cstdint>

namespace rft::simt::emulator {

inline uint32_t swizzled(uint32_t address, unsigned swizzle_bytes) {
  const uint32_t columns = swizzle_bytes == 0 ? 0 : swizzle_bytes - 16;  // 0x70, 0x30, 0x10
  return address ^ ((address >> 3) & columns);
}

}  // namespace rft::simt::emulator
