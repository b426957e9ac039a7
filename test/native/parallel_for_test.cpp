// The thread pool: every task once, nested calls, exceptions, several callers, sleeping and waking, exit.
#include "base/parallel_for.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "check.h"

using namespace rft::test;

namespace {

std::string check_coverage() {
  for (const int threads : {1, 2, 3, 8}) {
    rft::set_num_threads(threads);
    for (int round = 0; round < 300; ++round) {
      const int64_t tasks = round % 37;
      std::vector<std::atomic<int>> hits(tasks + 1);
      rft::parallel_for(tasks, [&](int64_t i) {
        hits[i].fetch_add(1);
        rft::parallel_for(3, [&](int64_t) { hits[i].fetch_add(10); });
      });
      for (int64_t i = 0; i < tasks; ++i) {
        if (hits[i] != 31) return "task " + std::to_string(i) + " of " + std::to_string(tasks);
      }
      if (round % 100 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));  // let the workers sleep
    }
  }
  return "";
}

std::string check_exceptions() {
  rft::set_num_threads(4);
  for (int round = 0; round < 50; ++round) {
    std::string caught;
    try {
      rft::parallel_for(20, [&](int64_t i) {
        if (i % 5 == 2) throw std::runtime_error("body");
      });
    } catch (const std::runtime_error& error) {
      caught = error.what();
    }
    if (caught != "body") return "not rethrown";
    std::atomic<int> count{0};
    rft::parallel_for(20, [&](int64_t) { ++count; });
    if (count != 20) return "the next call was not whole";
  }
  return "";
}

std::string check_callers() {
  rft::set_num_threads(3);
  std::atomic<int64_t> total{0};
  std::vector<std::thread> callers;
  for (int t = 0; t < 4; ++t) {
    callers.emplace_back([&] {
      for (int i = 0; i < 200; ++i) rft::parallel_for(10, [&](int64_t j) { total += j; });
    });
  }
  for (std::thread& t : callers) t.join();
  return total == 4 * 200 * 45 ? "" : "total " + std::to_string(total.load());
}

std::string check_ranges() {
  std::vector<int> hits(1001, 0);
  rft::parallel_ranges(1001, 100, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i) ++hits[i];
  });
  return std::all_of(hits.begin(), hits.end(), [](int h) { return h == 1; }) ? "" : "not each once";
}

}  // namespace

int main() {
  report("coverage", check_coverage());
  report("exceptions", check_exceptions());
  report("several callers", check_callers());
  report("ranges", check_ranges());
  rft::set_num_threads(2);  // exit with a worker waiting
  rft::parallel_for(4, [](int64_t) {});
  return failures == 0 ? 0 : 1;
}
