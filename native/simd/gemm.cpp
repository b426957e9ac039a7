// Blocking, packing and the split over threads; the tiles themselves are in gemm_kernel.inl.
//
// Whatever is chosen here (tile heights, packed or direct operands, k blocks, the grid of tasks) only changes which
// tile computes an element and where it waits between k blocks, never the order of its chain over k.
#include "simd/gemm.h"

#include <algorithm>
#include <cstdlib>
#include <new>

#include "base/parallel_for.h"
#include "simd/dispatch.h"

namespace rft::simd {
namespace {

constexpr int64_t kTilesPerBlock = 16;      // tiles of packed A kept in L2
constexpr int64_t kColumnsPerBlock = 2048;  // columns of B packed at once
constexpr int64_t kLineFloats = 16;         // floats in a cache line
constexpr int64_t kRowsAtOnce = 16;         // rows of a k-major operand packed at once: reads run along the rows
constexpr int64_t kWholeFloats = 1 << 16;   // an operand of a quarter megabyte is at home in L2
constexpr int64_t kDirectColumns = 256;     // up to here packing A costs more than its strided reads
constexpr int64_t kNearFloats = 256;        // rows of B so near each other are read in place by any number of tiles
constexpr double kSerialCycles = 40e3;      // less work than this is not worth waking threads

struct Problem {
  Trans ta, tb;
  int64_t M, N, K;
  const float* A;
  int64_t lda;
  const float* B;  // null when packed
  int64_t ldb;
  const void* packed;  // floats, or bf16
  bool bf16;
  float beta;
  float* C;
  int64_t ldc;
};

const void* packed_at(const Problem& p, int64_t element) {
  return static_cast<const char*>(p.packed) + element * (p.bf16 ? 2 : 4);
}

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// One growing buffer per thread and use.
class Scratch {
 public:
  ~Scratch() { std::free(data_); }
  float* reserve(int64_t floats) {
    if (floats > size_) {
      std::free(data_);
      size_ = 0;
      data_ = static_cast<float*>(std::aligned_alloc(64, static_cast<size_t>(ceil_div(floats, 1024) * 4096)));
      if (data_ == nullptr) throw std::bad_alloc();
      size_ = floats;
    }
    return data_;
  }

 private:
  float* data_ = nullptr;
  int64_t size_ = 0;
};
thread_local Scratch scratch_a;
thread_local Scratch scratch_b;

void pack_panel(const GemmKernels& g, Trans tb, int64_t cols, int64_t k, const float* B, int64_t ldb, float* dst) {
  if (tb == Trans::No) {
    g.pack_b_rows(cols, k, B, ldb, dst);
  } else {
    g.pack_b_cols(cols, k, B, ldb, dst);
  }
}

class Serial {
 public:
  explicit Serial(const Problem& p)
      : p_(p), g_(kernels().gemm), width_(2 * g_.lanes), tiles_(ceil_div(p.M, g_.max_rows)) {
    direct_b_ = p.packed == nullptr && p.tb == Trans::No && (tiles_ <= 2 || p.ldb <= kNearFloats);
    own_b_ = p.packed == nullptr && !direct_b_;
    direct_a_ = p.ta == Trans::No ? p.N <= kDirectColumns : tiles_ == 1 && p.N <= kDirectColumns;
    // K is blocked to keep a panel and the block of A near. Where both stay in L2 whole, or each panel is read only
    // once, blocks would just cut the streams of memory short.
    const bool small = std::max(p.M, width_) * p.K <= kWholeFloats;
    const bool whole = !own_b_ && (tiles_ == 1 || small);
    k_block_ = whole || 2 * p.K <= 3 * g_.k_block ? p.K : ceil_div(p.K, ceil_div(p.K, g_.k_block));
  }

  void run() {
    const int64_t columns = own_b_ ? kColumnsPerBlock : p_.N;
    for (int64_t n0 = 0; n0 < p_.N; n0 += columns) {
      first_panel_ = n0 / width_;
      last_panel_ = ceil_div(std::min(p_.N, n0 + columns), width_);
      for (k0_ = 0; k0_ < p_.K; k0_ += k_block_) {
        kc_ = std::min(k_block_, p_.K - k0_);
        prepare_b();
        for (int64_t t = 0; t < tiles_; t += kTilesPerBlock) block(t, std::min(tiles_, t + kTilesPerBlock));
      }
    }
  }

 private:
  int64_t row(int64_t tile) const { return tile * p_.M / tiles_; }
  int64_t columns_of(int64_t panel) const { return std::min(width_, p_.N - panel * width_); }

  void prepare_b() {
    // A direct panel is read in whole vectors, so one that ends inside a vector is packed all the same.
    const int64_t from = own_b_ ? first_panel_ : last_panel_ - 1;
    if (!own_b_ && (!direct_b_ || p_.N % g_.lanes == 0)) return;
    edge_ = scratch_b.reserve((last_panel_ - from) * kc_ * width_);
    const int64_t step = p_.tb == Trans::No ? kRowsAtOnce : kc_;
    for (int64_t k = 0; k < kc_; k += step) {
      for (int64_t j = from; j < last_panel_; ++j) {
        const int64_t at = k0_ + k;
        const float* src = p_.tb == Trans::No ? p_.B + at * p_.ldb + j * width_ : p_.B + j * width_ * p_.ldb + at;
        float* dst = edge_ + ((j - from) * kc_ + k) * width_;
        pack_panel(g_, p_.tb, columns_of(j), std::min(step, kc_ - k), src, p_.ldb, dst);
      }
    }
  }

  void place_b(Tile& t, int64_t panel) const {
    if (p_.packed != nullptr) {
      t.b = packed_at(p_, (panel * p_.K + k0_) * width_);
      t.b_stride = width_;
      t.b_panel = p_.K * width_;
    } else if (direct_b_ && (columns_of(panel) % g_.lanes == 0)) {
      t.b = p_.B + k0_ * p_.ldb + panel * width_;
      t.b_stride = p_.ldb;
      t.b_panel = width_;
    } else {
      t.b = edge_ + (own_b_ ? panel - first_panel_ : 0) * kc_ * width_;
      t.b_stride = width_;
      t.b_panel = kc_ * width_;
    }
  }

  const float* a_at(int64_t m, int64_t k) const {
    return p_.ta == Trans::No ? p_.A + m * p_.lda + k : p_.A + k * p_.lda + m;
  }

  // pack_a_rows spills past its end, so it packs whole tiles in order; pack_a_cols does not.
  void pack_a(int64_t first, int64_t last) {
    packed_a_ = scratch_a.reserve((row(last) - row(first)) * kc_ + 16);
    const auto pack = p_.ta == Trans::No ? g_.pack_a_rows : g_.pack_a_cols;
    const int64_t step = p_.ta == Trans::No ? kc_ : kRowsAtOnce;
    for (int64_t k = 0; k < kc_; k += step) {
      for (int64_t i = first; i < last; ++i) {
        const int64_t rows = row(i + 1) - row(i);
        float* dst = packed_a_ + (row(i) - row(first)) * kc_ + k * rows;
        pack(rows, std::min(step, kc_ - k), a_at(row(i), k0_ + k), p_.lda, dst);
      }
    }
  }

  void block(int64_t first, int64_t last) {
    if (!direct_a_) pack_a(first, last);
    Tile t;
    t.k = kc_;
    t.ldc = p_.ldc;
    t.load_c = k0_ > 0 || p_.beta != 0.0f;
    const int wide = g_.wide_panels[row(first + 1) - row(first)];
    for (int64_t j = first_panel_; j < last_panel_;) {
      const bool grouped = tiles_ == 1 && wide > 1 && j + wide <= last_panel_ && group_is_uniform(j + wide - 1);
      const int64_t panels = grouped ? wide : 1;
      const int64_t cols = columns_of(j + panels - 1);
      place_b(t, j);
      t.last_lanes = static_cast<int>(cols > g_.lanes ? cols - g_.lanes : cols);
      const auto& shape = (grouped ? g_.wide : cols > g_.lanes ? g_.full : g_.half)[p_.bf16];
      const bool row_major = direct_a_ && p_.ta == Trans::No;
      // The next tile's rows of a contiguous A are just the next lines of memory, at most one for each k.
      const bool ahead = row_major && j == first_panel_ && p_.lda == kc_;
      for (int64_t i = first; i < last; ++i) {
        const int64_t m = row(i), rows = row(i + 1) - m;
        t.a = direct_a_ ? a_at(m, k0_) : packed_a_ + (m - row(first)) * kc_;
        t.ahead = t.a + (ahead ? rows * p_.lda : 0);
        t.ahead_step = ahead ? kLineFloats : 0;
        t.a_stride = direct_a_ ? p_.lda : rows;
        t.c = p_.C + m * p_.ldc + j * width_;
        shape[row_major][rows](t);
      }
      j += panels;
    }
  }

  // Whether a group of panels ending here is stored alike and at least reaches its last vector.
  bool group_is_uniform(int64_t last) const {
    const int64_t cols = columns_of(last);
    return cols == width_ || (cols > g_.lanes && !direct_b_);
  }

  const Problem& p_;
  const GemmKernels& g_;
  const int64_t width_, tiles_;
  bool direct_b_, own_b_, direct_a_;
  int64_t k_block_, first_panel_ = 0, last_panel_ = 0, k0_ = 0, kc_ = 0;
  float* edge_ = nullptr;  // panels packed here: all of the column block, or the ragged last one of a direct B
  float* packed_a_ = nullptr;
};

// One tile high, and neither operand needs packing: a decode step has thousands of these, too short for the bookkeeping
// of the general case.
bool is_small(const Problem& p, const GemmKernels& g) {
  const bool in_place = p.packed != nullptr || (p.tb == Trans::No && p.N % g.lanes == 0);
  return p.M <= g.max_rows && p.N <= kDirectColumns && p.K > 0 && p.ta == Trans::No && in_place;
}

void small(const Problem& p, const GemmKernels& g) {
  const int64_t width = 2 * g.lanes;
  Tile t{};
  t.k = p.K;
  t.a = t.ahead = p.A;
  t.a_stride = p.lda;
  t.b_stride = p.packed != nullptr ? width : p.ldb;
  t.b_panel = p.packed != nullptr ? p.K * width : width;
  t.ldc = p.ldc;
  t.load_c = p.beta != 0.0f;
  for (int64_t n = 0; n < p.N;) {
    const int64_t left = p.N - n, wide = g.wide_panels[p.M] * width;
    const bool grouped = wide > width && left >= wide;
    const int64_t cols = grouped ? wide : std::min(width, left);
    t.b = p.packed != nullptr ? packed_at(p, n * p.K) : p.B + n;
    t.c = p.C + n;
    t.last_lanes = static_cast<int>(!grouped && cols <= g.lanes ? cols : std::min(width, cols) - g.lanes);
    const auto& shape = (grouped ? g.wide : cols > g.lanes ? g.full : g.half)[p.bf16];
    shape[1][p.M](t);
    n += cols;
  }
}

void serial(const Problem& p) {
  if (p.M <= 0 || p.N <= 0) return;
  const GemmKernels& g = kernels().gemm;
  if (is_small(p, g)) return small(p, g);
  if (p.K > 0) return Serial(p).run();
  if (p.beta != 0.0f) return;
  for (int64_t m = 0; m < p.M; ++m) std::fill_n(p.C + m * p.ldc, p.N, 0.0f);
}

// Cycles of an (m, n) block, roughly: multiply-adds two vectors at a time, and one pass over each operand.
double cost(const Problem& p, int64_t m, int64_t n) {
  const double lanes = kernels().gemm.lanes, mm = static_cast<double>(m), nn = static_cast<double>(n);
  return static_cast<double>(p.K) * (mm * nn / (2 * lanes) + 0.5 * (mm + nn));
}

struct Grid {
  int64_t rows = 1, columns = 1;
};

// The grid of tasks with the least estimated time. Finer grids balance better but pass over the operands more often.
Grid choose_grid(const Problem& p) {
  const GemmKernels& g = kernels().gemm;
  const int64_t threads = num_threads(), tiles = ceil_div(p.M, g.max_rows), panels = ceil_div(p.N, 2 * g.lanes);
  Grid best;
  if (threads == 1) return best;
  double least = cost(p, p.M, p.N);
  if (least < kSerialCycles) return best;
  for (int64_t total : {threads, 2 * threads, 4 * threads}) {
    for (int64_t rows = 1; rows <= std::min(total, tiles); ++rows) {
      const int64_t columns = std::min(total / rows, panels);
      const int64_t m = ceil_div(tiles, rows) * g.max_rows, n = ceil_div(panels, columns) * 2 * g.lanes;
      const double one = cost(p, std::min(m, p.M), std::min(n, p.N)) + 2000;
      const double time = one * (static_cast<double>(ceil_div(rows * columns, threads)) + 0.15);
      if (time < least) {
        least = time;
        best = {rows, columns};
      }
    }
  }
  return best;
}

Problem part(const Problem& p, const Grid& grid, int64_t task) {
  const int64_t width = panel_width(), panels = ceil_div(p.N, width);
  const int64_t i = task % grid.rows, j = task / grid.rows;
  const int64_t m0 = p.M * i / grid.rows, m1 = p.M * (i + 1) / grid.rows;
  const int64_t j0 = panels * j / grid.columns, j1 = panels * (j + 1) / grid.columns;
  Problem q = p;
  q.M = m1 - m0;
  q.N = std::min(p.N, j1 * width) - j0 * width;
  q.A += p.ta == Trans::No ? m0 * p.lda : m0;
  q.C += m0 * p.ldc + j0 * width;
  if (p.packed != nullptr) {
    q.packed = packed_at(p, j0 * width * p.K);
  } else {
    q.B += p.tb == Trans::No ? j0 * width : j0 * width * p.ldb;
  }
  return q;
}

void parallel(const Problem& p) {
  if (p.M <= 0 || p.N <= 0) return;
  const Grid grid = choose_grid(p);
  if (grid.rows * grid.columns == 1) return serial(p);
  parallel_for(grid.rows * grid.columns, [&](int64_t task) { serial(part(p, grid, task)); });
}

void pack_panels(Trans tb, int64_t N, int64_t K, const float* B, int64_t ldb, float* packed, int64_t j0, int64_t j1) {
  const GemmKernels& g = kernels().gemm;
  const int64_t width = 2 * g.lanes;
  for (int64_t j = j0; j < j1; ++j) {
    const float* src = B + j * width * (tb == Trans::No ? 1 : ldb);
    pack_panel(g, tb, std::min(width, N - j * width), K, src, ldb, packed + j * width * K);
  }
}

}  // namespace

void gemm(Trans ta, Trans tb, int64_t M, int64_t N, int64_t K, const float* A, int64_t lda, const float* B, int64_t ldb,
          float beta, float* C, int64_t ldc) {
  parallel({ta, tb, M, N, K, A, lda, B, ldb, nullptr, false, beta, C, ldc});
}

void gemm_serial(Trans ta, Trans tb, int64_t M, int64_t N, int64_t K, const float* A, int64_t lda, const float* B,
                 int64_t ldb, float beta, float* C, int64_t ldc) {
  serial({ta, tb, M, N, K, A, lda, B, ldb, nullptr, false, beta, C, ldc});
}

void gemm_packed(Trans ta, int64_t M, int64_t N, int64_t K, const float* A, int64_t lda, const float* packed,
                 float beta, float* C, int64_t ldc) {
  parallel({ta, Trans::No, M, N, K, A, lda, nullptr, 0, packed, false, beta, C, ldc});
}

void gemm_packed_serial(Trans ta, int64_t M, int64_t N, int64_t K, const float* A, int64_t lda, const float* packed,
                        float beta, float* C, int64_t ldc) {
  serial({ta, Trans::No, M, N, K, A, lda, nullptr, 0, packed, false, beta, C, ldc});
}

void gemm_packed_bf16(Trans ta, int64_t M, int64_t N, int64_t K, const float* A, int64_t lda, const uint16_t* packed,
                      float beta, float* C, int64_t ldc) {
  parallel({ta, Trans::No, M, N, K, A, lda, nullptr, 0, packed, true, beta, C, ldc});
}

int64_t panel_width() { return 2 * kernels().gemm.lanes; }

int64_t packed_size(int64_t N, int64_t K) { return ceil_div(N, panel_width()) * panel_width() * K; }

void pack_b(Trans tb, int64_t N, int64_t K, const float* B, int64_t ldb, float* packed) {
  const int64_t width = panel_width(), panels = ceil_div(N, width), grain = ceil_div(1 << 15, width * (K + 1));
  parallel_ranges(panels, grain, [&](int64_t j0, int64_t j1) { pack_panels(tb, N, K, B, ldb, packed, j0, j1); });
}

void pack_b_serial(Trans tb, int64_t N, int64_t K, const float* B, int64_t ldb, float* packed) {
  pack_panels(tb, N, K, B, ldb, packed, 0, ceil_div(N, panel_width()));
}

void pack_b_bf16(Trans tb, int64_t N, int64_t K, const float* B, int64_t ldb, uint16_t* packed) {
  const int64_t width = panel_width(), panel = width * K;
  parallel_for(ceil_div(N, width), [&](int64_t j) {
    float* floats = scratch_b.reserve(panel);
    pack_b_serial(tb, std::min(width, N - j * width), K, B + j * width * (tb == Trans::No ? 1 : ldb), ldb, floats);
    f32_to_bf16(floats, packed + j * panel, panel);
  });
}

void pack_b_column(int64_t n, int64_t K, const float* column, float* packed) {
  const int64_t width = panel_width();
  float* at = packed + n / width * K * width + n % width;
  for (int64_t k = 0; k < K; ++k) at[k * width] = column[k];
}

}  // namespace rft::simd
