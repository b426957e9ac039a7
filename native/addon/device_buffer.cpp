#include "addon/device_buffer.h"

#include "addon/convert.h"
#include "addon/jobs.h"
#include "tensor/values.h"

namespace rft {
namespace {

struct Kind {
  const char* name;
  Dtype dtype;
  napi_typedarray_type array;
  const char* array_name;
};
constexpr Kind kKinds[] = {{"f32", Dtype::F32, napi_float32_array, "a Float32Array"},
                           {"i32", Dtype::I32, napi_int32_array, "an Int32Array"},
                           {"u8", Dtype::U8, napi_uint8_array, "a Uint8Array"}};

const Kind& kind_of(Dtype dtype) {
  for (const Kind& kind : kKinds)
    if (kind.dtype == dtype) return kind;
  fail("device buffer", "F32, I32 or U8", to_string(dtype));
}

}  // namespace

const std::shared_ptr<Pool>& DeviceBuffer::pool() {
  static const auto* made = new std::shared_ptr<Pool>(std::make_shared<Pool>(Device::Cuda));  // outlives the driver
  return *made;
}

Napi::Function DeviceBuffer::define(Napi::Env env) {
  return DefineClass(
      env, "DeviceBuffer",
      {InstanceMethod<&DeviceBuffer::upload>("upload"), InstanceMethod<&DeviceBuffer::download>("download"),
       InstanceMethod<&DeviceBuffer::dispose>("dispose"), InstanceAccessor<&DeviceBuffer::length>("length"),
       InstanceAccessor<&DeviceBuffer::type>("type")});
}

DeviceBuffer* DeviceBuffer::from(const Napi::Value& value) {
  if (!value.IsObject()) return nullptr;
  const auto object = value.As<Napi::Object>();
  return object.InstanceOf(JobQueue::of(value.Env()).device_buffer_class.Value()) ? Unwrap(object) : nullptr;
}

Napi::Value DeviceBuffer::of(Napi::Env env, const Tensor& tensor) {
  const auto made = JobQueue::of(env).device_buffer_class.New(
      {Napi::String::New(env, kind_of(tensor.dtype()).name), Napi::Number::New(env, 0)});
  Unwrap(made)->tensor_ = tensor.alias({tensor.count()});
  return made;
}

DeviceBuffer::DeviceBuffer(const Napi::CallbackInfo& info) : Napi::ObjectWrap<DeviceBuffer>(info) {
  guarded(info.Env(), [&] {
    const std::string type = Field(info[0], "type").text();
    const int64_t length = Field(info[1], "length").integer();
    expect(length >= 0 && length <= int64_t{1} << 40, "device buffer length", "a number of elements from 0", length);
    for (const Kind& kind : kKinds)
      if (type == kind.name) tensor_ = Tensor(pool(), {length}, kind.dtype, Purpose::Workspace);
    expect(bool(tensor_), "device buffer type", "f32, i32 or u8", type);
  });
}

const Tensor& DeviceBuffer::tensor() const {
  expect(bool(tensor_), "device buffer", "a live one", "one that was disposed");
  return tensor_;
}

// upload(values): a typed array of its type and length
void DeviceBuffer::upload(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    const Tensor& to = tensor();
    const Kind& kind = kind_of(to.dtype());
    const bool right = info[0].IsTypedArray() && info[0].As<Napi::TypedArray>().TypedArrayType() == kind.array;
    expect(right, "device buffer upload", kind.array_name, "something else");
    const auto array = info[0].As<Napi::TypedArray>();
    expect(int64_t(array.ElementLength()) == to.count(), "device buffer upload", concat(to.count(), " values"),
           array.ElementLength());
    rft::upload(static_cast<const char*>(array.ArrayBuffer().Data()) + array.ByteOffset(), to);
  });
}

// download(): a typed array; waits for the device
Napi::Value DeviceBuffer::download(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Tensor& from = tensor();
    auto bytes = Napi::ArrayBuffer::New(info.Env(), from.bytes());
    rft::download(from, bytes.Data());
    const size_t n = size_t(from.count());
    if (from.dtype() == Dtype::F32) return Napi::Float32Array::New(info.Env(), n, bytes, 0);
    if (from.dtype() == Dtype::I32) return Napi::Int32Array::New(info.Env(), n, bytes, 0);
    return Napi::Uint8Array::New(info.Env(), n, bytes, 0);
  });
}

void DeviceBuffer::dispose(const Napi::CallbackInfo&) { tensor_ = {}; }

Napi::Value DeviceBuffer::length(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value { return Napi::Number::New(info.Env(), double(tensor().count())); });
}

Napi::Value DeviceBuffer::type(const Napi::CallbackInfo& info) {
  return guarded(info.Env(),
                 [&]() -> Napi::Value { return Napi::String::New(info.Env(), kind_of(tensor().dtype()).name); });
}

}  // namespace rft
