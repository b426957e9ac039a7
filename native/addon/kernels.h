// Synchronous kernels on typed arrays.
#pragma once
#include <napi.h>

namespace rft {

Napi::Value policy_loss(const Napi::CallbackInfo& info);
Napi::Value group_advantage(const Napi::CallbackInfo& info);
Napi::Value resize_bicubic(const Napi::CallbackInfo& info);

}  // namespace rft
