// Stochastic rounding to bf16 with the same bits on CPU and GPU: up with the probability of the part that is cut off.
// The noise is a function of the place, so it does not depend on threads, and a resumed run repeats it.
#pragma once
#include <cstdint>

#include "base/host_device.h"

namespace rft::ops {

// Random stream of one tensor in one step; `tensor` below 2^24.
RFT_HOST_DEVICE uint64_t noise_stream(uint64_t seed, uint64_t step, uint64_t tensor) {
  return seed ^ (step * 0x9E3779B97F4A7C15ull) ^ (tensor << 40);
}

// 16 random bits of an element: two rounds of a 64-bit mixer.
RFT_HOST_DEVICE uint32_t noise16(uint64_t stream, uint64_t element) {
  uint64_t z = stream ^ element;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return uint32_t((z ^ (z >> 31)) >> 48);
}

// The bits of a float, rounded to those of a bf16. Infinities and NaN are cut.
RFT_HOST_DEVICE uint16_t round_stochastic(uint32_t bits, uint32_t noise) {
  const bool finite = (bits & 0x7f800000u) != 0x7f800000u;
  return uint16_t((finite ? bits + noise : bits) >> 16);
}

}  // namespace rft::ops
