// The emulator as a CUDA device, for tests: the same engine, the same launches, no GPU. Host code that reads device
// memory dies, since the emulator's heap is closed outside launches and the copies here.
#include <chrono>
#include <cstdlib>
#include <cstring>

#include "base/error.h"
#include "device/device.h"
#include "simt/emulator/device.h"
#include "simt/emulator/launch.h"

namespace rft::device {
namespace {

namespace emulator = simt::emulator;

struct Open {  // while the host works on device memory
  Open() { emulator::open_heap(); }
  ~Open() { emulator::close_heap(); }
};

void start() { [[maybe_unused]] static const bool closed = (emulator::close_heap(), true); }

// Runs work now, or keeps it for the graph that is being recorded.
template <class Work>
void enqueue(Work work) {
  if (emulator::recording != nullptr) emulator::recording->push_back(work);
  else work();
}

void refuse_while_recording(const char* call) {
  expect(emulator::recording == nullptr, concat("cuda ", call), "no graph that is being recorded", "one");
}

}  // namespace

const Probe& probe() {
  static const Probe result{.available = true,
                            .reason = "",
                            .message = "",
                            .driver = 13000,
                            .runtime = 13000,
                            .devices = {{.name = "emulator",
                                         .major = 9,
                                         .minor = 0,
                                         .multiprocessors = 4,
                                         .memory = int64_t{256} << 20,
                                         .shared_per_block = 227 * 1024,
                                         .l2 = int64_t{1} << 20}}};
  return result;
}
void require() {}

void* allocate(size_t bytes) {
  start();
  refuse_while_recording("allocation");
  const Open open;
  return emulator::device_alloc(bytes);
}
void release(void* memory) {
  const Open open;
  emulator::device_free(memory);
}
int64_t free_bytes() { return int64_t{256} << 20; }

void* allocate_pinned(size_t bytes) { return std::aligned_alloc(64, (bytes + 63) / 64 * 64); }
void release_pinned(void* memory) { std::free(memory); }

void to_device(void* to, const void* from, size_t bytes) {
  if (bytes == 0) return;
  refuse_while_recording("copy from the host");
  const Open open;
  std::memcpy(to, from, bytes);
  emulator::host_wrote(to, bytes);
}

void to_host(void* to, const void* from, size_t bytes) {
  if (bytes == 0) return;
  refuse_while_recording("copy to the host");
  const Open open;
  std::memcpy(to, from, bytes);
}

void copy(void* to, const void* from, size_t bytes) {
  if (bytes)
    enqueue([=] {
      const Open open;
      std::memmove(to, from, bytes);
      emulator::host_wrote(to, bytes);
    });
}

void fill(void* to, int byte, size_t bytes) {
  if (bytes)
    enqueue([=] {
      const Open open;
      std::memset(to, byte, bytes);
      emulator::host_wrote(to, bytes);
    });
}

Stream stream() { return detail::thread_stream.stream; }
void synchronize() {}

// The emulator does everything at once and in order.
struct SideStream::Impl {};
SideStream::SideStream() = default;
SideStream::~SideStream() = default;
Stream SideStream::get() const { return nullptr; }
void SideStream::to_device(void* to, const void* pinned, size_t bytes) { device::to_device(to, pinned, bytes); }
void SideStream::to_host(void* pinned, const void* from, size_t bytes) { device::to_host(pinned, from, bytes); }
void SideStream::synchronize() {}

struct Event::Impl {
  std::chrono::steady_clock::time_point at;
};
Event::Event() : impl_(std::make_unique<Impl>()) {}
Event::~Event() = default;
void Event::record() { impl_->at = std::chrono::steady_clock::now(); }
double Event::seconds_since(const Event& earlier) const {
  return std::chrono::duration<double>(impl_->at - earlier.impl_->at).count();
}

struct Graph::Impl {
  std::vector<std::function<void()>> work;
};
Graph::Graph(const std::function<void()>& body) : impl_(std::make_unique<Impl>()) {
  refuse_while_recording("graph");
  emulator::recording = &impl_->work;
  try {
    body();
  } catch (...) {
    emulator::recording = nullptr;
    throw;
  }
  emulator::recording = nullptr;
}
Graph::~Graph() = default;
void Graph::launch() const {
  for (const auto& work : impl_->work) work();
}

}  // namespace rft::device
