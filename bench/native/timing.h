// Medians of repeated calls, as JSON lines.
#pragma once
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

#include "base/parallel_for.h"
#include "simd/vmath.h"
#include "tensor/ctx.h"

namespace rft::bench {

inline Ctx make_ctx() {
  Ctx ctx;
  ctx.pool = std::make_shared<Pool>(Device::Cpu);
  return ctx;
}

inline std::string filter;        // rows whose "kernel shape" contains none of its parts, cut at |, are left out
inline double row_seconds = 0.5;  // time spent on a row
constexpr double patience = 5;    // seconds after which three calls are enough

inline bool wanted(const std::string& kernel, const std::string& shape) {
  const std::string name = kernel + " " + shape;
  for (size_t begin = 0; begin <= filter.size();) {
    const size_t end = std::min(filter.find('|', begin), filter.size());
    if (name.find(filter.substr(begin, end - begin)) != std::string::npos) return true;
    begin = end + 1;
  }
  return false;
}

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

// VmRSS or VmHWM of this process in MiB; 0 where there is no /proc.
inline double resident(const char* key) {
  double kilobytes = 0;
  char line[256];
  if (FILE* file = std::fopen("/proc/self/status", "r")) {
    while (std::fgets(line, sizeof line, file))
      if (std::strncmp(line, key, std::strlen(key)) == 0) kilobytes = std::atof(std::strchr(line, ':') + 1);
    std::fclose(file);
  }
  return kilobytes / 1024;
}

inline void forget_peak() {
  if (FILE* file = std::fopen("/proc/self/clear_refs", "w")) {
    std::fputs("5", file);
    std::fclose(file);
  }
}

// What one call does, for GFLOP/s and GB/s.
struct Work {
  Work(double flops, double bytes = 0, double error = -1) : flops(flops), bytes(bytes), error(error) {}
  double flops;
  double bytes;           // read and written at least, each once
  double error;           // relative, against a reference in double; negative: not measured here
  double results_mb = 0;  // what a call leaves behind as its result
  const char* dtype = "f32";
};

struct Sample {
  double wall, cpu;
};

template <class Body>
Sample time_of(int repeats, const Body& body) {
  const double cpu = cpu_seconds();
  const auto before = std::chrono::steady_clock::now();
  for (int i = 0; i < repeats; ++i) body();
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - before;
  return {wall.count() / repeats, (cpu_seconds() - cpu) / repeats};
}

// Takes 7 samples of body or more, each at least a millisecond long, for row_seconds after a warm-up, and prints a
// line. On a machine that others use too, compare cpu_ms at one thread: the mean processor time, since clocks see other
// threads only now and then. extra_mb is what the first call needed beyond its result.
template <class Body>
void row(const std::string& kernel, const std::string& shape, const Work& work, const Body& body) {
  if (!wanted(kernel, shape)) return;
  forget_peak();
  const double before = resident("VmRSS:");
  body();
  const double extra_mb = resident("VmHWM:") - before - work.results_mb;
  const int repeats = std::max(1, int(1e-3 / std::max(time_of(1, body).wall, 1e-8)));
  std::vector<double> wall;
  double cpu = 0;
  for (double spent = 0; wall.size() < 7 || (spent < row_seconds && wall.size() < 500);) {
    if (wall.size() >= 3 && spent > patience) break;
    const Sample sample = time_of(repeats, body);
    wall.push_back(sample.wall);
    cpu += sample.cpu;
    spent += sample.wall * repeats;
  }
  std::sort(wall.begin(), wall.end());
  const auto at = [&](double share) { return wall[size_t(share * double(wall.size() - 1))]; };
  const char* isas[] = {"portable", "avx2", "avx512"};
  std::printf(
      "{\"kernel\":\"%s\",\"shape\":\"%s\",\"dtype\":\"%s\",\"isa\":\"%s\",\"threads\":%d,\"p20_ms\":%.4g,"
      "\"p50_ms\":%.4g,\"p80_ms\":%.4g,\"cpu_ms\":%.4g,\"gflops\":%.4g,\"flops\":%.6g,\"bytes\":%.6g,"
      "\"extra_mb\":%.4g",
      kernel.c_str(), shape.c_str(), work.dtype, isas[int(simd::isa())], num_threads(), at(0.2) * 1e3, at(0.5) * 1e3,
      at(0.8) * 1e3, cpu / double(wall.size()) * 1e3, work.flops / at(0.5) * 1e-9, work.flops, work.bytes, extra_mb);
  if (work.error >= 0) std::printf(",\"error\":%.2g", work.error);
  std::printf("}\n");
  std::fflush(stdout);
}

// |got - wanted| / |wanted|.
inline double relative_error(const std::vector<float>& got, const std::vector<double>& wanted) {
  double difference = 0, norm = 0;
  for (size_t i = 0; i < wanted.size(); ++i) {
    difference += (got[i] - wanted[i]) * (got[i] - wanted[i]);
    norm += wanted[i] * wanted[i];
  }
  return std::sqrt(difference / std::max(norm, 1e-300));
}

}  // namespace rft::bench
