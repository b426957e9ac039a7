// Philox4x32-10, the counter-based generator of Salmon et al. 2011 (Random123): a number is a function of its place, so
// draws do not depend on batch composition or thread count.
#pragma once
#include <array>
#include <cstdint>

namespace rft {

std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

// Uniform in [0, 1) with 53 random bits: draw `index` of stream `stream` (e.g. a sequence) under `seed`.
double philox_uniform(uint64_t seed, uint64_t stream, uint64_t index);

}  // namespace rft
