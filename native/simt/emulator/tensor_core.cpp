// ldmatrix and mma.sync. Fragments (g = lane / 4, t = lane % 4): A a0 (g, 2t) a1 (g+8, 2t) a2 (g, 2t+8) a3 (g+8, 2t+8),
// B b0 (k = 2t, n = g) b1 (k = 2t+8, n = g), C c0 c1 (g, 2t) c2 c3 (g+8, 2t); a register holds two neighbours in k.
#include <algorithm>
#include <cstring>

#include "simt/emulator/bf16.h"
#include "simt/emulator/shadow.h"
#include "simt/emulator/warp.h"

namespace rft::simt::emulator {
namespace {

struct LdmatrixArgs {
  uint32_t* r;
  const void* row;
  int count;
  bool trans;
};

// Extra bank cycles of one 8x8 matrix: its rows are 16-byte columns of the 128-byte bank row.
unsigned conflicts(const unsigned char* const rows[8]) {
  unsigned hits[8] = {}, worst = 1;
  for (int r = 0; r < 8; ++r) worst = std::max(worst, ++hits[uintptr_t(rows[r]) / 16 % 8]);
  return worst - 1;
}

void run_ldmatrix(const WarpArgs& w) {
  const auto& first = w.at<LdmatrixArgs>(0);
  const Site site = site_of(w.loc);
  for (int m = 0; m < first.count; ++m) {
    const unsigned char* rows[8];
    for (unsigned r = 0; r < 8; ++r) {
      const unsigned lane = unsigned(m) * 8 + r;
      rows[r] = static_cast<const unsigned char*>(w.at<LdmatrixArgs>(lane).row);
      if (uintptr_t(rows[r]) % 16 != 0)
        fatal("misaligned", thread_text(w.thread(lane)) + ": ldmatrix row address", site);
      shared_offset(rows[r], "ldmatrix", site);
    }
    count_ldmatrix(conflicts(rows));
    for_lanes(w.lanes, [&](unsigned lane) {
      const Fiber& f = g.fibers[w.thread(lane)];
      const Actor who{&f.view, f.id, f.view.own};
      auto* out = reinterpret_cast<unsigned char*>(&w.at<LdmatrixArgs>(lane).r[m]);
      const unsigned outer = lane / 4, inner = lane % 4 * 2;
      for (unsigned h = 0; h < 2; ++h) {
        const unsigned char* p = first.trans ? rows[inner + h] + outer * 2 : rows[outer] + (inner + h) * 2;
        access(p, 2, kRead, who, site, "ldmatrix");
        std::memcpy(out + 2 * h, p, 2);
      }
    });
  }
}

struct MmaArgs {
  float* d;
  const uint32_t *a, *b;
};
void run_mma(const WarpArgs& w) {
  alignas(32) float A[16][16], B[16][8], C[16][8];
  for (unsigned lane = 0; lane < 32; ++lane) {
    const auto& x = w.at<MmaArgs>(lane);
    const unsigned row = lane / 4, col = lane % 4 * 2;
    for (unsigned i = 0; i < 4; ++i) {
      float* p = &A[row + i % 2 * 8][col + i / 2 * 8];
      p[0] = bf16_low(x.a[i]);
      p[1] = bf16_high(x.a[i]);
      C[row + i / 2 * 8][col + i % 2] = x.d[i];
    }
    for (unsigned i = 0; i < 2; ++i) {
      B[col + i * 8][row] = bf16_low(x.b[i]);
      B[col + i * 8 + 1][row] = bf16_high(x.b[i]);
    }
  }
  for (int i = 0; i < 16; ++i)
    for (int k = 0; k < 16; ++k)
      for (int j = 0; j < 8; ++j) C[i][j] += A[i][k] * B[k][j];
  for (unsigned lane = 0; lane < 32; ++lane)
    for (unsigned i = 0; i < 4; ++i) w.at<MmaArgs>(lane).d[i] = C[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2];
}

constexpr Collective kLdmatrix{"ldmatrix", true, run_ldmatrix};
constexpr Collective kMma{"mma.sync", true, run_mma};

}  // namespace

void ldmatrix(uint32_t* r, int count, bool trans, const void* row, Loc loc) {
  Enter enter;
  LdmatrixArgs args{r, row, count, trans};
  collective(kLdmatrix, ~0u, &args, loc);
}

void mma_m16n8k16_bf16(float* d, const uint32_t* a, const uint32_t* b, Loc loc) {
  Enter enter;
  MmaArgs args{d, a, b};
  collective(kMma, ~0u, &args, loc);
}

}  // namespace rft::simt::emulator
