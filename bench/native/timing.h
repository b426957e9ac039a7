// Medians of repeated calls, as JSON lines.
#pragma once
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

#include "base/parallel_for.h"
#include "tensor/ctx.h"

namespace rft::bench {

inline Ctx make_ctx() {
  Ctx ctx;
  ctx.pool = std::make_shared<Pool>(Device::Cpu);
  return ctx;
}

inline std::string filter;  // rows whose "kernel shape" does not contain it are left out

// Values in [-1, 1), the same in every run.
inline Tensor noise(const Ctx& ctx, Shape shape) {
  const Tensor t = ctx.empty(std::move(shape));
  uint32_t state = 12345;
  for (int64_t i = 0; i < t.count(); ++i) {
    state = state * 1664525u + 1013904223u;
    t.f32()[i] = float(int32_t(state)) * 0x1p-31f;
  }
  return t;
}

// Seconds of processor time that this process has used on all threads.
inline double cpu_seconds() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return double(t.tv_sec) + 1e-9 * double(t.tv_nsec);
}

// Calls body for at least 0.5 s and 7 times after one warm-up, and prints a line. On a machine that others use too,
// compare cpu_ms (the median call's processor time) at one thread.
template <class Body>
void row(const std::string& kernel, const std::string& shape, double flops, const Body& body) {
  using clock = std::chrono::steady_clock;
  if ((kernel + " " + shape).find(filter) == std::string::npos) return;
  body();
  std::vector<double> times, cpu;
  const auto start = clock::now();
  while (times.size() < 7 || clock::now() - start < std::chrono::milliseconds(500)) {
    const auto before = clock::now();
    const double cpu_before = cpu_seconds();
    body();
    cpu.push_back(cpu_seconds() - cpu_before);
    times.push_back(std::chrono::duration<double>(clock::now() - before).count());
  }
  std::sort(times.begin(), times.end());
  std::sort(cpu.begin(), cpu.end());
  const auto at = [&](double share) { return times[size_t(share * double(times.size() - 1))]; };
  std::printf(
      "{\"kernel\":\"%s\",\"shape\":\"%s\",\"dtype\":\"f32\",\"threads\":%d,\"p20_ms\":%.4g,\"p50_ms\":%.4g,"
      "\"p80_ms\":%.4g,\"cpu_ms\":%.4g,\"gflops\":%.4g}\n",
      kernel.c_str(), shape.c_str(), num_threads(), at(0.2) * 1e3, at(0.5) * 1e3, at(0.8) * 1e3,
      cpu[cpu.size() / 2] * 1e3, flops / at(0.5) * 1e-9);
  std::fflush(stdout);
}

}  // namespace rft::bench
