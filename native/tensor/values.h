// The numbers of tensors: moving them between host and device, and the little arithmetic that tensors need themselves.
// All do nothing on META.
#pragma once
#include <vector>

#include "tensor/tensor.h"

namespace rft {

// F32 or BF16 -> host floats. Waits for the device.
std::vector<float> to_floats(const Tensor& t);
// Elements [begin, begin + n) as floats; BF16 rounds to nearest even.
void read_floats(const Tensor& t, int64_t begin, int64_t n, float* out);
void write_floats(const Tensor& t, int64_t begin, int64_t n, const float* in);
// A tensor's bytes -> host memory. Waits for the device.
void download(const Tensor& from, void* to);
// The same of a U8 tensor, as they are.
void read_bytes(const Tensor& t, int64_t begin, int64_t n, uint8_t* out);
void write_bytes(const Tensor& t, int64_t begin, int64_t n, const uint8_t* in);
// Host memory -> a tensor with these bytes.
void upload(const void* from, const Tensor& to);

// Same device, same number of elements; F32 and BF16 are converted into each other.
void copy_values(const Tensor& from, const Tensor& to);
// sum = a + b, one element type; sum may be a or b.
void add_values(const Tensor& a, const Tensor& b, const Tensor& sum);
// sum (BF16) += x (F32), rounded to nearest even.
void add_rounded(const Tensor& x, const Tensor& sum);
// own = share x other + (1 - share) x own; same device, element type and number of elements.
void mix_values(const Tensor& other, float share, const Tensor& own);
// `count` rows of x from `begin` on -> a new tensor of the same device and element type.
Tensor copy_rows(const Tensor& x, int64_t begin, int64_t count, Purpose purpose);

}  // namespace rft
