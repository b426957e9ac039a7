// The module: what the .node exports.
#include <napi.h>

#include "addon/convert.h"
#include "addon/device_buffer.h"
#include "addon/kernels.h"
#include "addon/model_object.h"
#include "addon/op_kernels.h"
#include "base/parallel_for.h"
#include "device/device.h"
#include "simd/vmath.h"

namespace rft {

namespace {

Napi::Value cuda_info(Napi::Env env) {
  const device::Probe& probe = device::probe();
  auto devices = Napi::Array::New(env);
  for (const device::Properties& d : probe.devices) {
    auto o = Napi::Object::New(env);
    o.Set("name", d.name);
    o.Set("computeCapability", concat(d.major, ".", d.minor));
    o.Set("totalMemory", double(d.memory));
    devices.Set(devices.Length(), o);
  }
  auto out = Napi::Object::New(env);
  out.Set("available", probe.available);
  out.Set("code", probe.reason);
  out.Set("reason", probe.message);
  out.Set("devices", devices);
  return out;
}

Napi::Value info(const Napi::CallbackInfo& call) {
  const Napi::Env env = call.Env();
  auto features = Napi::Array::New(env);
#if defined(__x86_64__)
  const std::pair<const char*, bool> known[] = {{"avx2", __builtin_cpu_supports("avx2")},
                                                {"fma", __builtin_cpu_supports("fma")},
                                                {"avx512f", __builtin_cpu_supports("avx512f")},
                                                {"avx512bw", __builtin_cpu_supports("avx512bw")}};
  for (const auto& [name, present] : known)
    if (present) features.Set(features.Length(), name);
#endif
  auto out = Napi::Object::New(env);
  out.Set("version", RFT_VERSION);
  const simd::Isa isa = simd::isa();
  out.Set("isa", isa == simd::Isa::Avx512 ? "avx512" : isa == simd::Isa::Avx2 ? "avx2" : "portable");
  out.Set("cpuFeatures", features);
  out.Set("threads", num_threads());
  out.Set("cuda", cuda_info(env));
  return out;
}

void set_threads(const Napi::CallbackInfo& call) {
  guarded(call.Env(), [&] {
    const int64_t n = Field(call[0], "threads").integer();
    expect(n >= 0 && n <= 1024, "threads", "a number in [1,1024], or 0 for the default", n);
    set_num_threads(int(n));
  });
}

// process.exit() on the main thread does not run clean-up hooks; the loader calls this from its exit handler.
void shutdown_all(const Napi::CallbackInfo& call) { JobQueue::of(call.Env()).shut_down(false); }

}  // namespace

static Napi::Object define_exports(Napi::Env env, Napi::Object exports) {
  auto* queue = new JobQueue(env);
  env.SetInstanceData<JobQueue>(queue);
  const auto model = ModelObject::define(env), optimizer = OptimizerObject::define(env),
             device_buffer = DeviceBuffer::define(env);
  queue->model_class = Napi::Persistent(model);
  queue->optimizer_class = Napi::Persistent(optimizer);
  queue->device_buffer_class = Napi::Persistent(device_buffer);
  exports.Set("Model", model);
  exports.Set("Optimizer", optimizer);
  exports.Set("DeviceBuffer", device_buffer);
  exports.Set("info", Napi::Function::New(env, info));
  exports.Set("setThreads", Napi::Function::New(env, set_threads));
  exports.Set("shutdownAll", Napi::Function::New(env, shutdown_all));
  exports.Set("createAbort", Napi::Function::New(env, create_abort));
  exports.Set("abort", Napi::Function::New(env, abort_call));
  exports.Set("policyLoss", Napi::Function::New(env, policy_loss));
  exports.Set("kl", Napi::Function::New(env, kl));
  exports.Set("valueLoss", Napi::Function::New(env, value_loss));
  exports.Set("groupAdvantage", Napi::Function::New(env, group_advantage));
  exports.Set("rmsNorm", Napi::Function::New(env, rms_norm_kernel));
  exports.Set("layerNorm", Napi::Function::New(env, layer_norm_kernel));
  exports.Set("attention", Napi::Function::New(env, attention_kernel));
  exports.Set("tokenLogp", Napi::Function::New(env, token_logp_kernel));
  exports.Set("kernelBackward", Napi::Function::New(env, kernel_backward));
  exports.Set("adamw", Napi::Function::New(env, adamw_kernel));
  exports.Set("gdpo", Napi::Function::New(env, gdpo));
  exports.Set("standardize", Napi::Function::New(env, standardize));
  exports.Set("whiten", Napi::Function::New(env, whiten));
  exports.Set("gae", Napi::Function::New(env, gae));
  exports.Set("importanceRatio", Napi::Function::New(env, importance_ratio));
  exports.Set("resizeBicubic", Napi::Function::New(env, resize_bicubic));
  return exports;
}

}  // namespace rft

static Napi::Object init_rft(Napi::Env env, Napi::Object exports) { return rft::define_exports(env, exports); }
NODE_API_MODULE(rft, init_rft)
