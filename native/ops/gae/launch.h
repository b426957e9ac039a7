// Generalised advantage estimation on CUDA. Maths and rules: gae.h.
#pragma once
#include "ops/gae/gae.h"
#include "simt/handles.h"

namespace rft::cuda {

// Columns are on the device.
void gae(const ops::GaeColumns& in, double gamma, double lambda, float* advantages, float* returns, simt::Stream);

}  // namespace rft::cuda
