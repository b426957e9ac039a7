// A dense, contiguous, row-major array on one device. Copying a Tensor shares the memory; the memory goes back to its
// pool with the last copy. A tensor may carry a gradient of the same shape.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "simt/handles.h"
#include "tensor/pool.h"

namespace rft {

enum class Dtype : uint8_t { F32, BF16, I32, U8 };
size_t size_of(Dtype dtype);
const char* to_string(Dtype dtype);
template <class T>
constexpr Dtype dtype_of = Dtype::U8;
template <>
inline constexpr Dtype dtype_of<float> = Dtype::F32;
template <>
inline constexpr Dtype dtype_of<simt::bf16> = Dtype::BF16;
template <>
inline constexpr Dtype dtype_of<int32_t> = Dtype::I32;

using Shape = std::vector<int64_t>;
std::string to_string(const Shape& shape);  // "(2,3)"
int64_t element_count(const Shape& shape);

class Tensor {
 public:
  Tensor() = default;
  // Contents undefined.
  Tensor(std::shared_ptr<Pool> pool, Shape shape, Dtype dtype, Purpose purpose);

  // Memory of somebody else, which must outlive the tensor and its copies. It is not counted.
  static Tensor borrow(std::shared_ptr<Pool> pool, void* data, Shape shape, Dtype dtype);

  explicit operator bool() const { return body_ != nullptr; }
  const Shape& shape() const { return body_->shape; }
  int64_t dim(int i) const { return body_->shape[size_t(i)]; }
  int64_t rows() const { return body_->shape[0]; }
  // Elements of one row: the product of all dimensions but the first.
  int64_t columns() const { return rows() ? count() / rows() : 0; }
  int64_t count() const { return body_->count; }
  Dtype dtype() const { return body_->dtype; }
  size_t bytes() const { return size_t(count()) * size_of(dtype()); }
  const std::shared_ptr<Pool>& pool() const { return body_->block->pool; }
  bool has_memory() const { return body_ && body_->block; }  // false for slots
  Purpose purpose() const { return body_->purpose; }         // slots too

  Device device() const { return body_->block->pool->device(); }
  // On the CUDA device, or on META in its stead.
  bool on_cuda() const { return has_memory() && pool()->ops_device() == Device::Cuda; }

  // Host memory, nullptr on META. The element type is checked.
  float* f32() const { return static_cast<float*>(data(Dtype::F32, Device::Cpu)); }
  int32_t* i32() const { return static_cast<int32_t*>(data(Dtype::I32, Device::Cpu)); }
  uint16_t* bf16() const { return static_cast<uint16_t*>(data(Dtype::BF16, Device::Cpu)); }
  uint8_t* u8() const { return static_cast<uint8_t*>(data(Dtype::U8, Device::Cpu)); }
  // Device memory of a tensor on CUDA, for kernels: float, simt::bf16, int32_t or uint8_t, checked.
  template <class T>
  T* as() const {
    return static_cast<T*>(data(dtype_of<T>, Device::Cuda));
  }
  void* raw() const { return body_->block->data; }  // on whatever device; nullptr on META
  float* row(int64_t i) const { return f32() + i * columns(); }

  void zero() const;
  // Takes the memory of a tensor of the same shape and type, for all copies of this one; its own goes.
  void adopt(const Tensor& other) const;
  // The same memory under another shape, without history.
  Tensor alias(Shape shape) const;
  // Shape and gradient without the memory: what a tape closure keeps of a tensor whose values it does not read.
  Tensor slot() const;

  bool requires_grad() const { return body_ && body_->requires_grad; }
  void set_requires_grad(bool on) const { body_->requires_grad = on; }
  const Tensor& grad() const { return *body_->grad; }  // false when there is none yet
  void set_grad(Tensor g) const { *body_->grad = std::move(g); }
  // The element type in which a parameter's gradient is kept, F32 or BF16.
  Dtype grad_dtype() const { return body_->grad_dtype; }
  void set_grad_dtype(Dtype dtype) const { body_->grad_dtype = dtype; }
  bool memory_is_shared() const { return body_.use_count() > 1 || body_->block.use_count() > 1; }
  bool same_as(const Tensor& other) const { return body_ == other.body_; }

 private:
  struct Block {
    std::shared_ptr<Pool> pool;
    void* data;
    size_t bytes;
    Purpose purpose;
    bool owned;
    Block(std::shared_ptr<Pool> p, size_t bytes, Purpose purpose);
    Block(std::shared_ptr<Pool> p, void* borrowed, size_t bytes);
    ~Block();
  };
  struct Body {
    std::shared_ptr<Block> block;
    Shape shape;
    int64_t count;
    Dtype dtype;
    Purpose purpose = Purpose::Activations;
    bool requires_grad = false;
    Dtype grad_dtype = Dtype::F32;
    std::shared_ptr<Tensor> grad;  // one cell for a tensor and its slots
  };
  void* data(Dtype wanted, Device where) const;
  std::shared_ptr<Body> body_;
};

}  // namespace rft
