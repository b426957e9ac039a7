// One pack of 16 bytes, or one element, a thread. Bandwidth bound.
#pragma once
#include "ops/kernel.cuh"

namespace rft::cuda {

template <class T, bool Packed>
__global__ void __launch_bounds__(256) add_kernel(const T* a, const T* b, T* y, int64_t n) {
  constexpr int kStep = Packed ? kLanes<T> : 1;
  const int64_t i = (int64_t(blockIdx.x) * blockDim.x + threadIdx.x) * kStep;
  if (i >= n) return;
  if constexpr (Packed) {
    float x[kLanes<T>], z[kLanes<T>];
    load_pack(a + i, x);
    load_pack(b + i, z);
#pragma unroll
    for (int j = 0; j < kLanes<T>; ++j) x[j] += z[j];
    store_pack(y + i, x);
  } else {
    y[i] = from_float<T>(to_float(a[i]) + to_float(b[i]));
  }
}

static __global__ void __launch_bounds__(256) add_rounded_kernel(const float* x, bf16* y, int64_t n) {
  const int64_t i = item_index();
  if (i < n) y[i] = from_float<bf16>(to_float(y[i]) + x[i]);
}

template <class T>
__global__ void __launch_bounds__(256) mix_kernel(const T* other, float share, T* own, int64_t n) {
  const int64_t i = item_index();
  if (i < n) own[i] = from_float<T>(fmaf(share, to_float(other[i]), (1.0f - share) * to_float(own[i])));
}

template <class From, class To>
__global__ void __launch_bounds__(256) convert_kernel(const From* x, To* y, int64_t n) {
  const int64_t i = item_index();
  if (i < n) y[i] = from_float<To>(to_float(x[i]));
}

// Four bytes a thread: neighbours share no word, which is what the emulator watches.
static __global__ void __launch_bounds__(256) to_bytes_kernel(const int32_t* x, int64_t n, uint8_t* y) {
  const int64_t begin = (int64_t(blockIdx.x) * blockDim.x + threadIdx.x) * 4;
  for (int64_t i = begin; i < min(begin + 4, n); ++i) y[i] = uint8_t(x[i]);
}

}  // namespace rft::cuda
