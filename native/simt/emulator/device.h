// The emulated device as tests see it: how to schedule, what was found, and device memory.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "base/error.h"

namespace rft::simt {

enum class Order { Forward, Reverse, Random };  // which thread and which block goes next
enum class Async { Early, Late, Random };       // when a cp.async, TMA box or wgmma takes effect

struct Config {
  Order order = Order::Forward;
  Async async = Async::Late;
  uint64_t seed = 1;
  unsigned preempt = 0;  // checked builds: lets another thread run before 1 in N memory accesses (0: never)
  bool throw_on_report = true;
  size_t max_reports = 8;
  size_t max_dynamic_shared = 227 * 1024;
};
Config& config();

// What the checker found in the last launch.
struct Report {
  std::string kind;  // bounds, uninitialised, race, divergence, deadlock, misaligned, ...
  std::string text;
  uint32_t site, against;         // source positions, 0: none
  std::string full_text() const;  // with the source lines; asks addr2line, so it is slow
};
const std::vector<Report>& reports();

struct Stats {
  uint64_t switches, accesses, blocks, ldmatrix_phases, ldmatrix_conflicts;
};
const Stats& stats();  // of the last launch

namespace emulator {

void* device_alloc(size_t bytes);
void device_free(void*);
void host_wrote(void* p, size_t bytes);
bool initialised(const void* p, size_t bytes);
// Only kernels reach device memory while the heap is closed: host code that reads a device pointer dies at once, as it
// would with a GPU. Nests; launches open the heap for themselves.
void close_heap();
void open_heap();

}  // namespace emulator

// Device memory: NaN (all bits set) until it is written, with red zones on both sides.
template <class T>
class Buffer {
 public:
  explicit Buffer(size_t count) : data_(static_cast<T*>(emulator::device_alloc(count * sizeof(T)))), count_(count) {}
  explicit Buffer(const std::vector<T>& values) : Buffer(values.size()) { fill(values); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { emulator::device_free(data_); }

  T* get() const { return data_; }
  std::vector<T> host() const { return std::vector<T>(data_, data_ + count_); }
  // The first elements; at most as many as there are.
  void fill(const std::vector<T>& values) const {
    if (values.empty()) return;
    std::memcpy(static_cast<void*>(data_), values.data(), values.size() * sizeof(T));
    emulator::host_wrote(data_, values.size() * sizeof(T));
  }
  // Only a checked build sees plain stores.
  bool all_written() const { return emulator::initialised(data_, count_ * sizeof(T)); }

 private:
  T* data_;
  size_t count_;
};

}  // namespace rft::simt
