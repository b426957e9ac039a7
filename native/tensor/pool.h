// Memory of a device. A pool hands out 64-byte aligned blocks, keeps freed ones for reuse, and counts live bytes by
// purpose. The process never holds more than the highest number of live bytes so far, plus a little: blocks kept for
// reuse make way. On the META device it goes through the same motions without touching memory, so what a run on the CPU
// or on CUDA needs is known before it.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace rft {

// Pinned: host memory that the CUDA device copies by itself. No op runs there.
enum class Device : uint8_t { Cpu, Meta, Cuda, Pinned };

// Images: what the vision tower computes, and the features kept of it. The first three live as long as the model.
enum class Purpose : uint8_t { Weights, Gradients, Optimizer, Activations, Images, KvCache, Workspace };
constexpr int kPurposes = 7;

struct MemoryReport {
  std::array<int64_t, kPurposes> live{};     // bytes in use now
  std::array<int64_t, kPurposes> at_peak{};  // bytes in use when the total was highest
  int64_t total = 0;
  int64_t peak = 0;
  int64_t reserved = 0;  // in use or kept for reuse: what the process holds
};

class Pool {
 public:
  // Throws when CUDA is asked for and not there. META counts what ops take on the device `counts_for`.
  explicit Pool(Device device, Device counts_for = Device::Cpu);
  // A part of another pool, which counts its blocks as workspace. They stay until this pool is trimmed or goes, as
  // recorded graphs need it.
  explicit Pool(std::shared_ptr<Pool> parent);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  Device device() const { return device_; }
  // Whose kernels ops use, or stand for on META: Cpu or Cuda.
  Device ops_device() const { return device_ == Device::Meta ? counts_for_ : device_; }
  // Contents are undefined (NaN bytes in builds with RFT_POISON). nullptr on META.
  void* allocate(size_t bytes, Purpose purpose);
  void release(void* block, size_t bytes, Purpose purpose);
  MemoryReport report() const;
  void reset_peak();
  // Gives cached blocks back to the system.
  void trim();

 private:
  static size_t rounded(size_t bytes, Purpose purpose);
  void* take(size_t size) const;
  void give_back(void* block, size_t size) const;
  void make_way(size_t size);
  Device device_, counts_for_;
  std::shared_ptr<Pool> parent_;
  mutable std::mutex mutex_;
  std::map<size_t, std::vector<void*>> free_;
  int64_t highest_ = 0;  // total of all time
  MemoryReport report_;
};

// For what lives beside the memory of a CUDA device: pinned, or META beside META. Throws for the CPU.
std::shared_ptr<Pool> host_pool_beside(const Pool& pool);

}  // namespace rft
