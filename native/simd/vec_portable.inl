// Vectors for any CPU, from the compiler's vector extension: Vec (4 floats) for the matrix kernels, F (16 floats)
// for the elementwise loops. Where the CPU has no fused multiply-add it rounds twice, so the last bits differ from
// those of the other instruction sets.
#define RFT_INLINE static inline __attribute__((always_inline))

typedef float Vec __attribute__((vector_size(16)));
typedef int32_t Mask4 __attribute__((vector_size(16)));
typedef uint32_t Bits4 __attribute__((vector_size(16)));
struct F {
  Vec v[4];
};
struct Mask {
  Mask4 v[4];
};
constexpr int kLanes = 4;
constexpr int kTallest = 6;
constexpr int kAccumulators = 12;
constexpr int64_t kKBlock = 256;

RFT_INLINE Vec multiply_add(Vec a, Vec b, Vec c) {
#if defined(__FP_FAST_FMAF)
  Vec out;
  for (int i = 0; i < 4; ++i) out[i] = __builtin_fmaf(a[i], b[i], c[i]);
  return out;
#else
  return a * b + c;
#endif
}

RFT_INLINE Vec vzero() { return Vec{}; }
RFT_INLINE Vec vset(float x) { return Vec{x, x, x, x}; }
RFT_INLINE Vec vload(const float* p) {
  Vec x;
  __builtin_memcpy(&x, p, sizeof x);
  return x;
}
RFT_INLINE Vec vload_bf16(const uint16_t* p) { return (Vec)(Bits4{p[0], p[1], p[2], p[3]} << 16); }
RFT_INLINE Vec vload_n(const float* p, int64_t n) {
  Vec x{};
  for (int64_t i = 0; i < n; ++i) x[i] = p[i];
  return x;
}
RFT_INLINE void vstore(float* p, Vec x) { __builtin_memcpy(p, &x, sizeof x); }
RFT_INLINE void vstore_n(float* p, Vec x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) p[i] = x[i];
}
RFT_INLINE Vec vfma(Vec a, Vec b, Vec c) { return multiply_add(a, b, c); }

// The 4 x 4 block in r, transposed.
RFT_INLINE void vtranspose(Vec* r) {
  const Vec a = r[0], b = r[1], c = r[2], d = r[3];
  r[0] = Vec{a[0], b[0], c[0], d[0]};
  r[1] = Vec{a[1], b[1], c[1], d[1]};
  r[2] = Vec{a[2], b[2], c[2], d[2]};
  r[3] = Vec{a[3], b[3], c[3], d[3]};
}

// One F (or Mask) from op on each quarter of the arguments.
template <class Out, class Op, class... In>
RFT_INLINE Out quarters(Op op, const In&... in) {
  return {{op(in.v[0]...), op(in.v[1]...), op(in.v[2]...), op(in.v[3]...)}};
}

RFT_INLINE F fset(float x) { return {{vset(x), vset(x), vset(x), vset(x)}}; }
RFT_INLINE F fload(const float* p) { return {{vload(p), vload(p + 4), vload(p + 8), vload(p + 12)}}; }
RFT_INLINE F fload_n(const float* p, int64_t n) {
  float x[16] = {};
  for (int64_t i = 0; i < n; ++i) x[i] = p[i];
  return fload(x);
}
RFT_INLINE void fstore(float* p, F x) {
  for (int i = 0; i < 4; ++i) vstore(p + 4 * i, x.v[i]);
}
RFT_INLINE void fstore_n(float* p, F x, int64_t n) {
  float all[16];
  fstore(all, x);
  for (int64_t i = 0; i < n; ++i) p[i] = all[i];
}
RFT_INLINE F fadd(F x, F y) {
  return quarters<F>([](Vec a, Vec b) { return a + b; }, x, y);
}
RFT_INLINE F fsub(F x, F y) {
  return quarters<F>([](Vec a, Vec b) { return a - b; }, x, y);
}
RFT_INLINE F fmul(F x, F y) {
  return quarters<F>([](Vec a, Vec b) { return a * b; }, x, y);
}
RFT_INLINE F fdiv(F x, F y) {
  return quarters<F>([](Vec a, Vec b) { return a / b; }, x, y);
}
RFT_INLINE F fsqrt(F x) {
  return quarters<F>(
      [](Vec a) {
    for (int i = 0; i < 4; ++i) a[i] = __builtin_sqrtf(a[i]);
    return a;
      },
      x);
}
RFT_INLINE F ffma(F x, F y, F z) { return quarters<F>(multiply_add, x, y, z); }
RFT_INLINE Mask fless(F x, F y) {
  return quarters<Mask>([](Vec a, Vec b) { return (Mask4)(a < b); }, x, y);
}
RFT_INLINE Mask fequal(F x, F y) {
  return quarters<Mask>([](Vec a, Vec b) { return (Mask4)(a == b); }, x, y);
}
RFT_INLINE F fselect(Mask m, F yes, F no) {
  return quarters<F>([](Mask4 s, Vec a, Vec b) { return (Vec)((s & (Mask4)a) | (~s & (Mask4)b)); }, m, yes, no);
}
RFT_INLINE F fmax(F a, F b) { return fselect(fless(b, a), a, b); }  // a > b ? a : b
RFT_INLINE F fabs(F x) {
  return quarters<F>([](Vec a) { return (Vec)((Bits4)a & 0x7fffffffu); }, x);
}
RFT_INLINE Mask first_lanes(int64_t n) {
  Mask m;
  for (int i = 0; i < 16; ++i) m.v[i / 4][i % 4] = i < n ? -1 : 0;
  return m;
}
// x with the low bits of z added to its exponent.
RFT_INLINE F fscale2(F x, F z) {
  return quarters<F>([](Vec a, Vec b) { return (Vec)((Bits4)a + ((Bits4)b << 23)); }, x, z);
}

RFT_INLINE float from_bits(uint32_t bits) {
  float x;
  __builtin_memcpy(&x, &bits, 4);
  return x;
}
RFT_INLINE uint32_t to_bits(float x) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, 4);
  return bits;
}

RFT_INLINE F load_bf16(const uint16_t* p) {
  F out;
  for (int i = 0; i < 16; ++i) out.v[i / 4][i % 4] = from_bits(uint32_t{p[i]} << 16);
  return out;
}
RFT_INLINE uint16_t round_bf16(float x) {
  const uint32_t bits = to_bits(x);
  if (x != x) return static_cast<uint16_t>(bits >> 16 | 0x40u);
  return static_cast<uint16_t>((bits + (bits >> 16 & 1u) + 0x7fffu) >> 16);
}
RFT_INLINE void store_bf16(uint16_t* p, F x) {
  for (int i = 0; i < 16; ++i) p[i] = round_bf16(x.v[i / 4][i % 4]);
}

RFT_INLINE float widen_f16(uint16_t h) {
  const uint32_t sign = uint32_t{h & 0x8000u} << 16, rest = h & 0x7fffu;
  if (rest >= 0x7c00u) {
    return from_bits(sign | 0x7f800000u | (rest & 0x3ffu) << 13 | (rest > 0x7c00u ? 0x400000u : 0u));
  }
  // Exact for subnormals too: the floats' exponents start 112 below the halves'.
  return from_bits(sign | to_bits(from_bits(rest << 13) * 0x1p112f));
}
RFT_INLINE uint16_t round_f16(float x) {
  const uint32_t sign = to_bits(x) >> 16 & 0x8000u, bits = to_bits(x) & 0x7fffffffu;
  if (bits > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u | (bits >> 13 & 0x3ffu));
  if (bits >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);  // rounds to 65536 or more
  if (bits < 0x38800000u) {  // subnormal half: the float adder rounds at 2^-24
    return static_cast<uint16_t>(sign | (to_bits(from_bits(bits) + 0.5f) - 0x3f000000u));
  }
  return static_cast<uint16_t>(sign | (bits + (bits >> 13 & 1u) + 0xfffu - 0x38000000u) >> 13);
}
RFT_INLINE F load_f16(const uint16_t* p) {
  F out;
  for (int i = 0; i < 16; ++i) out.v[i / 4][i % 4] = widen_f16(p[i]);
  return out;
}
RFT_INLINE void store_f16(uint16_t* p, F x) {
  for (int i = 0; i < 16; ++i) p[i] = round_f16(x.v[i / 4][i % 4]);
}
