// Single-precision matrix products.
//
// Every element of C is one chain of fused multiply-adds over k = 0, 1, 2, ... in that order, whatever the tile,
// the row count or the thread count. So a row's result depends on that row alone (batch invariance), and a row
// computed in a batch of one has the same bits as in a batch of a thousand.
#pragma once
#include <cstdint>

namespace rft::simd {

enum class Trans { No, Yes };

// C (M,N) = beta * C + op(A) op(B), beta is 0 or 1. op(A) is (M,K): A is stored (M,K) with Trans::No, (K,M) with
// Trans::Yes; op(B) is (K,N) likewise. lda, ldb, ldc are row strides in elements. beta = 0 never reads C.
// With beta = 1 the chain of an element starts from C.
// Runs on the thread pool; call it from the device thread only.
void gemm(Trans ta, Trans tb, int64_t M, int64_t N, int64_t K, const float* A, int64_t lda, const float* B, int64_t ldb,
          float beta, float* C, int64_t ldc);

// The same on the calling thread; for use inside parallel_for bodies.
void gemm_serial(Trans ta, Trans tb, int64_t M, int64_t N, int64_t K, const float* A, int64_t lda, const float* B,
                 int64_t ldb, float beta, float* C, int64_t ldc);

// B rearranged once for many products (weights during a rollout, keys and values within one attention call).
// Layout: panels of panel_width() columns, each (K, panel_width), zero padded.
int64_t panel_width();
int64_t packed_size(int64_t N, int64_t K);  // in floats
void pack_b(Trans tb, int64_t N, int64_t K, const float* B, int64_t ldb, float* packed);
void pack_b_serial(Trans tb, int64_t N, int64_t K, const float* B, int64_t ldb, float* packed);
// The same with B rounded to bf16 (to nearest, ties to even) once, at half the memory: gemm_packed_bf16 makes floats of
// it in registers, so its bits are those of gemm with the rounded values.
void pack_b_bf16(Trans tb, int64_t N, int64_t K, const float* B, int64_t ldb, uint16_t* packed);
void gemm_packed_bf16(Trans ta, int64_t M, int64_t N, int64_t K, const float* A, int64_t lda, const uint16_t* packed,
                      float beta, float* C, int64_t ldc);
// Writes column n of a packed B, K contiguous floats; the other columns stay as they are.
void pack_b_column(int64_t n, int64_t K, const float* column, float* packed);
// As gemm, with B packed. Bits equal those of gemm.
void gemm_packed(Trans ta, int64_t M, int64_t N, int64_t K, const float* A, int64_t lda, const float* packed,
                 float beta, float* C, int64_t ldc);
void gemm_packed_serial(Trans ta, int64_t M, int64_t N, int64_t K, const float* A, int64_t lda, const float* packed,
                        float beta, float* C, int64_t ldc);

}  // namespace rft::simd
