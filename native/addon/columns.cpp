#include "addon/columns.h"

namespace rft {
namespace {

template <class T>
struct ArrayOf;
template <>
struct ArrayOf<float> {
  static constexpr napi_typedarray_type kType = napi_float32_array;
  static constexpr const char *kName = "a Float32Array", *kBuffer = "f32";
};
template <>
struct ArrayOf<int32_t> {
  static constexpr napi_typedarray_type kType = napi_int32_array;
  static constexpr const char *kName = "an Int32Array", *kBuffer = "i32";
};
template <>
struct ArrayOf<uint8_t> {
  static constexpr napi_typedarray_type kType = napi_uint8_array;
  static constexpr const char *kName = "a Uint8Array", *kBuffer = "u8";
};

}  // namespace

void Columns::settle(const Field& f, Place place) {
  if (place_ == Place::Unknown) place_ = place;
  if (place_ != place)
    fail(f.path(),
         place_ == Place::Device ? "a DeviceBuffer, as the other columns are" : "a typed array, as the others",
         place == Place::Device ? "a DeviceBuffer" : "a typed array");
}

template <class T>
Column<T> Columns::any(const Field& f) {
  if (const DeviceBuffer* buffer = DeviceBuffer::from(f.value())) {
    settle(f, Place::Device);
    const Tensor& tensor = buffer->tensor();
    expect(tensor.dtype() == dtype_of<T>, f.path(), concat("a DeviceBuffer of type ", ArrayOf<T>::kBuffer),
           to_string(tensor.dtype()));
    return {static_cast<const T*>(tensor.raw()), tensor.count()};
  }
  const bool right = f.value().IsTypedArray() && f.value().As<Napi::TypedArray>().TypedArrayType() == ArrayOf<T>::kType;
  expect(right, f.path(), concat(ArrayOf<T>::kName, place_ == Place::Device ? " in a DeviceBuffer" : ""),
         "something else");
  settle(f, Place::Host);
  const auto array = f.value().As<Napi::TypedArrayOf<T>>();
  return {array.Data(), int64_t(array.ElementLength())};
}

template <class T>
const T* Columns::of(const Field& f, int64_t n) {
  const Column<T> column = any<T>(f);
  expect(column.size == n, f.path(), concat(n, " values"), column.size);
  return column.data;
}

template <class T>
OutColumn<T> Columns::out(int64_t n) {
  if (place_ != Place::Device) {
    auto array = Napi::TypedArrayOf<T>::New(env_, size_t(n), ArrayOf<T>::kType);
    return {array, array.Data()};
  }
  const Tensor tensor(DeviceBuffer::pool(), {n}, dtype_of<T>, Purpose::Workspace);
  return {DeviceBuffer::of(env_, tensor), static_cast<T*>(tensor.raw())};
}

Ctx Columns::ctx() const {
  static const auto host = std::make_shared<Pool>(Device::Cpu);
  return {place_ == Place::Device ? DeviceBuffer::pool() : host};
}

template Column<float> Columns::any(const Field&);
template Column<int32_t> Columns::any(const Field&);
template Column<uint8_t> Columns::any(const Field&);
template const float* Columns::of(const Field&, int64_t);
template const int32_t* Columns::of(const Field&, int64_t);
template const uint8_t* Columns::of(const Field&, int64_t);
template OutColumn<float> Columns::out(int64_t);
template OutColumn<uint8_t> Columns::out(int64_t);

}  // namespace rft
