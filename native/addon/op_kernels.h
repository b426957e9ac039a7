// The heavy kernels as functions of typed arrays. Their contract: src/native/op_kernels.ts.
#pragma once
#include <napi.h>

namespace rft {

Napi::Value rms_norm_kernel(const Napi::CallbackInfo& info);
Napi::Value layer_norm_kernel(const Napi::CallbackInfo& info);
Napi::Value attention_kernel(const Napi::CallbackInfo& info);
Napi::Value token_logp_kernel(const Napi::CallbackInfo& info);
Napi::Value kernel_backward(const Napi::CallbackInfo& info);
void adamw_kernel(const Napi::CallbackInfo& info);

}  // namespace rft
