#include "tensor/pool.h"

#include <cstdlib>
#include <cstring>

#include "base/error.h"

namespace rft {

Pool::~Pool() { trim(); }

// Sizes are rounded so that a freed block fits the next tensor of nearly the same size: to 64 bytes when small,
// else to an eighth of the power of two below.
size_t Pool::rounded(size_t bytes) {
  if (bytes <= 4096) return (bytes + 63) / 64 * 64;
  size_t step = size_t{1} << (63 - __builtin_clzll(bytes));
  step /= 8;
  return (bytes + step - 1) / step * step;
}

void* Pool::allocate(size_t bytes, Purpose purpose) {
  if (bytes == 0) return nullptr;
  const size_t size = rounded(bytes);
  std::lock_guard lock(mutex_);
  report_.live[int(purpose)] += int64_t(size);
  report_.total += int64_t(size);
  if (report_.total > report_.peak) {
    report_.peak = report_.total;
    report_.at_peak = report_.live;
  }
  if (device_ == Device::Meta) return nullptr;
  auto& blocks = free_[size];
  void* block = nullptr;
  if (!blocks.empty()) {
    block = blocks.back();
    blocks.pop_back();
  } else {
    block = std::aligned_alloc(64, size);
    if (!block) {
      report_.live[int(purpose)] -= int64_t(size);
      report_.total -= int64_t(size);
      fail("memory", concat(size, " more bytes"), concat("an out-of-memory error with ", report_.total, " bytes in use"));
    }
  }
#ifdef RFT_POISON
  std::memset(block, 0xFF, size);
#endif
  return block;
}

void Pool::release(void* block, size_t bytes, Purpose purpose) {
  if (bytes == 0) return;
  const size_t size = rounded(bytes);
  std::lock_guard lock(mutex_);
  report_.live[int(purpose)] -= int64_t(size);
  report_.total -= int64_t(size);
  if (block) free_[size].push_back(block);
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
  for (auto& [size, blocks] : free_)
    for (void* block : blocks) std::free(block);
  free_.clear();
}

}  // namespace rft
