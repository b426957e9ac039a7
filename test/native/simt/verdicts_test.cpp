// The checks that need no asynchronous hardware: small kernels, correct or with one planted bug, and the verdict that
// each must get.
#include "harness.h"

using namespace rft::simt;
using namespace rft::test;

namespace {

__constant__ const float kTable[4] = {1, 2, 4, 8};

__global__ void shuffles(int* out) {
  const int t = int(threadIdx.x), v = t * 10;
  int right = 0;
  right += __shfl_sync(~0u, v, 3, 8) == (t & ~7) * 10 + 30;
  right += __shfl_xor_sync(~0u, v, 5) == (t ^ 5) * 10;
  right += __shfl_down_sync(~0u, v, 4, 16) == ((t & 15) + 4 < 16 ? v + 40 : v);
  right += __shfl_up_sync(~0u, v, 4) == (t >= 4 ? v - 40 : v);
  right += __ballot_sync(~0u, t & 1) == 0xaaaaaaaau;
  right += __any_sync(~0u, t == 31) && !__all_sync(~0u, t < 31) && __all_sync(~0u, 1);
  if (t & 1) right += __ballot_sync(0xaaaaaaaau, t > 15) == 0xaaaa0000u;  // two masks in progress at once
  else right += __ballot_sync(0x55555555u, t > 15) == 0x55550000u;
  right += kTable[t % 4] == float(1 << t % 4);
  right += __shfl_sync(~0u, t * 0.5, 30) == 15.0;
  out[t] = right;
}

__global__ void indices(int* out) {
  const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  out[block * blockDim.x * blockDim.y * blockDim.z + thread] = int(block * 1000 + thread);
}

__global__ void exchange_in_warp(int* out, bool sync) {
  SIMT_SHARED(int, s, [32]);
  s[threadIdx.x] = int(threadIdx.x);
  if (sync) __syncwarp();
  out[threadIdx.x] = s[threadIdx.x ^ 1];
}

__global__ void exchange_in_block(int* out, bool sync) {
  SIMT_SHARED(int, s, [64]);
  s[threadIdx.x] = int(threadIdx.x);
  if (sync) __syncthreads();
  out[threadIdx.x] = s[threadIdx.x ^ 33];
}

__global__ void reuse_tile(int* out, bool second_barrier) {
  SIMT_SHARED(int, s, [64]);
  int sum = 0;
  for (int i = 0; i < 3; ++i) {
    s[threadIdx.x] = i;
    __syncthreads();
    sum += s[threadIdx.x ^ 33];
    if (second_barrier) __syncthreads();
  }
  out[threadIdx.x] = sum;
}

// A shuffle is no barrier for memory.
__global__ void shuffle_as_barrier(int* out) {
  SIMT_SHARED(int, s, [32]);
  s[threadIdx.x] = __shfl_sync(~0u, int(threadIdx.x), 0);
  const int ignored = __shfl_sync(~0u, 1, 0);
  out[threadIdx.x] = s[threadIdx.x ^ 1] + ignored;
}

__global__ void produce_and_consume(int* out) {  // warp 0 arrives, warp 1 waits
  SIMT_SHARED(int, s, [32]);
  if (threadIdx.x < 32) {
    s[threadIdx.x] = int(threadIdx.x);
    emulator::named_barrier(1, 64, false, std::source_location::current());
  } else {
    emulator::named_barrier(1, 64, true, std::source_location::current());
    out[threadIdx.x - 32] = s[63 - threadIdx.x];
  }
}

__global__ void nobody_arrives(int*) {
  if (threadIdx.x < 32) emulator::named_barrier(1, 64, true, std::source_location::current());
}

__global__ void barrier_in_both_arms(int* out) {
  if (threadIdx.x < 32) __syncthreads();
  else __syncthreads();
  out[threadIdx.x] = 1;
}

__global__ void barrier_for_some(int* out, unsigned count) {
  if (threadIdx.x < count) __syncthreads();
  out[threadIdx.x] = 1;
}

__global__ void shuffle_by_some(int* out) {
  int v = int(threadIdx.x);
  if (threadIdx.x < 16) v = __shfl_xor_sync(0xffffu, v, 16);  // reads lanes outside the mask
  out[threadIdx.x] = v;
}

__global__ void votes(int* out) {
  out[threadIdx.x] = __syncthreads_count(threadIdx.x < 20) + 100 * __syncthreads_or(threadIdx.x == 63) +
                     1000 * __syncthreads_and(threadIdx.x < 63);
}

__global__ void histogram(int* out, bool atomic) {
  if (atomic) atomicAdd(&out[threadIdx.x % 4], 1);
  else out[threadIdx.x] += 1;
}

__global__ void last_block_sums(int* out, int* part, int* counter, bool fence) {
  SIMT_SHARED(int, last, );
  part[blockIdx.x * 32 + threadIdx.x] = int(blockIdx.x);
  if (fence) __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) {
    if (fence) __threadfence();
    last = atomicAdd(counter, 1) == int(gridDim.x) - 1;
  }
  __syncthreads();
  if (!last) return;
  int sum = 0;
  for (unsigned b = 0; b < gridDim.x; ++b) sum += part[b * 32 + threadIdx.x];
  out[threadIdx.x] = sum;
}

__global__ void copy(const int* in, int* out) { out[threadIdx.x] = in[threadIdx.x]; }
__global__ void copy_some(const int* in, int* out) {
  if (threadIdx.x != 5) out[threadIdx.x] = in[threadIdx.x];
}
__global__ void shift_in_place(int* x) {  // block b reads what block b + 1 overwrites
  const unsigned i = blockIdx.x * 32 + threadIdx.x;
  const int v = i + 32 < gridDim.x * 32 ? x[i + 32] : 0;
  x[i] = v;
}
__global__ void reverse_in_place(int* x, bool sync) {
  const int v = x[63 - threadIdx.x];
  if (sync) __syncthreads();
  x[threadIdx.x] = v;
}

__global__ void overflow_shared(int* out) {
  SIMT_SHARED(int, a, [32]);
  SIMT_SHARED(int, b, [32]);
  a[threadIdx.x + 1] = 1;
  b[threadIdx.x] = 2;
  __syncthreads();
  out[threadIdx.x] = a[threadIdx.x] + b[threadIdx.x];
}

__global__ void forget_shared(int* out) {
  SIMT_SHARED(int, a, [33]);
  a[threadIdx.x] = 1;
  __syncthreads();
  out[threadIdx.x] = a[threadIdx.x + 1];
}

__global__ void use_dynamic(int* out) {
  SIMT_DYN_SHARED(bytes);
  int* s = reinterpret_cast<int*>(bytes);
  s[threadIdx.x] = int(threadIdx.x);
  __syncthreads();
  out[threadIdx.x] = s[threadIdx.x ^ 33];
}

__global__ void load_vector(const float* in, float* out, int offset) {
  const float4 v = *reinterpret_cast<const float4*>(in + offset + threadIdx.x * 4);
  out[threadIdx.x] = v.x + v.w;
}

__global__ void atomic_at(int* out, int byte) {
  atomicAdd(reinterpret_cast<int*>(reinterpret_cast<char*>(out) + byte), 1);
}

__global__ void wait_for_flag(int* out, int* flag, bool release) {
  if (release && threadIdx.x == blockDim.x - 1) atomicExch(flag, 1);
  while (atomicAdd(flag, 0) == 0) {
  }
  out[threadIdx.x] = 1;
}

template <class... P, class... A>
void run(void (*kernel)(P...), unsigned threads, const A&... args) {
  launch(Launch{"verdict", dim3(1), dim3(threads)}, kernel, args...);
}

std::vector<int> ones(size_t n) { return std::vector<int>(n, 1); }

void check_correct_kernels() {
  expect_clean("shuffles, votes and constants", [] {
    Buffer<int> out(32);
    run(shuffles, 32, out.get());
    return compare(out, [](int) { return 9; });
  });
  expect_clean("indices in three dimensions", [] {
    Buffer<int> out(24 * 30);
    launch(Launch{"indices", dim3(2, 3, 4), dim3(5, 3, 2)}, indices, out.get());
    return compare(out, [](int i) { return i / 30 * 1000 + i % 30; });
  });
  expect_clean("exchange with __syncwarp", [] {
    Buffer<int> out(32);
    run(exchange_in_warp, 32, out.get(), true);
    return compare(out, [](int i) { return i ^ 1; });
  });
  expect_clean("exchange with __syncthreads", [] {
    Buffer<int> out(64);
    run(exchange_in_block, 64, out.get(), true);
    return compare(out, [](int i) { return i ^ 33; });
  });
  expect_clean("tile used again after a second barrier", [] {
    Buffer<int> out(64);
    run(reuse_tile, 64, out.get(), true);
    return compare(out, [](int) { return 3; });
  });
  expect_clean("named barrier", [] {
    Buffer<int> out(32);
    run(produce_and_consume, 64, out.get());
    return compare(out, [](int i) { return 31 - i; });
  });
  expect_clean("block votes", [] {
    Buffer<int> out(64);
    run(votes, 64, out.get());
    return compare(out, [](int) { return 120; });
  });
  expect_clean("atomics from several blocks", [] {
    Buffer<int> out(std::vector<int>(4, 0));
    launch(Launch{"histogram", dim3(5), dim3(64)}, histogram, out.get(), true);
    return compare(out, [](int) { return 80; });
  });
  expect_clean("dynamic shared memory", [] {
    Buffer<int> out(64);
    launch(Launch{"dynamic", dim3(1), dim3(64), 256}, use_dynamic, out.get());
    return compare(out, [](int i) { return i ^ 33; });
  });
  expect_clean("in place with a barrier", [] {
    Buffer<int> x(ones(64));
    run(reverse_in_place, 64, x.get(), true);
    return std::string();
  });
  expect_clean("spinning on another thread of the block", [] {
    Buffer<int> out(64), flag(std::vector<int>(1, 0));
    run(wait_for_flag, 64, out.get(), flag.get(), true);
    return compare(out, [](int) { return 1; });
  });
}

std::string last_block(bool fence) {
  Buffer<int> out(32), part(8 * 32), counter(std::vector<int>(1, 0));
  launch(Launch{"last block", dim3(8), dim3(32)}, last_block_sums, out.get(), part.get(), counter.get(), fence);
  return compare(out, [](int) { return 28; });
}

void check_races() {
  expect_clean("last block, with fence", [] { return last_block(true); });
  expect_report_if_checked("last block, no fence", "race", [] { last_block(false); });
  Buffer<int> out(64);
  expect_report_if_checked("exchange, no __syncwarp", "race", [&] { run(exchange_in_warp, 32, out.get(), false); });
  expect_report_if_checked("exchange, no __syncthreads", "race", [&] { run(exchange_in_block, 64, out.get(), false); });
  expect_report_if_checked("tile used again, one barrier", "race", [&] { run(reuse_tile, 64, out.get(), false); });
  expect_report_if_checked("shuffle taken for a barrier", "race", [&] { run(shuffle_as_barrier, 32, out.get()); });
  expect_report_if_checked("plain add from several blocks", "race", [] {
    Buffer<int> sums(std::vector<int>(64, 0));
    launch(Launch{"histogram", dim3(5), dim3(64)}, histogram, sums.get(), false);
  });
  expect_report_if_checked("block reads what another overwrites", "race", [] {
    Buffer<int> x(ones(128));
    launch(Launch{"shift", dim3(4), dim3(32)}, shift_in_place, x.get());
  });
  expect_report_if_checked("in place, no barrier", "race", [] {
    Buffer<int> x(ones(64));
    run(reverse_in_place, 64, x.get(), false);
  });
}

void check_bounds_and_values() {
  Buffer<int> out(64);
  expect_report_if_checked("host pointer", "bounds", [&] {
    const std::vector<int> host = ones(64);
    run(copy, 64, host.data(), out.get());
  });
  expect_report_if_checked("use after free", "bounds", [&] {
    const int* gone = Buffer<int>(ones(64)).get();
    run(copy, 64, gone, out.get());
  });
  expect_report_if_checked("read past the end", "bounds", [&] {
    Buffer<int> in(ones(63));
    run(copy, 64, in.get(), out.get());
  });
  expect_report("write past the end", "bounds", [&] {  // a fast build sees the damaged red zone
    Buffer<int> in(ones(64)), small(63);
    run(copy, 64, in.get(), small.get());
  });
  expect_report_if_checked("shared array overflow", "bounds", [&] { run(overflow_shared, 32, out.get()); });
  expect_report_if_checked("uninitialised input", "uninitialised", [&] {
    Buffer<int> in(64);
    run(copy, 64, in.get(), out.get());
  });
  expect_report_if_checked("uninitialised shared memory", "uninitialised", [&] { run(forget_shared, 32, out.get()); });
  expect_report("misaligned vector load", "misaligned", [] {
    Buffer<float> in(std::vector<float>(200, 1.0f)), sums(32);
    run(load_vector, 32, in.get(), sums.get(), 1);
  });
  expect_report("misaligned atomic", "misaligned", [&] { run(atomic_at, 32, out.get(), 2); });
  if (!kCheckedBuild) return;
  Buffer<int> in(ones(64)), partial(64);
  run(copy_some, 64, in.get(), partial.get());
  report("output that is not written", partial.all_written() ? "taken for written" : "");
}

void check_divergence() {
  Buffer<int> out(64);
  expect_report("barrier nobody arrives at", "deadlock", [&] { run(nobody_arrives, 64, out.get()); });
  expect_report("__syncthreads in both arms", "divergence", [&] { run(barrier_in_both_arms, 64, out.get()); });
  expect_report("__syncthreads for some threads", "divergence", [&] { run(barrier_for_some, 64, out.get(), 40u); });
  expect_report("shuffle from outside the mask", "shuffle", [&] { run(shuffle_by_some, 32, out.get()); });
  expect_report("spinning on another block", "livelock", [&] {
    Buffer<int> flag(std::vector<int>(1, 0));
    run(wait_for_flag, 1, out.get(), flag.get(), false);
  });
}

// Reports name both source lines and the memory.
void check_report_text() {
  if (!kCheckedBuild) return;
  use(kSchedules[0]);
  config().throw_on_report = false;
  Buffer<int> out(64);
  run(exchange_in_block, 64, out.get(), false);
  std::string text = "no race";
  for (const Report& r : reports())
    if (r.kind == "race") text = r.full_text();
  const size_t first = text.find("verdicts_test.cpp:"), second = text.find("verdicts_test.cpp:", first + 1);
  const bool good = text.find("shared 's' byte") != std::string::npos && second != std::string::npos;
  report("a race names the variable and both lines", good ? "" : text);
}

void check_launches() {
  Buffer<int> out(64);
  const auto refused = [&](const Launch& l) {
    try {
      launch(l, use_dynamic, out.get());
    } catch (const rft::Error& e) {
      return std::string(e.what()).find("expected") != std::string::npos ? "" : e.what();
    }
    return "accepted";
  };
  report("too much shared memory", refused(Launch{"k", dim3(1), dim3(64), 300000}));
  report("too many threads", refused(Launch{"k", dim3(1), dim3(2048), 256}));
  report("empty grid", refused(Launch{"k", dim3(0), dim3(64), 256}));
}

}  // namespace

int main() {
  check_correct_kernels();
  check_races();
  check_bounds_and_values();
  check_divergence();
  check_report_text();
  check_launches();
  return failures != 0;
}
