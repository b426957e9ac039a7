// The CUDA runtime. Its static library opens the driver by itself, so a machine without one gets a reason and not a
// loader's error. State is made at the first use and never taken down: at exit the driver may be gone before it.
#include <cuda_runtime_api.h>

#include <cstring>
#include <mutex>

#include "base/error.h"
#include "device/device.h"
#include "device/probe_kernel.h"

namespace rft::device {
namespace {

void check(cudaError_t error, const std::string& call) {
  if (error == cudaSuccess) return;
  const std::string after = simt::last_kernel[0] ? concat(" after kernel ", simt::last_kernel) : "";
  fail("cuda " + call + after, "success", concat(cudaGetErrorName(error), ": ", cudaGetErrorString(error)));
}

std::string version_text(int version) { return concat(version / 1000, ".", version % 1000 / 10); }

Properties properties(int index) {
  cudaDeviceProp p;
  check(cudaGetDeviceProperties(&p, index), "device properties");
  return {.name = p.name,
          .major = p.major,
          .minor = p.minor,
          .multiprocessors = p.multiProcessorCount,
          .memory = int64_t(p.totalGlobalMem),
          .shared_per_block = int64_t(p.sharedMemPerBlockOptin),
          .l2 = p.l2CacheSize};
}

// CUDA answers "insufficient driver" when there is none too, so the driver's version is asked first.
void find_reason(Probe& out) {
  cudaRuntimeGetVersion(&out.runtime);
  cudaDriverGetVersion(&out.driver);
  int count = 0;
  const cudaError_t found = cudaGetDeviceCount(&count);
  const auto because = [&](const char* reason, const std::string& message) {
    out.reason = reason;
    out.message = message;
  };
  if (out.driver == 0) return because("no-driver", "no NVIDIA driver is installed, or it cannot be opened from here");
  if (found == cudaErrorInsufficientDriver)
    return because("driver-too-old",
                   concat("the NVIDIA driver supports CUDA ", version_text(out.driver), " and this build needs ",
                          version_text(out.runtime), "; update the driver"));
  if (found == cudaErrorNoDevice || (found == cudaSuccess && count == 0))
    return because("no-device", "a driver is installed but shows no GPU (look at CUDA_VISIBLE_DEVICES)");
  if (found != cudaSuccess) return because("error", concat("CUDA does not start: ", cudaGetErrorString(found)));
  for (int i = 0; i < count; ++i) out.devices.push_back(properties(i));
  cudaFuncAttributes attributes;
  if (cudaFuncGetAttributes(&attributes, probe_kernel_address()) != cudaSuccess) {
    const Properties& d = out.devices[0];
    return because("no-kernel-image", concat("this build has no kernels for ", d.name, " (compute capability ", d.major,
                                             ".", d.minor, "); rft needs 8.0 or later, or a build for that GPU"));
  }
  out.available = true;
}

// Pinned host memory in slots; a slot is taken again when its copy has ended.
class Staging {
 public:
  static constexpr size_t kBytes = size_t{1} << 20;

  Staging() {
    for (Slot& slot : slots_) {
      check(cudaMallocHost(&slot.memory, kBytes), "pinned memory");
      check(cudaEventCreateWithFlags(&slot.copied, cudaEventDisableTiming), "event");
    }
  }
  void upload(void* to, const void* from, size_t bytes, cudaStream_t on) {
    std::lock_guard lock(mutex_);
    Slot& slot = slots_[next_++ % kSlots];
    check(cudaEventSynchronize(slot.copied), "wait for a copy");
    std::memcpy(slot.memory, from, bytes);
    check(cudaMemcpyAsync(to, slot.memory, bytes, cudaMemcpyHostToDevice, on), concat("copy of ", bytes, " bytes"));
    check(cudaEventRecord(slot.copied, on), "event");
  }
  void download(void* to, const void* from, size_t bytes, cudaStream_t on) {
    std::lock_guard lock(mutex_);
    Slot& slot = slots_[next_++ % kSlots];
    check(cudaEventSynchronize(slot.copied), "wait for a copy");
    check(cudaMemcpyAsync(slot.memory, from, bytes, cudaMemcpyDeviceToHost, on), concat("copy of ", bytes, " bytes"));
    check(cudaStreamSynchronize(on), "wait for the stream");
    std::memcpy(to, slot.memory, bytes);
  }

 private:
  static constexpr size_t kSlots = 8;
  struct Slot {
    void* memory = nullptr;
    cudaEvent_t copied = nullptr;
  };
  std::mutex mutex_;
  Slot slots_[kSlots];
  size_t next_ = 0;
};

struct State {
  cudaStream_t stream = nullptr;
  Staging* staging = nullptr;
};

State& state() {
  static State* made = [] {
    require();
    auto* s = new State;
    check(cudaStreamCreateWithFlags(&s->stream, cudaStreamNonBlocking), "stream");
    s->staging = new Staging;
    return s;
  }();
  return *made;
}

template <class Copy>  // copy(offset, bytes)
void in_pieces(size_t bytes, const Copy& copy) {
  for (size_t at = 0; at < bytes; at += Staging::kBytes) copy(at, std::min(Staging::kBytes, bytes - at));
}

}  // namespace

const Probe& probe() {
  static const Probe result = [] {
    Probe out;
    try {
      find_reason(out);
    } catch (const std::exception& e) {
      out.reason = "error";
      out.message = e.what();
    }
    return out;
  }();
  return result;
}

void require() {
  if (!probe().available) throw Error("cuda: unavailable, " + probe().message);
}

void* allocate(size_t bytes) {
  state();
  void* memory = nullptr;
  const cudaError_t error = cudaMalloc(&memory, bytes);
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    return nullptr;
  }
  check(error, concat("allocation of ", bytes, " bytes"));
  return memory;
}

// At exit the driver may already be down; the memory is gone then in any case.
void release(void* memory) {
  const cudaError_t error = cudaFree(memory);
  if (error != cudaErrorCudartUnloading) check(error, "release of memory");
}

int64_t free_bytes() {
  state();
  size_t free = 0, total = 0;
  check(cudaMemGetInfo(&free, &total), "free memory");
  return int64_t(free);
}

void* allocate_pinned(size_t bytes) {
  state();
  void* memory = nullptr;
  const cudaError_t error = cudaMallocHost(&memory, bytes);
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    return nullptr;
  }
  check(error, concat("allocation of ", bytes, " pinned bytes"));
  return memory;
}

void release_pinned(void* memory) {
  const cudaError_t error = cudaFreeHost(memory);
  if (error != cudaErrorCudartUnloading) check(error, "release of pinned memory");
}

void to_device(void* to, const void* from, size_t bytes) {
  State& s = state();
  in_pieces(bytes, [&](size_t at, size_t n) {
    s.staging->upload(static_cast<char*>(to) + at, static_cast<const char*>(from) + at, n, stream());
  });
}

void to_host(void* to, const void* from, size_t bytes) {
  State& s = state();
  in_pieces(bytes, [&](size_t at, size_t n) {
    s.staging->download(static_cast<char*>(to) + at, static_cast<const char*>(from) + at, n, stream());
  });
}

void copy(void* to, const void* from, size_t bytes) {
  if (bytes) check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream()), "copy on the device");
}

void fill(void* to, int byte, size_t bytes) {
  if (bytes) check(cudaMemsetAsync(to, byte, bytes, stream()), "fill");
}

Stream stream() {
  const Stream engine = state().stream;
  return detail::thread_stream.given ? detail::thread_stream.stream : engine;
}
void synchronize() { check(cudaStreamSynchronize(stream()), "wait for the stream"); }

struct SideStream::Impl {
  cudaStream_t stream = nullptr;
};
SideStream::SideStream() : impl_(std::make_unique<Impl>()) {
  state();
  check(cudaStreamCreateWithFlags(&impl_->stream, cudaStreamNonBlocking), "stream");
}
SideStream::~SideStream() { cudaStreamDestroy(impl_->stream); }
Stream SideStream::get() const { return impl_->stream; }
void SideStream::to_device(void* to, const void* pinned, size_t bytes) {
  if (bytes == 0) return;
  check(cudaMemcpyAsync(to, pinned, bytes, cudaMemcpyHostToDevice, impl_->stream), concat("copy of ", bytes, " bytes"));
}
void SideStream::to_host(void* pinned, const void* from, size_t bytes) {
  if (bytes == 0) return;
  check(cudaMemcpyAsync(pinned, from, bytes, cudaMemcpyDeviceToHost, impl_->stream),
        concat("copy of ", bytes, " bytes"));
}
void SideStream::synchronize() { check(cudaStreamSynchronize(impl_->stream), "wait for a stream"); }

struct Event::Impl {
  cudaEvent_t event = nullptr;
};
Event::Event() : impl_(std::make_unique<Impl>()) {
  state();
  check(cudaEventCreate(&impl_->event), "event");
}
Event::~Event() { cudaEventDestroy(impl_->event); }
void Event::record() { check(cudaEventRecord(impl_->event, stream()), "event"); }
double Event::seconds_since(const Event& earlier) const {
  check(cudaEventSynchronize(impl_->event), "wait for an event");
  float milliseconds = 0;
  check(cudaEventElapsedTime(&milliseconds, earlier.impl_->event, impl_->event), "event time");
  return double(milliseconds) * 1e-3;
}

struct Graph::Impl {
  cudaGraphExec_t graph = nullptr;
};
Graph::Graph(const std::function<void()>& body) : impl_(std::make_unique<Impl>()) {
  const cudaStream_t on = stream();
  check(cudaStreamBeginCapture(on, cudaStreamCaptureModeThreadLocal), "start of a graph");
  cudaGraph_t recorded = nullptr;
  try {
    body();
  } catch (...) {
    cudaStreamEndCapture(on, &recorded);
    if (recorded) cudaGraphDestroy(recorded);
    throw;
  }
  check(cudaStreamEndCapture(on, &recorded), "end of a graph");
  const cudaError_t error = cudaGraphInstantiate(&impl_->graph, recorded, 0);
  cudaGraphDestroy(recorded);
  check(error, "instantiation of a graph");
}
Graph::~Graph() { cudaGraphExecDestroy(impl_->graph); }
void Graph::launch() const { check(cudaGraphLaunch(impl_->graph, stream()), "launch of a graph"); }

}  // namespace rft::device
