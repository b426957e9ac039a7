// How host code reaches its kernels:
//
//   if (ctx.cuda()) return cuda::by_dtype(x, [&]<class T>(T*) { cuda::gelu(x.as<T>(), y.as<T>(), x.count(), stream());
//   });
//
// The body is compiled for float and bf16, and only in builds with CUDA: in others its launches are never named, so an
// addon without kernels links. It does not run on META: bodies launch, and memory is taken outside of them.
#pragma once
#include "tensor/ctx.h"

namespace rft::cuda {

inline simt::Stream stream() { return device::stream(); }

// Element `first` of a tensor on the device; bf16 is an incomplete type here, so pointers to it cannot be added to.
template <class T>
T* at(const Tensor& x, int64_t first) {
  return reinterpret_cast<T*>(reinterpret_cast<char*>(x.as<T>()) + first * int64_t(size_of(x.dtype())));
}

// Calls body with a null pointer of the tensor's element type, unless the tensor is on META.
template <class Body>
void by_dtype(const Tensor& x, const Body& body) {
  if constexpr (kCudaBuilt) {
    if (x.device() == Device::Meta) return;
    if (x.dtype() == Dtype::F32) body(static_cast<float*>(nullptr));
    else if (x.dtype() == Dtype::BF16) body(static_cast<simt::bf16*>(nullptr));
    else fail("tensor", "element type F32 or BF16", to_string(x.dtype()));
  }
}

// The same for code of one element type: body(simt::Stream), which must be a generic lambda.
template <class Body>
void on_stream(const Ctx& ctx, const Body& body) {
  if constexpr (kCudaBuilt)
    if (!ctx.meta()) body(stream());
}

}  // namespace rft::cuda
