// Builds without CUDA kernels.
#include "base/error.h"
#include "device/device.h"

namespace rft::device {

namespace {

[[noreturn]] void absent() { fail("cuda", "a build with CUDA kernels", "one without"); }

}  // namespace

const Probe& probe() {
  static const Probe result{.reason = "not-built",
                            .message = "this build has no CUDA kernels; install nvcc 12.4 or later and run `rft build`",
                            .devices = {}};
  return result;
}
void require() { throw Error("cuda: " + probe().message); }

void* allocate(size_t) { absent(); }
void release(void*) { absent(); }
int64_t free_bytes() { absent(); }
void* allocate_pinned(size_t) { absent(); }
void release_pinned(void*) { absent(); }
void to_device(void*, const void*, size_t) { absent(); }
void to_host(void*, const void*, size_t) { absent(); }
void copy(void*, const void*, size_t) { absent(); }
void fill(void*, int, size_t) { absent(); }
Stream stream() { absent(); }
void synchronize() { absent(); }

struct SideStream::Impl {};
SideStream::SideStream() { absent(); }
SideStream::~SideStream() = default;
Stream SideStream::get() const { absent(); }
void SideStream::to_device(void*, const void*, size_t) { absent(); }
void SideStream::to_host(void*, const void*, size_t) { absent(); }
void SideStream::synchronize() {}

struct Event::Impl {};
Event::Event() { absent(); }
Event::~Event() = default;
void Event::record() {}
double Event::seconds_since(const Event&) const { return 0; }

struct Graph::Impl {};
Graph::Graph(const std::function<void()>&) { absent(); }
Graph::~Graph() = default;
void Graph::launch() const {}

}  // namespace rft::device
