#include "tensor/tensor.h"

#include <cstring>

#include "device/device.h"

namespace rft {

size_t size_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::BF16: return 2;
    case Dtype::U8: return 1;
    default: return 4;
  }
}

std::string to_string(const Shape& shape) {
  std::string text = "(";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? "," : "") + std::to_string(shape[i]);
  return text + ")";
}

int64_t element_count(const Shape& shape) {
  int64_t n = 1;
  for (int64_t d : shape) n *= d;
  return n;
}

Tensor::Block::Block(std::shared_ptr<Pool> p, size_t bytes, Purpose purpose)
    : pool(std::move(p)), data(pool->allocate(bytes, purpose)), bytes(bytes), purpose(purpose), owned(true) {}

Tensor::Block::Block(std::shared_ptr<Pool> p, void* borrowed, size_t bytes)
    : pool(std::move(p)), data(borrowed), bytes(bytes), purpose(Purpose::Activations), owned(false) {}

Tensor::Block::~Block() {
  if (owned) pool->release(data, bytes, purpose);
}

Tensor Tensor::borrow(std::shared_ptr<Pool> pool, void* data, Shape shape, Dtype dtype) {
  Tensor out;
  out.body_ = std::make_shared<Body>();
  out.body_->count = element_count(shape);
  out.body_->shape = std::move(shape);
  out.body_->dtype = dtype;
  out.body_->grad = std::make_shared<Tensor>();
  out.body_->block = std::make_shared<Block>(std::move(pool), data, out.bytes());
  return out;
}

Tensor::Tensor(std::shared_ptr<Pool> pool, Shape shape, Dtype dtype, Purpose purpose)
    : body_(std::make_shared<Body>()) {
  body_->count = element_count(shape);
  body_->shape = std::move(shape);
  body_->dtype = dtype;
  body_->purpose = purpose;
  body_->grad = std::make_shared<Tensor>();
  body_->block = std::make_shared<Block>(std::move(pool), bytes(), purpose);
}

const char* to_string(Dtype dtype) {
  const char* names[] = {"F32", "BF16", "I32", "U8"};
  return names[size_t(dtype)];
}

void* Tensor::data(Dtype wanted, Device where) const {
  if (!body_->block) fail("tensor", "a tensor with memory", "a gradient slot");
  if (device() == Device::Meta) return nullptr;
  if (dtype() != wanted) fail("tensor", concat("element type ", to_string(wanted)), to_string(dtype()));
  const bool cuda = device() == Device::Cuda;
  if (cuda != (where == Device::Cuda) && count() > 0)
    fail("tensor", cuda ? "host memory (this operation has no CUDA kernel)" : "memory of the CUDA device",
         concat("a tensor ", to_string(shape()), cuda ? " on the CUDA device" : " of the host"));
  return body_->block->data;
}

void Tensor::zero() const {
  if (device() == Device::Cuda) device::fill(raw(), 0, bytes());
  else if (raw()) std::memset(raw(), 0, bytes());
}

void Tensor::adopt(const Tensor& other) const {
  if (other.shape() != shape() || other.dtype() != dtype())
    fail("adopt", concat(to_string(dtype()), " ", to_string(shape())),
         concat(to_string(other.dtype()), " ", to_string(other.shape())));
  body_->block = other.body_->block;
}

Tensor Tensor::alias(Shape shape) const {
  if (element_count(shape) != count()) fail("alias", concat(count(), " elements"), to_string(shape));
  Tensor out;
  out.body_ = std::make_shared<Body>();
  out.body_->block = body_->block;
  out.body_->count = count();
  out.body_->shape = std::move(shape);
  out.body_->dtype = dtype();
  out.body_->purpose = purpose();
  out.body_->grad = std::make_shared<Tensor>();
  return out;
}

Tensor Tensor::slot() const {
  Tensor out;
  if (!body_) return out;
  out.body_ = std::make_shared<Body>(*body_);
  out.body_->block = nullptr;
  return out;
}

}  // namespace rft
