#include "addon/convert.h"
#include "addon/model_object.h"

namespace rft {

Napi::Function OptimizerObject::define(Napi::Env env) {
  return DefineClass(
      env, "Optimizer",
      {InstanceMethod<&OptimizerObject::step>("step"), InstanceMethod<&OptimizerObject::save>("save"),
       InstanceMethod<&OptimizerObject::load>("load"), InstanceMethod<&OptimizerObject::states>("states"),
       InstanceMethod<&OptimizerObject::dispose>("dispose"), InstanceAccessor<&OptimizerObject::steps>("steps"),
       InstanceAccessor<&OptimizerObject::offloaded>("offloaded")});
}

// new Optimizer(model, options)
OptimizerObject::OptimizerObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<OptimizerObject>(info) {
  guarded(info.Env(), [&] {
    auto model = ModelObject::from(info[0]);
    const OptimizerOptions options = optimizer_options(Field(info[1], "options"));
    state_ = std::make_shared<State>(State{model, Optimizer(model->model, options)});
  });
}

std::shared_ptr<OptimizerObject::State> OptimizerObject::state(Napi::Env env) const {
  if (!state_) throw Napi::Error::New(env, "optimizer: expected a live optimizer but received one that was disposed");
  return state_;
}

Napi::Value OptimizerObject::step(const Napi::CallbackInfo& info) {
  const Field input(info[0], "input");
  const float lr = float(input["lr"].number()), limit = float(input["maxGradNorm"].number());
  return submit<OptimizerStep>(
      info, 1, [s = state(info.Env()), lr, limit](Job&) { return s->optimizer.step(lr, limit); },
      [](Napi::Env env, OptimizerStep& out) -> Napi::Value {
        auto o = Napi::Object::New(env);
        o.Set("gradNorm", out.grad_norm);
        o.Set("skipped", out.skipped);
        return o;
      });
}

Napi::Value OptimizerObject::save(const Napi::CallbackInfo& info) {
  const std::string file = Field(info[0], "file").text();
  const auto header = Field(info[1], "header").bytes();
  const auto sinks = guarded(info.Env(), [&] { return tensor_sinks(Field(info[2], "sinks")); });
  return submit_void(info, 3, [s = state(info.Env()), file, header, sinks](Job& job) {
    Ctx ctx = s->model->model.context();
    ctx.aborted = job.abort.get();
    write_tensors(ctx, file, header, sinks, [&](const std::string& name) { return s->optimizer.state(name); });
  });
}

// load(sources, steps)
Napi::Value OptimizerObject::load(const Napi::CallbackInfo& info) {
  auto sources = guarded(info.Env(), [&] { return tensor_sources(Field(info[0], "sources")); });
  const int64_t steps = Field(info[1], "steps").integer();
  return submit_void(info, 2, [s = state(info.Env()), sources, steps](Job& job) {
    Ctx ctx = s->model->model.context();
    ctx.aborted = job.abort.get();
    read_tensors(ctx, sources, [&](const std::string& name) { return s->optimizer.state(name); });
    s->optimizer.set_steps(steps);
  });
}

Napi::Value OptimizerObject::states(const Napi::CallbackInfo& info) {
  auto list = Napi::Array::New(info.Env());
  for (const NamedTensor& s : state(info.Env())->optimizer.states()) {
    auto o = Napi::Object::New(info.Env());
    o.Set("name", s.name);
    o.Set("shape", shape_to_js(info.Env(), s.value.shape()));
    o.Set("dtype", to_string(s.value.dtype()));
    list.Set(list.Length(), o);
  }
  return list;
}

Napi::Value OptimizerObject::steps(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), double(state(info.Env())->optimizer.steps()));
}

// Bytes of pinned host memory.
Napi::Value OptimizerObject::offloaded(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), double(state(info.Env())->optimizer.offloaded_bytes()));
}

void OptimizerObject::dispose(const Napi::CallbackInfo&) { state_.reset(); }

}  // namespace rft
