// Matrix products on CUDA. All matrices are row-major; strides count elements.
#pragma once
#include <cstdint>

#include "simt/handles.h"

namespace rft::cuda {

// How the operands of c (m, n) = op(a) op(b) are stored:
//   NT  a (m, k)  b (n, k)     y = x w^T         forward of a dense layer
//   NN  a (m, k)  b (k, n)     dx = dy w
//   TN  a (k, m)  b (k, n)     dw = dy^T x
enum class Form { NT, NN, TN };

struct Gemm {
  Form form;
  int64_t m, n, k;
  int64_t lda, ldb, ldc;    // elements from one stored row to the next
  bool accumulate = false;  // c += instead of c =
};

// c (+)= op(a) op(b) + bias, bias (n) or nullptr; the products are summed in fp32. Any sizes and alignments; rows that
// start at multiples of 16 bytes are faster. An element's bits depend on its row of op(a), its column of op(b), its
// bias and k alone: not on m or n, nor on the tile that the sizes select. With bf16 operands it is one chain of
// tensor-core steps of 16 along k, with fp32 operands one chain of fused multiply-adds, the same bits as simd::gemm.
void gemm(const Gemm&, const simt::bf16* a, const simt::bf16* b, const simt::bf16* bias, simt::bf16* c, simt::Stream);
void gemm(const Gemm&, const simt::bf16* a, const simt::bf16* b, const simt::bf16* bias, float* c, simt::Stream);
void gemm(const Gemm&, const float* a, const float* b, const float* bias, float* c, simt::Stream);

// NT by the instructions of sm_90a, which must be there. Again a row has the same bits in any batch, but they are
// wgmma's: a model uses either these for all its forward products, or gemm.
bool gemm_sm90_suits(const Gemm&, const simt::bf16* a, const simt::bf16* b);  // aligned as TMA wants it?
void gemm_sm90(const Gemm&, const simt::bf16* a, const simt::bf16* b, const simt::bf16* bias, simt::bf16* c,
               simt::Stream);
void gemm_sm90(const Gemm&, const simt::bf16* a, const simt::bf16* b, const simt::bf16* bias, float* c, simt::Stream);

}  // namespace rft::cuda
