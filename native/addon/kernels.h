// Synchronous kernels on typed arrays and device buffers.
#pragma once
#include <napi.h>

namespace rft {

Napi::Value policy_loss(const Napi::CallbackInfo& info);
Napi::Value kl(const Napi::CallbackInfo& info);
Napi::Value value_loss(const Napi::CallbackInfo& info);
Napi::Value group_advantage(const Napi::CallbackInfo& info);
Napi::Value gdpo(const Napi::CallbackInfo& info);
Napi::Value standardize(const Napi::CallbackInfo& info);
Napi::Value whiten(const Napi::CallbackInfo& info);
Napi::Value gae(const Napi::CallbackInfo& info);
Napi::Value importance_ratio(const Napi::CallbackInfo& info);
Napi::Value resize_bicubic(const Napi::CallbackInfo& info);

}  // namespace rft
