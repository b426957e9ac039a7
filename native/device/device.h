// The CUDA device as the rest of the engine sees it: memory, copies, one stream, events, graphs. Three implementations
// of this header, of which a build has one:
//
//   none.cpp      builds without CUDA: says so
//   cuda.cpp      the CUDA runtime, linked statically; loads and explains itself without a driver
//   emulated.cpp  the emulator of native/simt, in tests
//
// Everything of a thread runs on one stream in order, so memory may be handed on as soon as it is released. Errors name
// the call and the kernel launched before it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "simt/handles.h"

namespace rft {

#ifdef RFT_HAVE_CUDA
constexpr bool kCudaBuilt = true;
#else
constexpr bool kCudaBuilt = false;
#endif

namespace device {

using Stream = simt::Stream;

struct Properties {
  std::string name;
  int major = 0, minor = 0;  // compute capability
  int multiprocessors = 0;
  int64_t memory = 0;            // bytes in all
  int64_t shared_per_block = 0;  // bytes, after asking for them
  int64_t l2 = 0;                // bytes
};

// What is there, or why nothing is. Asked once; never throws.
struct Probe {
  bool available = false;
  // "", "not-built", "no-driver", "driver-too-old", "no-device", "no-kernel-image" or "error"
  std::string reason;
  std::string message;  // the reason in a sentence, with versions and a remedy
  int driver = 0;       // version as CUDA counts, 13000 for 13.0; 0: none
  int runtime = 0;
  std::vector<Properties> devices;
};
const Probe& probe();
// Throws `cuda: ...` with the probe's message when there is no device.
void require();

void* allocate(size_t bytes);  // 256-byte aligned; nullptr when the device has no room
void release(void* memory);    // after all work that was queued
int64_t free_bytes();

// Pinned memory of the host, which the device reads and writes beside its kernels; nullptr when there is no room.
void* allocate_pinned(size_t bytes);
void release_pinned(void* memory);

// Host memory is free for other use when these return; to_host waits for the stream.
void to_device(void* to, const void* from, size_t bytes);
void to_host(void* to, const void* from, size_t bytes);
// Queued on the stream, as kernels are.
void copy(void* to, const void* from, size_t bytes);
void fill(void* to, int byte, size_t bytes);

// Of the calling thread: the engine's, or that of the OnStream that lives.
Stream stream();
void synchronize();

namespace detail {
struct ThreadStream {
  bool given = false;
  Stream stream = nullptr;
};
inline thread_local ThreadStream thread_stream;
}  // namespace detail

// While it lives, what this thread asks of the device goes to the caller's own stream.
class OnStream {
 public:
  explicit OnStream(Stream own) : outer_(detail::thread_stream) { detail::thread_stream = {true, own}; }
  ~OnStream() { detail::thread_stream = outer_; }
  OnStream(const OnStream&) = delete;
  OnStream& operator=(const OnStream&) = delete;

 private:
  detail::ThreadStream outer_;
};

// A stream of its own, whose copies and kernels run beside those of the main one. Nothing orders the two but the host:
// what a side stream reads must be there before (synchronize()), and what it writes is there after its synchronize().
class SideStream {
 public:
  SideStream();
  ~SideStream();
  SideStream(const SideStream&) = delete;
  SideStream& operator=(const SideStream&) = delete;

  Stream get() const;
  // Queued; the host's side is pinned memory.
  void to_device(void* to, const void* pinned, size_t bytes);
  void to_host(void* pinned, const void* from, size_t bytes);
  void synchronize();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// A point in the stream's work.
class Event {
 public:
  Event();
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  void record();
  double seconds_since(const Event& earlier) const;  // waits for both

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Kernels, copies and fills recorded once and launched many times with the same arguments. While it records, `body` may
// neither allocate from the device nor move data between it and the host.
class Graph {
 public:
  explicit Graph(const std::function<void()>& body);
  ~Graph();
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;
  void launch() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace device
}  // namespace rft
