// Host side of every attention launch: what the kernels can do, checked, and the kernel for a head size.
#pragma once
#include "base/error.h"
#include "ops/attention/launch.h"
#include "ops/attention/rows.cuh"
#if SIMT_EMULATED
#include "simt/emulator/device.h"
#endif

namespace rft::cuda::attention {

inline HeadSizes checked(const AttentionSizes& s, const char* kernel) {
  expect(s.kv_heads > 0 && s.heads > 0 && s.heads % s.kv_heads == 0, concat(kernel, " heads"),
         "a positive multiple of kv heads", concat(s.heads, " heads, ", s.kv_heads, " kv heads"));
  expect(s.head_dim > 0 && s.head_dim <= 128 && s.head_dim % 8 == 0, concat(kernel, " head size"),
         "a multiple of 8 up to 128", s.head_dim);
  expect(s.scale > 0, concat(kernel, " scale"), "a positive number", s.scale);
  constexpr int64_t kMost = int64_t(1) << 31;
  expect(s.query_rows * s.heads < kMost && s.key_rows < kMost, concat(kernel, " rows"), "fewer than 2^31 rows of heads",
         concat(s.query_rows, " queries of ", s.heads, " heads, ", s.key_rows, " keys"));
  expect(s.kv_heads < 65536, concat(kernel, " kv heads"), "fewer than 65536", s.kv_heads);
  return {s.heads, s.kv_heads, s.head_dim, int(s.query_rows)};
}

// Does a block get so much shared memory on this device?
inline bool fits(size_t bytes) {
#if SIMT_EMULATED
  return bytes <= simt::config().max_dynamic_shared;
#else
  static const size_t limit = [] {
    int device = 0, most = 0;
    cudaGetDevice(&device);
    cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
    return size_t(most);
  }();
  return bytes <= limit;
#endif
}

template <int D>
struct HeadSize {
  static constexpr int value = D;
};

// run(HeadSize<D>()) for the least size that holds head_dim.
template <class Run>
void with_head_size(int head_dim, Run run) {
  if (head_dim <= 32) run(HeadSize<32>());
  else if (head_dim <= 64) run(HeadSize<64>());
  else if (head_dim <= 80) run(HeadSize<80>());
  else run(HeadSize<128>());
}

}  // namespace rft::cuda::attention
