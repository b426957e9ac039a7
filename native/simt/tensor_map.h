// Host side: a TMA descriptor for a row-major bf16 matrix, for either compiler.
#pragma once
#include "base/error.h"
#include "simt/ptx_sm90.h"

namespace rft::simt {

#if !SIMT_EMULATED
// The driver's encoder, found once: nothing links libcuda.
inline decltype(&cuTensorMapEncodeTiled) tensor_map_encoder() {
  static void* const found = [] {
    void* encode = nullptr;
    cudaDriverEntryPointQueryResult result;
    const cudaError_t error =
        cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &encode, 12000, cudaEnableDefault, &result);
    expect(error == cudaSuccess && encode != nullptr, "tensor map", "cuTensorMapEncodeTiled in the driver",
           cudaGetErrorString(error));
    return encode;
  }();
  return reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(found);
}
#endif

// (rows, cols) with `stride` elements between rows; boxes of box_rows x box_cols with the 128-byte swizzle, so
// box_cols is at most 64.
inline TensorMap tensor_map_2d(const bf16* base, uint64_t rows, uint64_t cols, uint64_t stride, uint32_t box_rows,
                               uint32_t box_cols) {
  expect(uintptr_t(base) % 16 == 0 && stride % 8 == 0, "tensor map", "rows aligned to 16 bytes", stride);
  expect(box_rows <= 256 && box_cols * sizeof(bf16) <= 128, "tensor map", "a box within 256 rows of 64 columns",
         concat(box_rows, " x ", box_cols));
#if SIMT_EMULATED
  return {base, {cols, rows}, stride * sizeof(bf16), {box_cols, box_rows}, sizeof(bf16), 128};
#else
  TensorMap map;
  const cuuint64_t size[2] = {cols, rows}, stride_bytes[1] = {stride * sizeof(bf16)};
  const cuuint32_t box[2] = {box_cols, box_rows}, step[2] = {1, 1};
  const CUresult result =
      tensor_map_encoder()(&map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 2, const_cast<bf16*>(base), size, stride_bytes, box,
                           step, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                           CU_TENSOR_MAP_L2_PROMOTION_L2_128B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  expect(result == CUDA_SUCCESS, "tensor map", "CUDA_SUCCESS", int(result));
  return map;
#endif
}

}  // namespace rft::simt
