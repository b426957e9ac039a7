#include "tensor/values.h"

#include <algorithm>
#include <cstring>

#include "base/parallel_for.h"
#include "simd/vmath.h"
#include "tensor/ctx.h"
#include "tensor/dispatch.h"
#include "tensor/launch.h"

namespace rft {
namespace {

bool is_meta(const Tensor& t) { return t.device() == Device::Meta || t.count() == 0; }

char* byte(const Tensor& t, int64_t element) {
  return static_cast<char*>(t.raw()) + size_t(element) * size_of(t.dtype());
}

void from_device_or_host(const Tensor& t, void* to, const void* from, size_t bytes) {
  if (t.on_cuda()) device::to_host(to, from, bytes);
  else std::memcpy(to, from, bytes);
}

void to_device_or_host(const Tensor& t, void* to, const void* from, size_t bytes) {
  if (t.on_cuda()) device::to_device(to, from, bytes);
  else std::memcpy(to, from, bytes);
}

void expect_numbers(const Tensor& t) {
  expect(t.dtype() == Dtype::F32 || t.dtype() == Dtype::BF16, "tensor", "element type F32 or BF16",
         to_string(t.dtype()));
}

}  // namespace

void read_floats(const Tensor& t, int64_t begin, int64_t n, float* out) {
  expect_numbers(t);
  if (is_meta(t) || n == 0) return;
  if (t.dtype() == Dtype::F32) return from_device_or_host(t, out, byte(t, begin), size_t(n) * 4);
  std::vector<uint16_t> half(static_cast<size_t>(n));
  from_device_or_host(t, half.data(), byte(t, begin), size_t(n) * 2);
  simd::bf16_to_f32(half.data(), out, n);
}

void write_floats(const Tensor& t, int64_t begin, int64_t n, const float* in) {
  expect_numbers(t);
  if (is_meta(t) || n == 0) return;
  if (t.dtype() == Dtype::F32) return to_device_or_host(t, byte(t, begin), in, size_t(n) * 4);
  std::vector<uint16_t> half(static_cast<size_t>(n));
  simd::f32_to_bf16(in, half.data(), n);
  to_device_or_host(t, byte(t, begin), half.data(), size_t(n) * 2);
}

void read_bytes(const Tensor& t, int64_t begin, int64_t n, uint8_t* out) {
  expect(t.dtype() == Dtype::U8, "tensor", "element type U8", to_string(t.dtype()));
  if (!is_meta(t) && n > 0) from_device_or_host(t, out, byte(t, begin), size_t(n));
}

void write_bytes(const Tensor& t, int64_t begin, int64_t n, const uint8_t* in) {
  expect(t.dtype() == Dtype::U8, "tensor", "element type U8", to_string(t.dtype()));
  if (!is_meta(t) && n > 0) to_device_or_host(t, byte(t, begin), in, size_t(n));
}

std::vector<float> to_floats(const Tensor& t) {
  std::vector<float> out(static_cast<size_t>(t.count()));
  read_floats(t, 0, t.count(), out.data());
  return out;
}

void upload(const void* from, const Tensor& to) {
  if (!is_meta(to)) to_device_or_host(to, to.raw(), from, to.bytes());
}

void download(const Tensor& from, void* to) {
  if (!is_meta(from)) from_device_or_host(from, to, from.raw(), from.bytes());
}

void copy_values(const Tensor& from, const Tensor& to) {
  expect(from.count() == to.count() && from.device() == to.device(), "copy",
         concat("a tensor ", to_string(from.shape()), " of the same device"), to_string(to.shape()));
  if (is_meta(to)) return;
  if (from.dtype() == to.dtype()) {
    if (to.on_cuda()) device::copy(to.raw(), from.raw(), to.bytes());
    else std::memcpy(to.raw(), from.raw(), to.bytes());
    return;
  }
  expect_numbers(from);
  expect_numbers(to);
  if (to.on_cuda())
    return cuda::on_stream(Ctx{to.pool()}, [&](auto stream) {
      if (to.dtype() == Dtype::BF16) cuda::convert(from.as<float>(), to.as<simt::bf16>(), to.count(), stream);
      else cuda::convert(from.as<simt::bf16>(), to.as<float>(), to.count(), stream);
    });
  if (to.dtype() == Dtype::BF16) simd::f32_to_bf16(from.f32(), to.bf16(), to.count());
  else simd::bf16_to_f32(from.bf16(), to.f32(), to.count());
}

void add_values(const Tensor& a, const Tensor& b, const Tensor& sum) {
  if (is_meta(sum)) return;
  if (sum.on_cuda())
    return cuda::by_dtype(
        sum, [&]<class T>(T*) { cuda::add(a.as<T>(), b.as<T>(), sum.as<T>(), sum.count(), cuda::stream()); });
  const float *pa = a.f32(), *pb = b.f32();
  float* out = sum.f32();
  parallel_ranges(sum.count(), 16384, [&](int64_t i, int64_t e) { simd::add(pa + i, pb + i, out + i, e - i); });
}

void add_rounded(const Tensor& x, const Tensor& sum) {
  if (is_meta(sum)) return;
  if (sum.on_cuda())
    return cuda::on_stream(Ctx{sum.pool()}, [&](auto stream) {
      cuda::add_rounded(x.as<float>(), sum.as<simt::bf16>(), sum.count(), stream);
    });
  const float* from = x.f32();
  uint16_t* to = sum.bf16();
  parallel_ranges(sum.count(), 16384, [&](int64_t begin, int64_t end) {
    float wide[256];
    for (int64_t i = begin; i < end; i += 256) {
      const int64_t n = std::min<int64_t>(256, end - i);
      simd::bf16_to_f32(to + i, wide, n);
      simd::add(wide, from + i, wide, n);
      simd::f32_to_bf16(wide, to + i, n);
    }
  });
}

void mix_values(const Tensor& other, float share, const Tensor& own) {
  expect(other.count() == own.count() && other.device() == own.device() && other.dtype() == own.dtype(), "mix",
         concat("a tensor ", to_string(own.shape()), " of the same device and element type"), to_string(other.shape()));
  if (is_meta(own)) return;
  if (own.on_cuda())
    return cuda::by_dtype(
        own, [&]<class T>(T*) { cuda::mix(other.as<T>(), share, own.as<T>(), own.count(), cuda::stream()); });
  const float* from = other.f32();
  float* to = own.f32();
  parallel_ranges(own.count(), 16384, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) to[i] = share * from[i] + (1.0f - share) * to[i];
  });
}

Tensor copy_rows(const Tensor& x, int64_t begin, int64_t count, Purpose purpose) {
  Tensor out(x.pool(), {count, x.columns()}, x.dtype(), purpose);
  if (is_meta(out)) return out;
  if (out.on_cuda()) device::copy(out.raw(), byte(x, begin * x.columns()), out.bytes());
  else std::memcpy(out.raw(), byte(x, begin * x.columns()), out.bytes());
  return out;
}

Tensor Ctx::from(const int32_t* data, Shape shape) const {
  Tensor t = empty(std::move(shape), Dtype::I32);
  upload(data, t);
  return t;
}

Tensor Ctx::from(const float* data, Shape shape) const {
  Tensor t = empty(std::move(shape));
  upload(data, t);
  return t;
}

}  // namespace rft
