// Which kernel computes a matrix product on CUDA.
//
//   forward    our own. A row must get the same bits in decoding and in training, since log-probs of sampler and
//   trainer
//              are compared, and no library kernel is both fast for eight rows and bit-equal to one for thousands. By
//              mma.sync, or with RFT_TIER=sm90 by wgmma (sm_90 only): the same choice for a whole process.
//   gradient   cublasLt when it is found, with an algorithm pinned to the weights; else our own. RFT_GEMM=own never
//              loads it.
//
// fp32 products are for checking and always our own, with the CPU's bits.
#pragma once
#include <string>

#include "ops/gemm/launch.h"
#include "tensor/ctx.h"

namespace rft::cuda {

// y = x w^T + bias (NT).
void forward_product(const Gemm&, const simt::bf16* x, const simt::bf16* w, const simt::bf16* bias, simt::bf16* y,
                     simt::Stream);
void forward_product(const Gemm&, const simt::bf16* x, const simt::bf16* w, const simt::bf16* bias, float* y,
                     simt::Stream);
void forward_product(const Gemm&, const float* x, const float* w, const float* bias, float* y, simt::Stream);

// What gradient products of this storage need beside their operands: 32 MiB for cublasLt, else nothing. META takes the
// library to be there unless RFT_GEMM=own.
Tensor gradient_workspace(const Ctx&, Dtype);
// Without bias; `workspace` as above.
void gradient_product(const Gemm&, const simt::bf16* a, const simt::bf16* b, simt::bf16* c, const Tensor& workspace,
                      simt::Stream);
void gradient_product(const Gemm&, const simt::bf16* a, const simt::bf16* b, float* c, const Tensor& workspace,
                      simt::Stream);
void gradient_product(const Gemm&, const float* a, const float* b, float* c, const Tensor& workspace, simt::Stream);

// Does RFT_TIER ask for wgmma? Throws when the GPU has none.
bool uses_wgmma();

// What gradients run on, for reports: "cublasLt 130101 from libcublasLt.so.13", or "own kernels" and why. The library
// is loaded by the first question or product.
const std::string& gradient_kernels();

}  // namespace rft::cuda
