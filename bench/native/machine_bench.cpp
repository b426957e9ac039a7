// The floor of this machine: fused multiply-adds on registers, and reading memory at several working-set sizes, at the
// pool's thread count. One JSON line; bench/main.mjs measures the kernels against it.
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <vector>

#include "timing.h"

using namespace rft;

namespace {

constexpr int64_t kSteps = 1 << 16;
volatile float sink;

#define RFT_FMA_LOOP(VECTOR, SET, FMA, FIRST)                       \
  VECTOR sums[12];                                                  \
  for (auto& s : sums) s = SET(1.0f);                               \
  const VECTOR a = SET(0.999f), b = SET(0.001f);                    \
  for (int64_t i = 0; i < kSteps; ++i) {                            \
    _Pragma("GCC unroll 12") for (auto& s : sums) s = FMA(s, a, b); \
  }                                                                 \
  for (auto& s : sums) sink = FIRST(s)

// Sums of eight streams of additions, so that the additions' latency does not hide the memory's speed.
#define RFT_READ_LOOP(VECTOR, LANES, LOAD, ADD, ZERO, FIRST)                                             \
  VECTOR sums[8];                                                                                        \
  for (auto& s : sums) s = ZERO;                                                                         \
  for (int64_t i = 0; i + 8 * LANES <= n; i += 8 * LANES) {                                              \
    _Pragma("GCC unroll 8") for (int j = 0; j < 8; ++j) sums[j] = ADD(sums[j], LOAD(x + i + j * LANES)); \
  }                                                                                                      \
  for (auto& s : sums) sink = FIRST(s)

#if defined(__x86_64__)
__attribute__((target("avx512f"))) void read_avx512(const float* x, int64_t n) {
  RFT_READ_LOOP(__m512, 16, _mm512_loadu_ps, _mm512_add_ps, _mm512_setzero_ps(), _mm512_cvtss_f32);
}
__attribute__((target("avx2"))) void read_avx2(const float* x, int64_t n) {
  RFT_READ_LOOP(__m256, 8, _mm256_loadu_ps, _mm256_add_ps, _mm256_setzero_ps(), _mm256_cvtss_f32);
}
__attribute__((target("avx512f"))) double fma_avx512() {
  RFT_FMA_LOOP(__m512, _mm512_set1_ps, _mm512_fmadd_ps, _mm512_cvtss_f32);
  return 2.0 * 16 * 12 * kSteps;
}
__attribute__((target("avx2,fma"))) double fma_avx2() {
  RFT_FMA_LOOP(__m256, _mm256_set1_ps, _mm256_fmadd_ps, _mm256_cvtss_f32);
  return 2.0 * 8 * 12 * kSteps;
}
#endif

using Vector = float __attribute__((vector_size(16)));
Vector spread(float x) { return Vector{x, x, x, x}; }

Vector load(const float* x) {
  Vector v;
  std::memcpy(&v, x, sizeof v);
  return v;
}

void read(const float* x, int64_t n) {
#if defined(__x86_64__)
  if (simd::isa() == simd::Isa::Avx512) return read_avx512(x, n);
  if (simd::isa() == simd::Isa::Avx2) return read_avx2(x, n);
#endif
  const auto add = [](Vector a, Vector b) { return a + b; };
  const auto first = [](Vector s) { return s[0]; };
  RFT_READ_LOOP(Vector, 4, load, add, spread(0), first);
}

double multiply_add() {
  const auto step = [](Vector s, Vector a, Vector b) { return s * a + b; };
  const auto first = [](Vector s) { return s[0]; };
  RFT_FMA_LOOP(Vector, spread, step, first);
  return 2.0 * 4 * 12 * kSteps;
}

double arithmetic() {
#if defined(__x86_64__)
  if (simd::isa() == simd::Isa::Avx512) return fma_avx512();
  if (simd::isa() == simd::Isa::Avx2) return fma_avx2();
#endif
  return multiply_add();
}

// The best of several tries: on a shared machine the others only ever slow it down.
template <class Body>
double best_seconds(const Body& body) {
  body();
  double best = 1e9;
  for (int i = 0; i < 40; ++i) best = std::min(best, bench::time_of(1, body).wall);
  return best;
}

double peak_gflops() {
  const int threads = num_threads();
  std::vector<double> flops(size_t(threads) * 8);
  const double seconds = best_seconds([&] {
    parallel_for(threads, [&](int64_t t) {
      flops[size_t(t) * 8] = 0;
      for (int i = 0; i < 20; ++i) flops[size_t(t) * 8] += arithmetic();
    });
  });
  double total = 0;
  for (double f : flops) total += f;
  return total / seconds * 1e-9;
}

double read_gbs(int64_t megabytes) {
  const int64_t count = megabytes << 18, chunk = 4096;
  const std::vector<float> data(size_t(count), 1.0f);
  const int repeats = int(std::max<int64_t>(1, 64 / megabytes));
  const double seconds = best_seconds([&] {
    for (int i = 0; i < repeats; ++i)
      parallel_ranges(count, chunk * 8, [&](int64_t begin, int64_t end) { read(data.data() + begin, end - begin); });
  });
  return double(count) * 4 * repeats / seconds * 1e-9;
}

}  // namespace

int main() {
  std::printf("{\"peak_gflops\":%.4g,\"read_gbs\":[", peak_gflops());
  const char* comma = "";
  for (int64_t megabytes : {1, 4, 16, 64, 256}) {
    std::printf("%s[%d,%.4g]", comma, int(megabytes), read_gbs(megabytes));
    comma = ",";
  }
  std::printf("]}\n");
  return 0;
}
