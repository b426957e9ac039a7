// A column on the CUDA device, as a JavaScript object: what the stand-alone kernels take where they take typed arrays.
#pragma once
#include <napi.h>

#include "tensor/tensor.h"

namespace rft {

class DeviceBuffer : public Napi::ObjectWrap<DeviceBuffer> {
 public:
  static Napi::Function define(Napi::Env env);
  // nullptr where the value is something else.
  static DeviceBuffer* from(const Napi::Value& value);
  // The tensor's memory, shared.
  static Napi::Value of(Napi::Env env, const Tensor& tensor);
  // The pool that all of them come from. Throws when there is no device.
  static const std::shared_ptr<Pool>& pool();

  explicit DeviceBuffer(const Napi::CallbackInfo& info);  // (type, length)
  // Throws when it was disposed.
  const Tensor& tensor() const;

 private:
  void upload(const Napi::CallbackInfo& info);
  Napi::Value download(const Napi::CallbackInfo& info);
  void dispose(const Napi::CallbackInfo& info);
  Napi::Value length(const Napi::CallbackInfo& info);
  Napi::Value type(const Napi::CallbackInfo& info);
  Tensor tensor_;
};

}  // namespace rft
