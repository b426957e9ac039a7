// AVX2 vectors: Vec (8 floats) for the matrix kernels, F (16 floats as two) for the elementwise loops.
#define RFT_INLINE static inline __attribute__((always_inline))

using Vec = __m256;
struct F {
  __m256 lo, hi;
};
using Mask = F;
constexpr int kLanes = 8;
constexpr int kTallest = 6;
constexpr int kAccumulators = 12;
constexpr int64_t kKBlock = 256;

// All ones in the first n of 8 lanes; n outside 0..8 is clamped.
RFT_INLINE __m256i first(int64_t n) {
  const int lanes = n < 0 ? 0 : n > 8 ? 8 : static_cast<int>(n);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(lanes), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

RFT_INLINE Vec vzero() { return _mm256_setzero_ps(); }
RFT_INLINE Vec vset(float x) { return _mm256_set1_ps(x); }
RFT_INLINE Vec vload(const float* p) { return _mm256_loadu_ps(p); }
RFT_INLINE Vec vload_bf16(const uint16_t* p) {
  const __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}
RFT_INLINE Vec vload_n(const float* p, int64_t n) { return _mm256_maskload_ps(p, first(n)); }
RFT_INLINE void vstore(float* p, Vec x) { _mm256_storeu_ps(p, x); }
RFT_INLINE void vstore_n(float* p, Vec x, int64_t n) { _mm256_maskstore_ps(p, first(n), x); }
RFT_INLINE Vec vfma(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }

// The 8 x 8 block in r, transposed.
RFT_INLINE void vtranspose(Vec* r) {
  Vec t[8], s[8];
#pragma GCC unroll 8
  for (int i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
    t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
  }
#pragma GCC unroll 8
  for (int i = 0; i < 8; i += 4) {
    s[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
    s[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
    s[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
    s[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
  }
#pragma GCC unroll 8
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm256_permute2f128_ps(s[i], s[i + 4], 0x20);
    r[i + 4] = _mm256_permute2f128_ps(s[i], s[i + 4], 0x31);
  }
}

RFT_INLINE F fset(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
RFT_INLINE F fload(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
RFT_INLINE F fload_n(const float* p, int64_t n) {
  return {_mm256_maskload_ps(p, first(n)), _mm256_maskload_ps(p + 8, first(n - 8))};
}
RFT_INLINE void fstore(float* p, F x) {
  _mm256_storeu_ps(p, x.lo);
  _mm256_storeu_ps(p + 8, x.hi);
}
RFT_INLINE void fstore_n(float* p, F x, int64_t n) {
  _mm256_maskstore_ps(p, first(n), x.lo);
  _mm256_maskstore_ps(p + 8, first(n - 8), x.hi);
}
RFT_INLINE F fadd(F a, F b) { return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)}; }
RFT_INLINE F fsub(F a, F b) { return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)}; }
RFT_INLINE F fmul(F a, F b) { return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)}; }
RFT_INLINE F fdiv(F a, F b) { return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)}; }
RFT_INLINE F fsqrt(F a) { return {_mm256_sqrt_ps(a.lo), _mm256_sqrt_ps(a.hi)}; }
RFT_INLINE F ffma(F a, F b, F c) { return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)}; }
RFT_INLINE F fmax(F a, F b) { return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)}; }  // a > b ? a : b
RFT_INLINE F fabs(F a) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_andnot_ps(sign, a.lo), _mm256_andnot_ps(sign, a.hi)};
}
RFT_INLINE Mask fless(F a, F b) {
  return {_mm256_cmp_ps(a.lo, b.lo, _CMP_LT_OQ), _mm256_cmp_ps(a.hi, b.hi, _CMP_LT_OQ)};
}
RFT_INLINE Mask fequal(F a, F b) {
  return {_mm256_cmp_ps(a.lo, b.lo, _CMP_EQ_OQ), _mm256_cmp_ps(a.hi, b.hi, _CMP_EQ_OQ)};
}
RFT_INLINE F fselect(Mask m, F yes, F no) {
  return {_mm256_blendv_ps(no.lo, yes.lo, m.lo), _mm256_blendv_ps(no.hi, yes.hi, m.hi)};
}
RFT_INLINE Mask first_lanes(int64_t n) { return {_mm256_castsi256_ps(first(n)), _mm256_castsi256_ps(first(n - 8))}; }
RFT_INLINE __m256 scale2(__m256 x, __m256 z) {
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), _mm256_slli_epi32(_mm256_castps_si256(z), 23)));
}
// x with the low bits of z added to its exponent.
RFT_INLINE F fscale2(F x, F z) { return {scale2(x.lo, z.lo), scale2(x.hi, z.hi)}; }

RFT_INLINE __m256i round_bf16(__m256 x) {
  const __m256i bits = _mm256_castps_si256(x);
  const __m256i high = _mm256_srli_epi32(bits, 16);
  const __m256i odd = _mm256_and_si256(high, _mm256_set1_epi32(1));
  const __m256i out = _mm256_srli_epi32(_mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff))), 16);
  const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
  return _mm256_blendv_epi8(out, _mm256_or_si256(high, _mm256_set1_epi32(0x40)), nan);
}
RFT_INLINE F load_bf16(const uint16_t* p) { return {vload_bf16(p), vload_bf16(p + 8)}; }
RFT_INLINE void store_bf16(uint16_t* p, F x) {
  const __m256i mixed = _mm256_packus_epi32(round_bf16(x.lo), round_bf16(x.hi));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_permute4x64_epi64(mixed, 0xd8));
}
RFT_INLINE F load_f16(const uint16_t* p) {
  return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))),
          _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 8)))};
}
RFT_INLINE void store_f16(uint16_t* p, F x) {
  constexpr int kMode = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(x.lo, kMode));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p + 8), _mm256_cvtps_ph(x.hi, kMode));
}
