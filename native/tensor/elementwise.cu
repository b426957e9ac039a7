#include "tensor/elementwise.cuh"

#include "tensor/launch.h"

namespace rft::cuda {
namespace {

template <class T>
void run_add(const T* a, const T* b, T* y, int64_t n, Stream stream) {
  if (n == 0) return;
  const bool packed = packable(n, sizeof(T), a, b, y);
  const int64_t items = packed ? n / kLanes<T> : n;
  const Launch l{"add", dim3(unsigned(ceil_div<int64_t>(items, 256))), dim3(256), 0, stream};
  if (packed) launch(l, add_kernel<T, true>, a, b, y, n);
  else launch(l, add_kernel<T, false>, a, b, y, n);
}

template <class T>
void run_mix(const T* other, float share, T* own, int64_t n, Stream stream) {
  if (n > 0) launch(over_items("mix", n, stream), mix_kernel<T>, other, share, own, n);
}

template <class From, class To>
void run_convert(const From* x, To* y, int64_t n, Stream stream) {
  if (n == 0) return;
  const Launch l{"convert", dim3(unsigned(ceil_div<int64_t>(n, 256))), dim3(256), 0, stream};
  launch(l, convert_kernel<From, To>, x, y, n);
}

}  // namespace

void add(const float* a, const float* b, float* y, int64_t n, Stream stream) { run_add(a, b, y, n, stream); }
void add(const bf16* a, const bf16* b, bf16* y, int64_t n, Stream stream) { run_add(a, b, y, n, stream); }
void add_rounded(const float* x, bf16* y, int64_t n, Stream stream) {
  if (n > 0) launch(over_items("add_rounded", n, stream), add_rounded_kernel, x, y, n);
}
void mix(const float* other, float share, float* own, int64_t n, Stream stream) {
  run_mix(other, share, own, n, stream);
}
void mix(const bf16* other, float share, bf16* own, int64_t n, Stream stream) { run_mix(other, share, own, n, stream); }
void convert(const float* x, bf16* y, int64_t n, Stream stream) { run_convert(x, y, n, stream); }
void convert(const bf16* x, float* y, int64_t n, Stream stream) { run_convert(x, y, n, stream); }
void to_bytes(const int32_t* x, int64_t n, uint8_t* y, Stream stream) {
  if (n > 0) launch(over_items("to_bytes", ceil_div<int64_t>(n, 4), stream), to_bytes_kernel, x, n, y);
}

}  // namespace rft::cuda
