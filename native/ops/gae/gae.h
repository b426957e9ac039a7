// Generalised advantage estimation over completions, in a reverse scan.
//
//   delta_t = r_t + gamma V_{t+1} - V_t        L_t = delta_t + gamma lambda L_{t+1}        return_t = L_t + V_t
//
// Masked rows (observations of tools, padding) are stepped over: V_{t+1} and L_{t+1} of a row are those of the next
// trained row. They get 0. Without values this is the discounted return (REINFORCE++): lambda = 1, V = 0.
#pragma once
#include <cstdint>

namespace rft::ops {

// (N) each, completions one after the other.
struct GaeColumns {
  const float* rewards;
  const float* values;       // nullptr = 0
  const uint8_t* mask;       // 1 = trained row; nullptr = all
  const int32_t* sequences;  // (sequence_count + 1) offsets
  int64_t sequence_count;
};

void gae(const GaeColumns& in, double gamma, double lambda, float* advantages, float* returns);

}  // namespace rft::ops
