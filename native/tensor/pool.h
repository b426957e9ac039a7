// Device memory. A pool hands out 64-byte aligned blocks, keeps freed ones for reuse, and counts live bytes by purpose.
// On the META device it only counts: no memory is touched, so the peak of a run is known before the run.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace rft {

enum class Device : uint8_t { Cpu, Meta };

enum class Purpose : uint8_t { Weights, Gradients, Optimizer, Activations, KvCache, Workspace };
constexpr int kPurposes = 6;

struct MemoryReport {
  std::array<int64_t, kPurposes> live{};  // bytes in use now
  std::array<int64_t, kPurposes> at_peak{};  // bytes in use when the total was highest
  int64_t total = 0;
  int64_t peak = 0;
};

class Pool {
 public:
  explicit Pool(Device device) : device_(device) {}
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  Device device() const { return device_; }
  // Contents are undefined (NaN bytes in builds with RFT_POISON). nullptr on META.
  void* allocate(size_t bytes, Purpose purpose);
  void release(void* block, size_t bytes, Purpose purpose);
  MemoryReport report() const;
  void reset_peak();
  // Gives cached blocks back to the system.
  void trim();

 private:
  static size_t rounded(size_t bytes);
  Device device_;
  mutable std::mutex mutex_;
  std::map<size_t, std::vector<void*>> free_;
  MemoryReport report_;
};

}  // namespace rft
