// What the emulator's tests use of it, on a real GPU: the same test sources compiled by nvcc run their correct kernels
// there. Nothing watches a GPU, so planted bugs are not run and there are no reports.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "simt/simt.h"

namespace rft::simt {

constexpr bool kCheckedBuild = false;

enum class Order { Forward, Reverse, Random };
enum class Async { Early, Late, Random };
struct Config {
  Order order = Order::Forward;
  Async async = Async::Late;
  uint64_t seed = 1;
  unsigned preempt = 0;
  bool throw_on_report = true;
  size_t max_dynamic_shared = 0;  // a GPU has what it has
};
inline Config& config() {
  static Config only;
  return only;
}

struct Report {
  std::string kind;
  std::string full_text() const { return kind; }
};
inline const std::vector<Report>& reports() {
  static const std::vector<Report> none;
  return none;
}
struct Stats {
  uint64_t switches = 0, accesses = 0, blocks = 0, ldmatrix_phases = 0, ldmatrix_conflicts = 0;
};
inline Stats stats() { return {}; }

inline void check_cuda(cudaError_t error, const char* call) {
  if (error != cudaSuccess) fail(concat("cuda ", call), "success", cudaGetErrorString(error));
}

// Device memory, NaN until it is written.
template <class T>
class Buffer {
 public:
  explicit Buffer(size_t count) : count_(count) {
    check_cuda(cudaMalloc(reinterpret_cast<void**>(&data_), count * sizeof(T) + 1), "allocation");
    check_cuda(cudaMemset(data_, 0xff, count * sizeof(T)), "fill");
  }
  explicit Buffer(const std::vector<T>& values) : Buffer(values.size()) { fill(values); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { cudaFree(data_); }

  T* get() const { return data_; }
  void fill(const std::vector<T>& values) const {
    check_cuda(cudaMemcpy(data_, values.data(), values.size() * sizeof(T), cudaMemcpyHostToDevice),
               "copy to the device");
  }
  std::vector<T> host() const {
    std::vector<T> out(count_);
    check_cuda(cudaMemcpy(static_cast<void*>(out.data()), data_, count_ * sizeof(T), cudaMemcpyDeviceToHost),
               "copy to the host");
    return out;
  }
  bool all_written() const { return true; }

 private:
  T* data_ = nullptr;
  size_t count_;
};

}  // namespace rft::simt
