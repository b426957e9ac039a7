#include "tensor/pool.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "base/error.h"
#include "device/device.h"

namespace rft {

namespace {

constexpr int64_t kSlack = int64_t{64} << 20;  // small models keep every block, so that their steps allocate nothing

}  // namespace

Pool::Pool(Device device, Device counts_for) : device_(device), counts_for_(counts_for) {
  if (device == Device::Cuda || device == Device::Pinned) device::require();
}

Pool::Pool(std::shared_ptr<Pool> parent)
    : device_(parent->device_), counts_for_(parent->counts_for_), parent_(std::move(parent)) {}

Pool::~Pool() { trim(); }

// From the system; nullptr when there is none left, and on META.
void* Pool::take(size_t size) const {
  if (parent_) return parent_->allocate(size, Purpose::Workspace);
  if (device_ == Device::Meta) return nullptr;
  if (device_ == Device::Pinned) return device::allocate_pinned(size);
  return device_ == Device::Cuda ? device::allocate(size) : std::aligned_alloc(64, size);
}

void Pool::give_back(void* block, size_t size) const {
  if (parent_) parent_->release(block, size, Purpose::Workspace);
  else if (device_ == Device::Pinned) device::release_pinned(block);
  else if (device_ == Device::Cuda) device::release(block);
  else std::free(block);
}

// Sizes are rounded so that a freed block fits the next tensor of nearly the same size: to 64 bytes when small or never
// freed, else to an eighth of the power of two below.
size_t Pool::rounded(size_t bytes, Purpose purpose) {
  if (bytes <= 4096 || purpose <= Purpose::Optimizer) return (bytes + 63) / 64 * 64;
  size_t step = size_t{1} << (63 - __builtin_clzll(bytes));
  step /= 8;
  return (bytes + step - 1) / step * step;
}

void* Pool::allocate(size_t bytes, Purpose purpose) {
  if (bytes == 0) return nullptr;
  const size_t size = rounded(bytes, purpose);
  std::lock_guard lock(mutex_);
  report_.live[int(purpose)] += int64_t(size);
  report_.total += int64_t(size);
  highest_ = std::max(highest_, report_.total);
  if (report_.total > report_.peak) {
    report_.peak = report_.total;
    report_.at_peak = report_.live;
  }
  auto& blocks = free_[size];
  void* block = nullptr;
  if (!blocks.empty()) {
    block = blocks.back();
    blocks.pop_back();
  } else {
    make_way(size);
    block = take(size);
    if (device_ != Device::Meta && !block) {
      report_.live[int(purpose)] -= int64_t(size);
      report_.total -= int64_t(size);
      fail(device_ == Device::Cuda     ? "CUDA memory"
           : device_ == Device::Pinned ? "pinned memory of the host"
                                       : "memory",
           concat(size, " more bytes"), concat("an out-of-memory error with ", report_.total, " bytes in use"));
    }
    report_.reserved += int64_t(size);
  }
  if (device_ == Device::Meta) return nullptr;
#ifdef RFT_POISON
  if (device_ == Device::Cuda) device::fill(block, 0xFF, size);
  else std::memset(block, 0xFF, size);
#endif
  return block;
}

// Frees kept blocks, largest first, until a new one of this size is within the bound.
void Pool::make_way(size_t size) {
  if (parent_) return;
  auto bin = free_.end();
  while (report_.reserved + int64_t(size) > highest_ + kSlack && bin != free_.begin()) {
    auto& blocks = std::prev(bin)->second;
    if (blocks.empty()) {
      --bin;
      continue;
    }
    give_back(blocks.back(), std::prev(bin)->first);
    blocks.pop_back();
    report_.reserved -= int64_t(std::prev(bin)->first);
  }
}

void Pool::release(void* block, size_t bytes, Purpose purpose) {
  if (bytes == 0) return;
  const size_t size = rounded(bytes, purpose);
  std::lock_guard lock(mutex_);
  report_.live[int(purpose)] -= int64_t(size);
  report_.total -= int64_t(size);
  free_[size].push_back(block);
}

MemoryReport Pool::report() const {
  std::lock_guard lock(mutex_);
  return report_;
}

void Pool::reset_peak() {
  std::lock_guard lock(mutex_);
  report_.peak = report_.total;
  report_.at_peak = report_.live;
}

void Pool::trim() {
  std::lock_guard lock(mutex_);
  for (auto& [size, blocks] : free_) {
    for (void* block : blocks) give_back(block, size);
    report_.reserved -= int64_t(size * blocks.size());
  }
  free_.clear();
}

std::shared_ptr<Pool> host_pool_beside(const Pool& pool) {
  expect(pool.ops_device() == Device::Cuda, "offload", "a model on CUDA",
         "one on the CPU, whose memory is the host's already");
  return std::make_shared<Pool>(pool.device() == Device::Meta ? Device::Meta : Device::Pinned);
}

}  // namespace rft
