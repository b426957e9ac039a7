// One process-wide pool. A call publishes a job; workers that are awake join it, take indices from a shared counter
// and leave. The caller never waits for a worker that has not joined, so a descheduled worker costs nothing.
//
// `state_` holds everything the hand-over needs in one word: generation (high 32 bits), open bit, joined workers.
// The pool is never destroyed: at process exit its threads simply end, wherever they sleep.
#include "base/parallel_for.h"

#include <pthread.h>
#include <signal.h>
#if defined(__linux__)
#include <sched.h>
#endif

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"

namespace rft {
namespace {

constexpr int kMaxThreads = 1024;
constexpr uint64_t kOpen = uint64_t{1} << 31;
constexpr uint64_t kJoined = kOpen - 1;
constexpr std::chrono::microseconds kSpin{30};

thread_local bool inside_parallel = false;

inline void cpu_pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// True as soon as done() is; false after kSpin without it.
template <class Done>
bool spin_until(Done done) {
  const auto deadline = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < 16; ++i) {
      if (done()) return true;
      cpu_pause();
    }
  } while (std::chrono::steady_clock::now() < deadline);
  return done();
}

int usable_cores() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::clamp(CPU_COUNT(&set), 1, kMaxThreads);
#endif
  return std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, kMaxThreads);
}

int default_threads() {
  const char* text = std::getenv("RFT_THREADS");
  if (text == nullptr || *text == '\0') return usable_cores();
  char* end = nullptr;
  const long n = std::strtol(text, &end, 10);
  if (*end != '\0' || n < 1 || n > kMaxThreads) {
    fail("RFT_THREADS", "an integer from 1 to 1024", text);
  }
  return static_cast<int>(n);
}

class Pool {
 public:
  explicit Pool(int threads) : threads_(threads) {}

  int threads() const { return threads_.load(std::memory_order_relaxed); }

  void resize(int threads) {
    std::lock_guard call(call_mutex_);
    if (threads == this->threads()) return;
    stop_workers();
    threads_.store(threads, std::memory_order_relaxed);
  }

  void run(int64_t tasks, const std::function<void(int64_t)>& body) {
    std::lock_guard call(call_mutex_);
    if (workers_.empty()) start_workers();
    body_ = &body;
    tasks_ = tasks;
    error_ = nullptr;
    failed_.store(false, std::memory_order_relaxed);
    next_.store(0, std::memory_order_relaxed);
    const uint64_t generation = (state_.load(std::memory_order_relaxed) >> 32) + 1;
    state_.store(generation << 32 | kOpen);
    wake(tasks - 1);
    work();
    state_.fetch_and(~kOpen);
    wait_for_joined();
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  }

 private:
  bool joined_left() const { return (state_.load() & kJoined) == 0; }

  void wait_for_joined() {
    if (joined_left() || spin_until([this] { return joined_left(); })) return;
    std::unique_lock lock(mutex_);
    caller_waits_.store(true);
    done_.wait(lock, [this] { return joined_left(); });
    caller_waits_.store(false);
  }

  void wake(int64_t wanted) {
    if (sleepers_.load() == 0) return;
    { std::lock_guard lock(mutex_); }
    if (wanted >= threads() - 1) {
      work_.notify_all();
    } else {
      for (int64_t i = 0; i < wanted; ++i) work_.notify_one();
    }
  }

  void work() {
    inside_parallel = true;
    for (;;) {
      const int64_t i = next_.fetch_add(1, std::memory_order_relaxed);
      if (i >= tasks_) break;
      try {
        (*body_)(i);
      } catch (...) {
        if (!failed_.exchange(true)) error_ = std::current_exception();
        next_.store(tasks_, std::memory_order_relaxed);
      }
    }
    inside_parallel = false;
  }

  bool join(uint64_t& seen) {
    uint64_t state = state_.load(std::memory_order_acquire);
    while ((state & kOpen) != 0 && (state >> 32) != seen) {
      if (state_.compare_exchange_weak(state, state + 1, std::memory_order_acq_rel)) {
        seen = state >> 32;
        return true;
      }
    }
    return false;
  }

  void leave() {
    const uint64_t before = state_.fetch_sub(1);
    if ((before & kOpen) == 0 && (before & kJoined) == 1 && caller_waits_.load()) {
      { std::lock_guard lock(mutex_); }
      done_.notify_one();
    }
  }

  bool news(uint64_t seen) const {
    const uint64_t state = state_.load();
    return stopping_.load() || ((state & kOpen) != 0 && (state >> 32) != seen);
  }

  void worker() {
    uint64_t seen = 0;
    while (!stopping_.load()) {
      if (join(seen)) {
        work();
        leave();
        continue;
      }
      if (spin_until([&] { return news(seen); })) continue;
      std::unique_lock lock(mutex_);
      sleepers_.fetch_add(1);
      work_.wait(lock, [&] { return news(seen); });
      sleepers_.fetch_sub(1);
    }
  }

  // Workers take no signals: handlers of the host process stay on the host's threads.
  void start_workers() {
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    try {
      for (int i = 1; i < threads(); ++i) workers_.emplace_back([this] { worker(); });
    } catch (...) {  // fewer workers than asked for still do all the work
    }
    pthread_sigmask(SIG_SETMASK, &old, nullptr);
  }

  void stop_workers() {
    stopping_.store(true);
    { std::lock_guard lock(mutex_); }
    work_.notify_all();
    for (std::thread& t : workers_) t.join();
    workers_.clear();
    stopping_.store(false);
  }

  std::mutex call_mutex_;  // one job at a time
  std::atomic<int> threads_;
  std::vector<std::thread> workers_;

  alignas(64) std::atomic<uint64_t> state_{0};
  alignas(64) std::atomic<int64_t> next_{0};
  alignas(64) const std::function<void(int64_t)>* body_ = nullptr;
  int64_t tasks_ = 0;
  std::atomic<bool> failed_{false};
  std::exception_ptr error_;

  std::mutex mutex_;  // guards sleeping only
  std::condition_variable work_;
  std::condition_variable done_;
  std::atomic<int> sleepers_{0};
  std::atomic<bool> caller_waits_{false};
  std::atomic<bool> stopping_{false};
};

Pool& pool() {
  static Pool* instance = new Pool(default_threads());
  return *instance;
}

}  // namespace

int num_threads() { return pool().threads(); }

void set_num_threads(int n) {
  if (n == 0) n = default_threads();
  expect(n >= 1 && n <= kMaxThreads, "set_num_threads", "1 to 1024", n);
  expect(!inside_parallel, "set_num_threads", "a call outside parallel_for", "one inside");
  pool().resize(n);
}

void parallel_for(int64_t tasks, const std::function<void(int64_t)>& body) {
  if (tasks <= 0) return;
  if (tasks == 1 || inside_parallel || num_threads() == 1) {
    for (int64_t i = 0; i < tasks; ++i) body(i);
    return;
  }
  pool().run(tasks, body);
}

void parallel_ranges(int64_t n, int64_t grain, const std::function<void(int64_t, int64_t)>& body) {
  if (n <= 0) return;
  const int64_t step = std::max<int64_t>(grain, 1);
  if (n <= step) return body(0, n);
  parallel_for((n + step - 1) / step, [&](int64_t i) { body(i * step, std::min(n, (i + 1) * step)); });
}

}  // namespace rft
