// The Model and Optimizer handles that JavaScript holds. Everything heavy is a job on the device thread; jobs share
// ownership of the native object, so dispose() during a job is safe and frees the memory when the job ends.
#pragma once
#include <napi.h>

#include <atomic>
#include <memory>

#include "addon/jobs.h"
#include "engine/training.h"
#include "model/offloaded_weights.h"
#include "optim/optimizer.h"

namespace rft {

struct ModelState {
  ModelState(const ModelSpec& spec, Device device, Dtype dtype, Device counts_for)
      : model(spec, device, dtype, counts_for) {}
  Model model;
  std::unique_ptr<PendingBackward> pending;
  std::unique_ptr<OffloadedWeights> offloaded;
  std::atomic<int64_t> offloaded_bytes = 0;  // for memory(), which another thread asks

  // Before a pass, and before weights are written: see OffloadedWeights.
  void fetch() {
    if (offloaded) offloaded->fetch();
  }
  void drop() {
    if (offloaded) offloaded->drop();
  }
};

class ModelObject : public Napi::ObjectWrap<ModelObject> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit ModelObject(const Napi::CallbackInfo& info);
  // Throws when disposed.
  std::shared_ptr<ModelState> state(Napi::Env env) const;
  static std::shared_ptr<ModelState> from(const Napi::Value& value);

 private:
  Napi::Value init_random(const Napi::CallbackInfo& info);
  Napi::Value init_adapters(const Napi::CallbackInfo& info);
  Napi::Value merge_adapters(const Napi::CallbackInfo& info);
  Napi::Value load(const Napi::CallbackInfo& info);
  Napi::Value save(const Napi::CallbackInfo& info);
  Napi::Value copy_from(const Napi::CallbackInfo& info);
  Napi::Value values(const Napi::CallbackInfo& info);
  Napi::Value hidden(const Napi::CallbackInfo& info);
  Napi::Value mix_from(const Napi::CallbackInfo& info);
  Napi::Value parameters(const Napi::CallbackInfo& info);
  Napi::Value read_parameter(const Napi::CallbackInfo& info);
  Napi::Value write_parameter(const Napi::CallbackInfo& info);
  Napi::Value read_gradient(const Napi::CallbackInfo& info);
  Napi::Value set_trainable(const Napi::CallbackInfo& info);
  Napi::Value zero_grad(const Napi::CallbackInfo& info);
  Napi::Value score(const Napi::CallbackInfo& info);
  Napi::Value forward(const Napi::CallbackInfo& info);
  Napi::Value backward(const Napi::CallbackInfo& info);
  Napi::Value forward_backward(const Napi::CallbackInfo& info);
  Napi::Value logits(const Napi::CallbackInfo& info);
  Napi::Value generate(const Napi::CallbackInfo& info);
  Napi::Value offload(const Napi::CallbackInfo& info);
  Napi::Value memory(const Napi::CallbackInfo& info);
  void reset_peak(const Napi::CallbackInfo& info);
  void dispose(const Napi::CallbackInfo& info);

  std::shared_ptr<ModelState> state_;
};

class OptimizerObject : public Napi::ObjectWrap<OptimizerObject> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit OptimizerObject(const Napi::CallbackInfo& info);

 private:
  struct State {
    std::shared_ptr<ModelState> model;
    Optimizer optimizer;
  };
  std::shared_ptr<State> state(Napi::Env env) const;
  Napi::Value step(const Napi::CallbackInfo& info);
  Napi::Value save(const Napi::CallbackInfo& info);
  Napi::Value load(const Napi::CallbackInfo& info);
  Napi::Value states(const Napi::CallbackInfo& info);
  Napi::Value steps(const Napi::CallbackInfo& info);
  Napi::Value offloaded(const Napi::CallbackInfo& info);
  void dispose(const Napi::CallbackInfo& info);

  std::shared_ptr<State> state_;
};

}  // namespace rft
