// Elementwise loops and row reductions on F (16 floats), compiled once per instruction set.

RFT_INLINE float tree_sum(F x) {
  float p[16];
  fstore(p, x);
  for (int width = 8; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) p[i] = p[i] + p[i + width];
  }
  return p[0];
}

// out[i] = op(in[i]...) for any number of inputs; the tail is computed on zero-padded vectors.
template <class Op, class... In>
RFT_INLINE void map(int64_t n, float* out, Op op, const In*... in) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) fstore(out + i, op(fload(in + i)...));
  if (i < n) fstore_n(out + i, op(fload_n(in + i, n - i)...), n - i);
}

// 16 partial sums of step(partials, in...); the padding of the tail must add zero.
template <class Step, class... In>
RFT_INLINE F reduce(int64_t n, Step step, const In*... in) {
  F acc = fset(0.0f);
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) acc = step(acc, fload(in + i)...);
  if (i < n) acc = step(acc, fload_n(in + i, n - i)...);
  return acc;
}

// e^x = 2^n e^r, n = round(x / ln 2), |r| <= ln 2 / 2, e^r by its series to r^7 (remainder 5e-9).
// Below the smallest normal number: 0. n sits in the low bits of z (1.5 * 2^23 added), so 2^n is an integer add.
RFT_INLINE F exp16(F x) {
  const F magic = fset(12582912.0f);
  const F z = ffma(x, fset(1.44269504f), magic);
  const F n = fsub(z, magic);
  const F r = ffma(n, fset(-1.42860677e-6f), ffma(n, fset(-0.693145752f), x));
  F p = ffma(r, fset(1.98412698e-4f), fset(1.38888889e-3f));
  p = ffma(p, r, fset(8.33333333e-3f));
  p = ffma(p, r, fset(4.16666667e-2f));
  p = ffma(p, r, fset(1.66666667e-1f));
  p = ffma(p, r, fset(0.5f));
  p = ffma(p, fmul(r, r), r);
  F y = fscale2(fadd(p, fset(1.0f)), z);
  y = fselect(fless(x, fset(-87.3365448f)), fset(0.0f), y);
  y = fselect(fless(fset(88.7228317f), x), fset(__builtin_inff()), y);
  return fselect(fequal(x, x), y, x);  // NaN stays NaN
}

RFT_INLINE F sigmoid16(F x) {
  const F one = fset(1.0f);
  return fdiv(one, fadd(one, exp16(fsub(fset(0.0f), x))));
}

struct Logistic {
  F value;  // 1 / (1 + e^-x)
  F rest;   // 1 - value, to full relative accuracy
};

RFT_INLINE Logistic logistic16(F x) {
  const F one = fset(1.0f), e = exp16(fsub(fset(0.0f), fabs(x)));
  const F large = fdiv(one, fadd(one, e)), small = fmul(e, large);
  const Mask negative = fless(x, fset(0.0f));
  return {fselect(negative, small, large), fselect(negative, large, small)};
}

float sum_kernel(const float* x, int64_t n) {
  return tree_sum(reduce(
      n, [](F acc, F a) { return fadd(acc, a); }, x));
}

float dot_kernel(const float* x, const float* y, int64_t n) {
  return tree_sum(reduce(
      n, [](F acc, F a, F b) { return ffma(a, b, acc); }, x, y));
}

float sum_squares_kernel(const float* x, int64_t n) {
  return tree_sum(reduce(
      n, [](F acc, F a) { return ffma(a, a, acc); }, x));
}

// NaNs are passed over: whoever exponentiates the row meets them there.
float max_kernel(const float* x, int64_t n) {
  F acc = fset(-__builtin_inff());
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) acc = fmax(fload(x + i), acc);
  float p[16];
  fstore(p, acc);
  for (int width = 8; width > 0; width /= 2) {
    for (int j = 0; j < width; ++j) p[j] = p[j + width] > p[j] ? p[j + width] : p[j];
  }
  float best = p[0];
  for (; i < n; ++i) best = x[i] > best ? x[i] : best;
  return best;
}

float exp_sum_kernel(const float* x, float shift, float* y, int64_t n) {
  const F s = fset(shift);
  F acc = fset(0.0f);
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const F e = exp16(fsub(fload(x + i), s));
    fstore(y + i, e);
    acc = fadd(acc, e);
  }
  if (i < n) {
    const F e = fselect(first_lanes(n - i), exp16(fsub(fload_n(x + i, n - i), s)), fset(0.0f));
    fstore_n(y + i, e, n - i);
    acc = fadd(acc, e);
  }
  return tree_sum(acc);
}

float exp_sum_weighted_kernel(const float* z, float shift, float* weighted, int64_t n) {
  const F s = fset(shift), zero = fset(0.0f);
  F acc = zero, weighted_acc = zero;
  const auto step = [&](F x, F e) __attribute__((always_inline)) {
    acc = fadd(acc, e);
    weighted_acc = ffma(e, fselect(fequal(e, zero), zero, x), weighted_acc);
  };
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const F x = fsub(fload(z + i), s);
    step(x, exp16(x));
  }
  if (i < n) {
    const F x = fsub(fload_n(z + i, n - i), s);
    step(x, fselect(first_lanes(n - i), exp16(x), zero));
  }
  *weighted = tree_sum(weighted_acc);
  return tree_sum(acc);
}

void add_kernel(const float* x, const float* y, float* out, int64_t n) {
  map(
      n, out, [](F a, F b) { return fadd(a, b); }, x, y);
}

void axpy_kernel(float a, const float* x, float* y, int64_t n) {
  const F s = fset(a);
  map(
      n, y, [s](F b, F c) { return ffma(s, b, c); }, x, y);
}

void scale_kernel(float a, const float* x, float* out, int64_t n) {
  const F s = fset(a);
  map(
      n, out, [s](F b) { return fmul(s, b); }, x);
}

void mul_kernel(const float* x, const float* y, float* out, int64_t n) {
  map(
      n, out, [](F a, F b) { return fmul(a, b); }, x, y);
}

// silu(g) = g sigmoid(g); out = silu(g) u
void silu_mul_kernel(const float* gate, const float* up, float* out, int64_t n) {
  map(
      n, out, [](F g, F u) { return fmul(fmul(g, sigmoid16(g)), u); }, gate, up);
}

// dup = dout silu(g); dgate = dout u s (1 + g (1 - s)), s = sigmoid(g)
void silu_mul_backward_kernel(const float* gate, const float* up, const float* dout, float* dgate, float* dup,
                              int64_t n) {
  const F one = fset(1.0f);
  const auto at = [&](int64_t i, auto load, auto store) __attribute__((always_inline)) {
    const F g = load(gate + i), u = load(up + i), d = load(dout + i);
    const Logistic s = logistic16(g);
    store(dup + i, fmul(d, fmul(g, s.value)));
    store(dgate + i, fmul(fmul(d, u), fmul(s.value, ffma(g, s.rest, one))));
  };
  int64_t i = 0;
  for (; i + 16 <= n; i += 16)
    at(
        i, [](const float* p) { return fload(p); }, [](float* p, F x) { fstore(p, x); });
  const int64_t left = n - i;
  if (left > 0) {
    at(
        i, [left](const float* p) { return fload_n(p, left); }, [left](float* p, F x) { fstore_n(p, x, left); });
  }
}

struct Gaussian {
  F density;  // e^(-x^2 / 2) / sqrt(2 pi)
  F below;    // P(X < x)
};

// P(X < -y) = e^(-y^2 / 2) t q(t), t = 1 / (1 + 0.27 y), y >= 0: q fitted by least squares to relative error 2.4e-8
// on 0 <= y <= 13.3, beyond which the exponential is 0.
RFT_INLINE Gaussian gaussian16(F x) {
  const F one = fset(1.0f), y = fabs(x);
  const F e = exp16(fmul(fmul(x, x), fset(-0.5f)));
  const F t = fdiv(one, ffma(y, fset(0.27f), one));
  F q = ffma(t, fset(0.0288266633f), fset(-0.125808254f));
  q = ffma(q, t, fset(0.168329433f));
  q = ffma(q, t, fset(-0.0674701035f));
  q = ffma(q, t, fset(0.106564201f));
  q = ffma(q, t, fset(0.0726158917f));
  q = ffma(q, t, fset(0.101657212f));
  q = ffma(q, t, fset(0.107565746f));
  q = ffma(q, t, fset(0.10771922f));
  const F tail = fmul(e, fmul(t, q));
  return {fmul(e, fset(0.398942280f)), fselect(fless(x, fset(0.0f)), tail, fsub(one, tail))};
}

void gelu_erf_kernel(const float* x, float* out, int64_t n) {
  map(
      n, out, [](F a) { return fmul(a, gaussian16(a).below); }, x);
}

void gelu_erf_backward_kernel(const float* x, const float* dout, float* dx, int64_t n) {
  map(
      n, dx,
      [](F a, F d) {
    const Gaussian g = gaussian16(a);
    return fmul(d, ffma(a, g.density, g.below));
      },
      x, dout);
}

// (1 + tanh u) / 2 = sigmoid(2u), which keeps its relative accuracy where u is very negative.
// 2u = x (c0 + c1 x^2), c0 = 2 sqrt(2 / pi), c1 = 0.044715 c0
void gelu_tanh_kernel(const float* x, float* out, int64_t n) {
  map(
      n, out,
      [](F a) {
    const F slope = ffma(fmul(a, a), fset(0.0713548163f), fset(1.59576912f));
    return fmul(a, sigmoid16(fmul(a, slope)));
      },
      x);
}

// d/dx = s + x s (1 - s) (c0 + 3 c1 x^2)
void gelu_tanh_backward_kernel(const float* x, const float* dout, float* dx, int64_t n) {
  const F one = fset(1.0f);
  map(
      n, dx,
      [one](F a, F d) {
    const F square = fmul(a, a);
    const Logistic s = logistic16(fmul(a, ffma(square, fset(0.0713548163f), fset(1.59576912f))));
    const F slope = fmul(a, ffma(square, fset(0.214064449f), fset(1.59576912f)));
    return fmul(d, fmul(s.value, ffma(slope, s.rest, one)));
      },
      x, dout);
}

void quick_gelu_kernel(const float* x, float* out, int64_t n) {
  map(
      n, out, [](F a) { return fmul(a, sigmoid16(fmul(a, fset(1.702f)))); }, x);
}

void quick_gelu_backward_kernel(const float* x, const float* dout, float* dx, int64_t n) {
  const F one = fset(1.0f);
  map(
      n, dx,
      [one](F a, F d) {
    const F u = fmul(a, fset(1.702f));
    const Logistic s = logistic16(u);
    return fmul(d, fmul(s.value, ffma(u, s.rest, one)));
      },
      x, dout);
}

void adamw_kernel(float* p, const float* g, float* m, float* v, int64_t n, float gscale, float lr, float beta1,
                  float beta2, float eps, float decay, float c1, float c2) {
  const F gs = fset(gscale), b1 = fset(beta1), b2 = fset(beta2), r1 = fset(1.0f - beta1), r2 = fset(1.0f - beta2);
  const F step = fset(-lr * c1), k2 = fset(c2), e = fset(eps), shrink = fset(-decay);
  const auto at = [&](int64_t i, auto load, auto store) __attribute__((always_inline)) {
    const F grad = fmul(load(g + i), gs);
    const F mean = ffma(b1, load(m + i), fmul(r1, grad));
    const F square = ffma(b2, load(v + i), fmul(r2, fmul(grad, grad)));
    const F update = fdiv(fmul(step, mean), fadd(fsqrt(fmul(square, k2)), e));
    store(m + i, mean);
    store(v + i, square);
    const F old = load(p + i);  // 1 - decay would round to 1 for a decay below 3e-8
    store(p + i, fadd(old, ffma(old, shrink, update)));
  };
  int64_t i = 0;
  for (; i + 16 <= n; i += 16)
    at(
        i, [](const float* q) { return fload(q); }, [](float* q, F x) { fstore(q, x); });
  const int64_t left = n - i;
  if (left > 0) {
    at(
        i, [left](const float* q) { return fload_n(q, left); }, [left](float* q, F x) { fstore_n(q, x, left); });
  }
}

// 16 at a time; the tail goes through a padded buffer.
template <class From, class To, class Convert>
RFT_INLINE void convert(const From* x, To* y, int64_t n, Convert sixteen) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) sixteen(x + i, y + i);
  if (i == n) return;
  From in[16] = {};
  To out[16];
  for (int64_t j = i; j < n; ++j) in[j - i] = x[j];
  sixteen(in, out);
  for (int64_t j = i; j < n; ++j) y[j] = out[j - i];
}

void bf16_to_f32_kernel(const uint16_t* x, float* y, int64_t n) {
  convert(x, y, n, [](const uint16_t* a, float* b) { fstore(b, load_bf16(a)); });
}
void f32_to_bf16_kernel(const float* x, uint16_t* y, int64_t n) {
  convert(x, y, n, [](const float* a, uint16_t* b) { store_bf16(b, fload(a)); });
}
void f16_to_f32_kernel(const uint16_t* x, float* y, int64_t n) {
  convert(x, y, n, [](const uint16_t* a, float* b) { fstore(b, load_f16(a)); });
}
void f32_to_f16_kernel(const float* x, uint16_t* y, int64_t n) {
  convert(x, y, n, [](const float* a, uint16_t* b) { store_f16(b, fload(a)); });
}

constexpr VmathKernels vmath_kernels() {
  return {sum_kernel,         dot_kernel,
          sum_squares_kernel, max_kernel,
          exp_sum_kernel,     exp_sum_weighted_kernel,
          add_kernel,         axpy_kernel,
          scale_kernel,       mul_kernel,
          silu_mul_kernel,    silu_mul_backward_kernel,
          gelu_erf_kernel,    gelu_erf_backward_kernel,
          gelu_tanh_kernel,   gelu_tanh_backward_kernel,
          quick_gelu_kernel,  quick_gelu_backward_kernel,
          adamw_kernel,       bf16_to_f32_kernel,
          f32_to_bf16_kernel, f16_to_f32_kernel,
          f32_to_f16_kernel};
}
