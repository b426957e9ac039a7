// Marks functions that are compiled for the CPU and, by nvcc, for the GPU as well, always inlined.
#pragma once

#if defined(__CUDACC__)
#define RFT_HOST_DEVICE __host__ __device__ __forceinline__
#elif defined(__GNUC__)
#define RFT_HOST_DEVICE inline __attribute__((always_inline))
#else
#define RFT_HOST_DEVICE inline
#endif
