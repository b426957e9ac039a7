// The matrix micro-kernel and the packing loops, compiled once per instruction set on that set's Vec.
//
// A tile holds R x V vectors of C in registers and walks k once: V loads of B, R broadcasts of A, R * V fused
// multiply-adds. Each element of C is therefore one chain over k, whatever R and V are. With few rows, several panels
// of B are walked at once so that enough chains are in flight to hide the latency of the multiply-add.
//
// B is of floats, or of bf16 that become floats on their way into a register: the same products, half the memory read.

RFT_INLINE Vec vload_b(const float* p) { return vload(p); }
RFT_INLINE Vec vload_b(const uint16_t* p) { return vload_bf16(p); }

template <class B, int R, int V, bool kRowMajor>
void tile(const Tile& given) {
  const Tile t = given;  // vector stores may alias the argument
  Vec acc[R][V];
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < V; ++v) {
      const float* c = t.c + r * t.ldc + v * kLanes;
      acc[r][v] = !t.load_c ? vzero() : v + 1 < V || t.last_lanes == kLanes ? vload(c) : vload_n(c, t.last_lanes);
    }
  }
  constexpr int kPanels = (V + 1) / 2;
  constexpr int kGroups = kRowMajor ? (R + 2) / 3 : 1;  // three rows per pointer: x86 addresses p, p + s, p + 2s
  const B* b[kPanels];
  const float* a[kGroups];
#pragma GCC unroll 16
  for (int p = 0; p < kPanels; ++p) b[p] = static_cast<const B*>(t.b) + p * t.b_panel;
#pragma GCC unroll 16
  for (int g = 0; g < kGroups; ++g) a[g] = t.a + 3 * g * t.a_stride;
  const int64_t a_stride = t.a_stride, b_stride = t.b_stride;
  const float* ahead = t.ahead;
  for (int64_t k = t.k; k > 0; --k) {
    if (kRowMajor && R > 2) {
      __builtin_prefetch(ahead);
      ahead += t.ahead_step;
    }
    if constexpr (R <= 2 && V > 2 && sizeof(B) == 2) {  // streams this thin run ahead of the hardware's prefetcher
#pragma GCC unroll 16
      for (int p = 0; p < kPanels; ++p) __builtin_prefetch(b[p] + 16 * b_stride);
    }
    Vec bv[V];
#pragma GCC unroll 16
    for (int v = 0; v < V; ++v) bv[v] = vload_b(b[v / 2] + v % 2 * kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const Vec av = vset(kRowMajor ? a[r / 3][r % 3 * a_stride] : a[0][r]);
#pragma GCC unroll 16
      for (int v = 0; v < V; ++v) acc[r][v] = vfma(av, bv[v], acc[r][v]);
    }
#pragma GCC unroll 16
    for (int p = 0; p < kPanels; ++p) b[p] += b_stride;
#pragma GCC unroll 16
    for (int g = 0; g < kGroups; ++g) {
      a[g] += kRowMajor ? 1 : a_stride;
      __asm__("" : "+r"(a[g]));  // keeps the groups' pointers apart, not one pointer per row
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 16
    for (int v = 0; v < V; ++v) {
      float* c = t.c + r * t.ldc + v * kLanes;
      if (v + 1 < V || t.last_lanes == kLanes) {
        vstore(c, acc[r][v]);
      } else {
        vstore_n(c, acc[r][v], t.last_lanes);
      }
    }
  }
}

// Panels walked at once: a power of two, as many as the registers hold, at most 8 streams of memory.
constexpr int wide_panels(int rows) {
  int panels = 1;
  while (panels < 8 && 4 * panels * rows <= kAccumulators) panels *= 2;
  return panels;
}

template <class B, int R>
constexpr void add_tiles_of(GemmKernels& g, int kind) {
  constexpr int kWide = wide_panels(R);
  g.half[kind][0][R] = tile<B, R, 1, false>;
  g.half[kind][1][R] = tile<B, R, 1, true>;
  g.full[kind][0][R] = tile<B, R, 2, false>;
  g.full[kind][1][R] = tile<B, R, 2, true>;
  g.wide[kind][0][R] = tile<B, R, 2 * kWide, false>;
  g.wide[kind][1][R] = tile<B, R, 2 * kWide, true>;
}

template <int R>
constexpr void add_tiles(GemmKernels& g) {
  if constexpr (R <= kTallest) {
    g.wide_panels[R] = wide_panels(R);
    add_tiles_of<float, R>(g, 0);
    add_tiles_of<uint16_t, R>(g, 1);
    add_tiles<R + 1>(g);
  }
}

// dst[c * pitch + r] = src[r * ld + c] for r < rows <= kLanes, c < cols. Writes whole vectors, in ascending order.
RFT_INLINE void transpose_strip(int64_t rows, int64_t cols, const float* src, int64_t ld, float* dst, int64_t pitch) {
  Vec block[kLanes];
  int64_t c = 0;
  for (; c + kLanes <= cols; c += kLanes) {
#pragma GCC unroll 16
    for (int r = 0; r < kLanes; ++r) block[r] = r < rows ? vload(src + r * ld + c) : vzero();
    vtranspose(block);
#pragma GCC unroll 16
    for (int r = 0; r < kLanes; ++r) vstore(dst + (c + r) * pitch, block[r]);
  }
  if (c == cols) return;
  for (int r = 0; r < kLanes; ++r) block[r] = r < rows ? vload_n(src + r * ld + c, cols - c) : vzero();
  vtranspose(block);
  for (int64_t r = 0; r < cols - c; ++r) vstore(dst + (c + r) * pitch, block[r]);
}

// Tiles can be taller than a vector is wide; the second strip must not be overwritten by the first one's overflow.
void pack_a_rows(int64_t rows, int64_t k, const float* a, int64_t lda, float* dst) {
  if (rows <= kLanes) return transpose_strip(rows, k, a, lda, dst, rows);
  for (int64_t i = 0; i < k; ++i) {
    for (int64_t r = 0; r < rows; ++r) dst[i * rows + r] = a[r * lda + i];
  }
}

constexpr int64_t kPrefetchRows = 16;

void pack_a_cols(int64_t rows, int64_t k, const float* a, int64_t lda, float* dst) {
  for (int64_t i = 0; i < k; ++i) {
    __builtin_prefetch(a + (i + kPrefetchRows) * lda);  // short pieces of far rows defeat the hardware's prefetcher
    int64_t r = 0;
    for (; r + kLanes <= rows; r += kLanes) vstore(dst + i * rows + r, vload(a + i * lda + r));
    if (r == rows) continue;
    const Vec rest = vload_n(a + i * lda + r, rows - r);
    if ((k - i) * rows - r >= kLanes) {
      vstore(dst + i * rows + r, rest);  // the next rows overwrite the surplus
    } else {
      vstore_n(dst + i * rows + r, rest, rows - r);
    }
  }
}

void pack_b_rows(int64_t cols, int64_t k, const float* b, int64_t ldb, float* dst) {
  constexpr int kWidth = 2 * kLanes;
  const int64_t left = cols < kLanes ? cols : kLanes, right = cols - left;
  for (int64_t i = 0; i < k; ++i) {
    __builtin_prefetch(b + (i + kPrefetchRows) * ldb);
    vstore(dst + i * kWidth, left == kLanes ? vload(b + i * ldb) : vload_n(b + i * ldb, left));
    vstore(dst + i * kWidth + kLanes, right == kLanes ? vload(b + i * ldb + kLanes)
                                      : right > 0     ? vload_n(b + i * ldb + kLanes, right)
                                                      : vzero());
  }
}

void pack_b_cols(int64_t cols, int64_t k, const float* b, int64_t ldb, float* dst) {
  const int64_t left = cols < kLanes ? cols : kLanes;
  transpose_strip(left, k, b, ldb, dst, 2 * kLanes);
  transpose_strip(cols - left, k, b + left * ldb, ldb, dst + kLanes, 2 * kLanes);
}

constexpr GemmKernels gemm_kernels() {
  GemmKernels g{};
  g.max_rows = kTallest;
  g.lanes = kLanes;
  g.k_block = kKBlock;
  add_tiles<1>(g);
  g.pack_a_rows = pack_a_rows;
  g.pack_a_cols = pack_a_cols;
  g.pack_b_rows = pack_b_rows;
  g.pack_b_cols = pack_b_cols;
  return g;
}
