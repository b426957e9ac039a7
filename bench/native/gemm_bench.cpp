// Times the matrix products and prints one JSON line per shape: GFLOP/s (median), at the pool's thread count.
//   gemm_bench [filter]
//   gemm_bench kind m n k    kind: nn, nt, tn (weight gradient), packed
// RFT_THREADS and RFT_ISA choose the setting.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "base/parallel_for.h"
#include "simd/gemm.h"
#include "simd/vmath.h"

namespace {

using namespace rft::simd;

struct Seconds {
  double best, p50;
};

// Seconds of one call, each sample at least a millisecond long.
Seconds measure(const std::function<void()>& call) {
  const auto now = [] { return std::chrono::steady_clock::now(); };
  const auto seconds = [](auto from, auto to) { return std::chrono::duration<double>(to - from).count(); };
  call();
  auto start = now();
  call();
  const int repeats = std::max(1, static_cast<int>(1e-3 / std::max(seconds(start, now()), 1e-7)));
  std::vector<double> samples;
  const auto begin = now();
  while (samples.size() < 9 || (seconds(begin, now()) < 0.3 && samples.size() < 200)) {
    start = now();
    for (int i = 0; i < repeats; ++i) call();
    samples.push_back(seconds(start, now()) / repeats);
  }
  std::sort(samples.begin(), samples.end());
  return {samples[0], samples[samples.size() / 2]};
}

struct Shape {
  const char* kind;  // nn, nt, tn (dW), packed
  int64_t m, n, k;
};

void run(const Shape& s, const char* filter) {
  char name[96];
  std::snprintf(name, sizeof name, "gemm_%s %ldx%ldx%ld", s.kind, static_cast<long>(s.m), static_cast<long>(s.n),
                static_cast<long>(s.k));
  if (std::strstr(name, filter) == nullptr) return;
  std::vector<float> a(s.m * s.k, 0.5f), b(s.n * s.k, 0.25f), c(s.m * s.n), packed;
  const std::string kind = s.kind;
  const Trans ta = kind == "tn" ? Trans::Yes : Trans::No;
  const Trans tb = kind == "nt" || kind == "packed" ? Trans::Yes : Trans::No;
  const int64_t lda = ta == Trans::Yes ? s.m : s.k, ldb = tb == Trans::Yes ? s.k : s.n;
  const float* bp = b.data();
  Seconds seconds;
  if (kind == "packed") {
    packed.resize(packed_size(s.n, s.k));
    pack_b(tb, s.n, s.k, bp, ldb, packed.data());
    seconds = measure(
        [&] { gemm_packed(ta, s.m, s.n, s.k, a.data(), lda, packed.data(), 0.0f, c.data(), s.n); });
  } else {
    seconds = measure([&] { gemm(ta, tb, s.m, s.n, s.k, a.data(), lda, bp, ldb, 0.0f, c.data(), s.n); });
  }
  const char* names[] = {"portable", "avx2", "avx512"};
  std::printf("{\"kernel\":\"%s\",\"isa\":\"%s\",\"threads\":%d,", name, names[static_cast<int>(isa())],
              rft::num_threads());
  std::printf("\"best_us\":%.2f,\"p50_us\":%.2f,\"gflops\":%.1f}\n", seconds.best * 1e6, seconds.p50 * 1e6,
              2e-9 * s.m * s.n * s.k / seconds.p50);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 5) {
    run({argv[1], std::atol(argv[2]), std::atol(argv[3]), std::atol(argv[4])}, "");
    return 0;
  }
  const char* filter = argc > 1 ? argv[1] : "";
  std::vector<Shape> shapes = {{"nn", 1024, 1024, 1024}, {"nt", 1024, 1024, 1024}, {"tn", 1024, 1024, 1024},
                               {"nn", 512, 512, 512},    {"nt", 256, 256, 256},    {"nt", 256, 32000, 512},
                               {"nn", 64, 64, 64},       {"nt", 64, 64, 64},       {"nt", 64, 4096, 1024}};
  for (const int64_t m : {500, 2000, 8000}) {
    for (const auto& [n, k] : std::vector<std::pair<int64_t, int64_t>>{
             {96, 96}, {384, 96}, {96, 384}, {128, 128}, {512, 128}, {128, 512}}) {
      shapes.push_back({"nt", m, n, k});
      shapes.push_back({"nn", m, n, k});
      shapes.push_back({"tn", n, k, m});
    }
  }
  for (const int64_t m : {1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 24, 48, 64}) shapes.push_back({"packed", m, 4096, 1024});
  for (const int64_t m : {1, 8, 64}) shapes.push_back({"packed", m, 512, 128});
  for (const Shape& s : shapes) run(s, filter);
}
