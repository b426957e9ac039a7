// Can kernels of sm_90a run here? In the emulator yes; on a GPU when it is one of compute capability 9.0.
#pragma once
#include "simt/simt.h"

namespace rft::test {

inline bool has_wgmma() {
#if SIMT_EMULATED
  return true;
#else
  int major = 0, minor = 0;
  cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0);
  cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, 0);
  return major == 9 && minor == 0;
#endif
}

}  // namespace rft::test
