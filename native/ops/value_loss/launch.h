// value_loss on CUDA. Columns and results are on the device; the formula is the CPU's text.
#pragma once
#include "ops/value_loss/value_loss.h"
#include "simt/handles.h"

namespace rft::cuda {

// `clipped` is written as int32.
struct ValueLossResult {
  float *loss, *dvalue;
  int32_t* clipped;
};
void value_loss(int64_t n, const ops::ValueLossColumns& in, double clip, const ValueLossResult& out, simt::Stream);
// sums (ops::value_tiles(n)).
void value_loss_sums(int64_t n, const float* weights, const ValueLossResult& out, ops::ValueLossSums* sums,
                     simt::Stream);

}  // namespace rft::cuda
