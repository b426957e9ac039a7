// AVX-512 vectors: Vec (16 floats) for the matrix kernels, F (16 floats) for the elementwise loops.
#define RFT_INLINE static inline __attribute__((always_inline))

using Vec = __m512;
using F = __m512;
using Mask = __mmask16;
constexpr int kLanes = 16;
constexpr int kTallest = 14;
constexpr int kAccumulators = 28;
constexpr int64_t kKBlock = 384;

RFT_INLINE __mmask16 first(int64_t n) { return static_cast<__mmask16>((1u << n) - 1); }

RFT_INLINE Vec vzero() { return _mm512_setzero_ps(); }
RFT_INLINE Vec vset(float x) { return _mm512_set1_ps(x); }
RFT_INLINE Vec vload(const float* p) { return _mm512_loadu_ps(p); }
RFT_INLINE Vec vload_bf16(const uint16_t* p) {
  const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}
RFT_INLINE Vec vload_n(const float* p, int64_t n) { return _mm512_maskz_loadu_ps(first(n), p); }
RFT_INLINE void vstore(float* p, Vec x) { _mm512_storeu_ps(p, x); }
RFT_INLINE void vstore_n(float* p, Vec x, int64_t n) { _mm512_mask_storeu_ps(p, first(n), x); }
RFT_INLINE Vec vfma(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }

// The 16 x 16 block in r, transposed.
RFT_INLINE void vtranspose(Vec* r) {
  Vec t[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
  }
#pragma GCC unroll 16
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(t[i]), _mm512_castps_pd(t[i + 2])));
    r[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(t[i]), _mm512_castps_pd(t[i + 2])));
    r[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(t[i + 1]), _mm512_castps_pd(t[i + 3])));
    r[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(t[i + 1]), _mm512_castps_pd(t[i + 3])));
  }
#pragma GCC unroll 16
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_f32x4(r[i], r[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_f32x4(r[i + 8], r[i + 12], 0xdd);
  }
#pragma GCC unroll 16
  for (int i = 0; i < 8; ++i) {
    r[i] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0x88);
    r[i + 8] = _mm512_shuffle_f32x4(t[i], t[i + 8], 0xdd);
  }
}

RFT_INLINE F fset(float x) { return _mm512_set1_ps(x); }
RFT_INLINE F fload(const float* p) { return _mm512_loadu_ps(p); }
RFT_INLINE F fload_n(const float* p, int64_t n) { return _mm512_maskz_loadu_ps(first(n), p); }
RFT_INLINE void fstore(float* p, F x) { _mm512_storeu_ps(p, x); }
RFT_INLINE void fstore_n(float* p, F x, int64_t n) { _mm512_mask_storeu_ps(p, first(n), x); }
RFT_INLINE F fadd(F a, F b) { return _mm512_add_ps(a, b); }
RFT_INLINE F fsub(F a, F b) { return _mm512_sub_ps(a, b); }
RFT_INLINE F fmul(F a, F b) { return _mm512_mul_ps(a, b); }
RFT_INLINE F fdiv(F a, F b) { return _mm512_div_ps(a, b); }
RFT_INLINE F fsqrt(F a) { return _mm512_sqrt_ps(a); }
RFT_INLINE F ffma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
RFT_INLINE F fmax(F a, F b) { return _mm512_max_ps(a, b); }  // a > b ? a : b
RFT_INLINE F fabs(F a) { return _mm512_abs_ps(a); }
RFT_INLINE Mask fless(F a, F b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
RFT_INLINE Mask fequal(F a, F b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
RFT_INLINE F fselect(Mask m, F yes, F no) { return _mm512_mask_blend_ps(m, no, yes); }
RFT_INLINE Mask first_lanes(int64_t n) { return first(n); }
// x with the low bits of z added to its exponent.
RFT_INLINE F fscale2(F x, F z) {
  return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(x), _mm512_slli_epi32(_mm512_castps_si512(z), 23)));
}

RFT_INLINE F load_bf16(const uint16_t* p) { return vload_bf16(p); }
RFT_INLINE void store_bf16(uint16_t* p, F x) {
  const __m512i bits = _mm512_castps_si512(x);
  const __m512i high = _mm512_srli_epi32(bits, 16);
  const __m512i odd = _mm512_and_si512(high, _mm512_set1_epi32(1));
  __m512i out = _mm512_srli_epi32(_mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff))), 16);
  out = _mm512_mask_or_epi32(out, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), high, _mm512_set1_epi32(0x40));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16(out));
}
RFT_INLINE F load_f16(const uint16_t* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
RFT_INLINE void store_f16(uint16_t* p, F x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
