// What the emulator's tests share: one line per check, the three schedules, and expected verdicts.
#pragma once
#include <cstdio>
#include <string>
#include <vector>

#include "simt/simt.h"

#if SIMT_EMULATED
#include "simt/emulator/device.h"
#else
#include "gpu_buffer.h"  // gpu-check: the same tests by nvcc
#endif

namespace rft::test {

inline int failures = 0;

inline void report(const std::string& name, const std::string& detail) {
  std::string line = detail;
  for (char& c : line)
    if (c == '\n') c = ' ';
  if (line.empty()) std::printf("ok %s\n", name.c_str());
  else std::printf("FAIL %s: %s\n", name.c_str(), line.c_str());
  std::fflush(stdout);
  failures += !line.empty();
}

struct Schedule {
  const char* name;
  simt::Order order;
  simt::Async async;
  uint64_t seed;
  unsigned preempt;
};
constexpr Schedule kSchedules[] = {
    {"forward, late", simt::Order::Forward, simt::Async::Late, 1, 0},
    {"reverse, early", simt::Order::Reverse, simt::Async::Early, 2, 0},
    {"random", simt::Order::Random, simt::Async::Random, 3, 5},
};

inline void use(const Schedule& s) {
  simt::Config c;
  c.order = s.order;
  c.async = s.async;
  c.seed = s.seed;
  c.preempt = s.preempt;
  simt::config() = c;
}

// run() returns the text of what is wrong with the results, or "". It must launch and be clean in every schedule.
template <class Run>
void expect_clean(const std::string& name, Run run) {
  for (const Schedule& s : kSchedules) {
    use(s);
    std::string detail;
    try {
      detail = run();
    } catch (const Error& e) {
      detail = e.what();
    }
    report(name + ", " + s.name, detail);
  }
}

// In every schedule, run() must be reported as `kind`, or one of several: "race or deadlock".
template <class Run>
void expect_report(const std::string& name, const std::string& kind, Run run) {
  if (!SIMT_EMULATED) return;
  for (const Schedule& s : kSchedules) {
    use(s);
    simt::config().throw_on_report = false;
    std::string got = "no report";
    try {
      run();
      for (const simt::Report& r : simt::reports())
        if (kind.find(r.kind) != std::string::npos) got = "";
        else if (!got.empty()) got = r.full_text();
    } catch (const Error& e) {
      got = e.what();
    }
    report(name + ", " + s.name, got.empty() ? "" : "expected " + kind + ", got " + got);
  }
}

// Of the checks that need to see plain loads and stores.
template <class Run>
void expect_report_if_checked(const std::string& name, const std::string& kind, Run run) {
  if (simt::kCheckedBuild) expect_report(name, kind, run);
}

template <class T, class Want>
std::string compare(const simt::Buffer<T>& got, Want want) {
  const std::vector<T> values = got.host();
  for (size_t i = 0; i < values.size(); ++i)
    if (!(values[i] == want(int(i))))
      return concat("element ", i, ": ", float(values[i]), ", want ", float(want(int(i))));
  return simt::kCheckedBuild && !got.all_written() ? "not every output was written" : "";
}

}  // namespace rft::test
