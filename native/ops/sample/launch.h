// sample on CUDA: one token for each row of logits.
#pragma once
#include <cstdint>

#include "simt/handles.h"

namespace rft::cuda {

struct SampleRows {
  const float* logits;  // (rows, ldz), before temperature
  int64_t rows, V, ldz;
  float temperature;  // positive
  bool greedy;
  int32_t top_k;             // 0: all
  float top_p, min_p;        // 1 and 0: all
  const uint8_t* forbidden;  // (V), or nullptr
  const double* u;           // (rows), in [0, 1)
  float* weights;            // workspace (rows, V)
  int32_t* tokens;           // (rows); -1 when no token can be drawn
};
void sample_rows(const SampleRows&, simt::Stream);

}  // namespace rft::cuda
