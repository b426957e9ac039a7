#include "addon/model_object.h"

#include "addon/convert.h"
#include "tensor/values.h"

namespace rft {

namespace {

Ctx context(ModelState& state, Job& job, const PassOptions& pass = {}) {
  Ctx ctx = state.model.context();
  ctx.aborted = job.abort.get();
  ctx.adapters = pass.adapters;
  ctx.dropout = pass.dropout;
  return ctx;
}

bool flag(const Napi::CallbackInfo& info, size_t index, const char* key) {
  return info.Length() > index && info[index].IsObject() && info[index].As<Napi::Object>().Get(key).ToBoolean();
}

}  // namespace

Napi::Function ModelObject::define(Napi::Env env) {
  return DefineClass(env, "Model",
                     {InstanceMethod<&ModelObject::init_random>("initRandom"),
                      InstanceMethod<&ModelObject::load>("load"),
                      InstanceMethod<&ModelObject::save>("save"),
                      InstanceMethod<&ModelObject::copy_from>("copyFrom"),
                      InstanceMethod<&ModelObject::mix_from>("mixFrom"),
                      InstanceMethod<&ModelObject::init_adapters>("initAdapters"),
                      InstanceMethod<&ModelObject::merge_adapters>("mergeAdapters"),
                      InstanceMethod<&ModelObject::parameters>("parameters"),
                      InstanceMethod<&ModelObject::read_parameter>("readParameter"),
                      InstanceMethod<&ModelObject::write_parameter>("writeParameter"),
                      InstanceMethod<&ModelObject::read_gradient>("readGradient"),
                      InstanceMethod<&ModelObject::set_trainable>("setTrainable"),
                      InstanceMethod<&ModelObject::zero_grad>("zeroGrad"),
                      InstanceMethod<&ModelObject::score>("score"),
                      InstanceMethod<&ModelObject::forward>("forward"),
                      InstanceMethod<&ModelObject::backward>("backward"),
                      InstanceMethod<&ModelObject::forward_backward>("forwardBackward"),
                      InstanceMethod<&ModelObject::values>("values"),
                      InstanceMethod<&ModelObject::hidden>("hidden"),
                      InstanceMethod<&ModelObject::logits>("logits"),
                      InstanceMethod<&ModelObject::generate>("generate"),
                      InstanceMethod<&ModelObject::offload>("offload"),
                      InstanceMethod<&ModelObject::memory>("memory"),
                      InstanceMethod<&ModelObject::reset_peak>("resetPeak"),
                      InstanceMethod<&ModelObject::dispose>("dispose")});
}

// new Model(spec, 'cpu' | 'cuda' | 'meta', 'f32' | 'bf16', countsFor: 'cpu' | 'cuda')
ModelObject::ModelObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ModelObject>(info) {
  guarded(info.Env(), [&] {
    const std::string device = Field(info[1], "device").text();
    const std::string dtype = Field(info[2], "dtype").text();
    const std::string counts_for = Field(info[3], "countsFor").text();
    expect(device == "cpu" || device == "cuda" || device == "meta", "device", "cpu, cuda or meta", device);
    expect(counts_for == "cpu" || counts_for == "cuda", "countsFor", "cpu or cuda", counts_for);
    expect(dtype == "f32" || dtype == "bf16", "dtype", "f32 or bf16", dtype);
    state_ = std::make_shared<ModelState>(model_spec(Field(info[0], "spec")),
                                          device == "cpu"    ? Device::Cpu
                                          : device == "cuda" ? Device::Cuda
                                                             : Device::Meta,
                                          dtype == "bf16" ? Dtype::BF16 : Dtype::F32,
                                          counts_for == "cuda" ? Device::Cuda : Device::Cpu);
  });
}

std::shared_ptr<ModelState> ModelObject::state(Napi::Env env) const {
  if (!state_) throw Napi::Error::New(env, "model: expected a live model but received one that was disposed");
  return state_;
}

std::shared_ptr<ModelState> ModelObject::from(const Napi::Value& value) {
  const Napi::Env env = value.Env();
  if (!value.IsObject() || !value.As<Napi::Object>().InstanceOf(JobQueue::of(env).model_class.Value()))
    throw Napi::TypeError::New(env, "model: expected a native Model but received something else");
  return Unwrap(value.As<Napi::Object>())->state(env);
}

Napi::Value ModelObject::init_random(const Napi::CallbackInfo& info) {
  const uint64_t seed = uint64_t(Field(info[0], "seed").integer());
  return submit_void(info, 1, [s = state(info.Env()), seed](Job&) {
    s->drop();
    s->model.weights().init_random(seed);
    s->model.images().clear();
  });
}

Napi::Value ModelObject::init_adapters(const Napi::CallbackInfo& info) {
  const uint64_t seed = uint64_t(Field(info[0], "seed").integer());
  return submit_void(info, 1, [s = state(info.Env()), seed](Job&) {
    s->drop();
    s->model.weights().init_adapters(seed);
    s->model.images().clear();
  });
}

Napi::Value ModelObject::merge_adapters(const Napi::CallbackInfo& info) {
  return submit_void(info, 0, [s = state(info.Env())](Job&) { s->model.merge_adapters(); });
}

Napi::Value ModelObject::load(const Napi::CallbackInfo& info) {
  auto sources = guarded(info.Env(), [&] { return tensor_sources(Field(info[0], "sources")); });
  return submit_void(info, 1, [s = state(info.Env()), sources](Job& job) {
    s->drop();
    s->model.images().clear();
    read_tensors(context(*s, job), sources, [&](const std::string& name) { return s->model.weights().at(name).value; });
  });
}

Napi::Value ModelObject::save(const Napi::CallbackInfo& info) {
  const std::string file = Field(info[0], "file").text();
  const auto header = Field(info[1], "header").bytes();
  const auto sinks = guarded(info.Env(), [&] { return tensor_sinks(Field(info[2], "sinks")); });
  return submit_void(info, 3, [s = state(info.Env()), file, header, sinks](Job& job) {
    write_tensors(context(*s, job), file, header, sinks,
                  [&](const std::string& name) { return s->model.weights().at(name).value; });
  });
}

Napi::Value ModelObject::copy_from(const Napi::CallbackInfo& info) {
  return submit_void(info, 1, [to = state(info.Env()), from = from(info[0])](Job&) {
    to->drop();
    to->model.images().clear();
    for (auto& p : to->model.weights().all()) {
      const Tensor& source = from->model.weights().at(p.name).value;
      if (source.shape() != p.value.shape())
        fail("copyFrom " + p.name, to_string(p.value.shape()), to_string(source.shape()));
      copy_values(source, p.value);
    }
  });
}

// mixFrom(other, share): parameters of both become share x other + (1 - share) x own
Napi::Value ModelObject::mix_from(const Napi::CallbackInfo& info) {
  const float share = float(Field(info[1], "share").number());
  return submit_void(info, 2, [to = state(info.Env()), from = from(info[0]), share](Job&) {
    to->drop();
    to->model.images().clear();
    for (auto& p : to->model.weights().all()) {
      if (!from->model.weights().has(p.name)) continue;
      const Tensor& source = from->model.weights().at(p.name).value;
      if (source.shape() != p.value.shape())
        fail("mixFrom " + p.name, to_string(p.value.shape()), to_string(source.shape()));
      mix_values(source, share, p.value);
    }
  });
}

Napi::Value ModelObject::parameters(const Napi::CallbackInfo& info) {
  const auto s = state(info.Env());
  auto list = Napi::Array::New(info.Env());
  for (const auto& p : s->model.weights().all()) {
    auto o = Napi::Object::New(info.Env());
    o.Set("name", p.name);
    o.Set("shape", shape_to_js(info.Env(), p.value.shape()));
    o.Set("trainable", p.trainable);
    list.Set(list.Length(), o);
  }
  return list;
}

Napi::Value ModelObject::read_parameter(const Napi::CallbackInfo& info) {
  const std::string name = Field(info[0], "name").text();
  return submit<std::vector<float>>(
      info, 1, [s = state(info.Env()), name](Job&) { return to_floats(s->model.weights().at(name).value); },
      floats_to_js);
}

Napi::Value ModelObject::write_parameter(const Napi::CallbackInfo& info) {
  const std::string name = Field(info[0], "name").text();
  const auto data = Field(info[1], "data").floats();
  return submit_void(info, 2, [s = state(info.Env()), name, data](Job&) {
    s->drop();
    s->model.images().clear();
    const Tensor& t = s->model.weights().at(name).value;
    expect(int64_t(data.size()) == t.count(), "writeParameter " + name, concat(t.count(), " values"), data.size());
    write_floats(t, 0, t.count(), data.data());
  });
}

Napi::Value ModelObject::read_gradient(const Napi::CallbackInfo& info) {
  const std::string name = Field(info[0], "name").text();
  return submit<std::vector<float>>(
      info, 1,
      [s = state(info.Env()), name](Job& job) {
    Ctx ctx = context(*s, job);
    s->model.finish_backward(ctx);
    const Tensor& g = s->model.weights().at(name).value.grad();
    if (!g) fail("readGradient " + name, "a parameter with a gradient", "one without");
    return to_floats(g);
      },
      floats_to_js);
}

Napi::Value ModelObject::set_trainable(const Napi::CallbackInfo& info) {
  const auto names = Field(info[0], "names").texts();
  const bool on = Field(info[1], "trainable").boolean();
  return submit_void(info, 2, [s = state(info.Env()), names, on](Job&) {
    for (const auto& name : names) s->model.weights().set_trainable(name, on);
    s->model.images().clear();
  });
}

Napi::Value ModelObject::zero_grad(const Napi::CallbackInfo& info) {
  return submit_void(info, 0, [s = state(info.Env())](Job& job) {
    Ctx ctx = context(*s, job);
    s->model.finish_backward(ctx);  // what packs have left on image features goes with the rest
    s->model.weights().zero_grad();
  });
}

Napi::Value ModelObject::score(const Napi::CallbackInfo& info) {
  auto [pack, head] = guarded(
      info.Env(), [&] { return std::pair(pack_input(Field(info[0], "pack")), head_rows(Field(info[1], "head"))); });
  const PassOptions pass = guarded(info.Env(), [&] { return pass_options(info[2]); });
  return submit<ScoreOutput>(
      info, 2,
      [s = state(info.Env()), pack = std::move(pack), head = std::move(head), pass](Job& job) {
    s->fetch();
    return rft::score(s->model, context(*s, job, pass), pack, head);
      },
      score_to_js);
}

// Keeps the tape until backward(dlogp).
Napi::Value ModelObject::forward(const Napi::CallbackInfo& info) {
  auto [pack, head] = guarded(
      info.Env(), [&] { return std::pair(pack_input(Field(info[0], "pack")), head_rows(Field(info[1], "head"))); });
  const PassOptions pass = guarded(info.Env(), [&] { return pass_options(info[2]); });
  return submit<ScoreOutput>(
      info, 2,
      [s = state(info.Env()), pack = std::move(pack), head = std::move(head), pass](Job& job) {
    s->fetch();
    auto [out, pending] = rft::forward(s->model, context(*s, job, pass), pack, head, pass.recompute);
    s->pending = std::make_unique<PendingBackward>(std::move(pending));
    return out;
      },
      score_to_js);
}

Napi::Value ModelObject::backward(const Napi::CallbackInfo& info) {
  const auto dlogp = Field(info[0], "dlogp").floats();
  const Field dentropy(info[1], "dentropy");
  const auto de = dentropy.is_null() ? std::vector<float>() : dentropy.floats();
  return submit_void(info, 2, [s = state(info.Env()), dlogp, de](Job& job) {
    expect(s->pending != nullptr, "backward", "a forward() before it", "none");
    auto pending = std::move(s->pending);
    rft::backward(context(*s, job), *pending, {dlogp, de, {}});
  });
}

Napi::Value ModelObject::logits(const Napi::CallbackInfo& info) {
  auto pack = guarded(info.Env(), [&] { return pack_input(Field(info[0], "pack")); });
  const auto rows = Field(info[1], "rows").ints();
  using Traced = std::vector<std::pair<std::string, std::vector<float>>>;
  const bool traced = flag(info, 2, "trace");
  struct Out {
    std::vector<float> logits;
    Traced hidden;
  };
  return submit<Out>(
      info, 2,
      [s = state(info.Env()), pack, rows, traced](Job& job) {
    Out out;
    Trace trace;
    if (traced) trace = [&](const std::string& name, const Tensor& t) { out.hidden.emplace_back(name, to_floats(t)); };
    s->fetch();
    out.logits = rft::logits(s->model, context(*s, job), pack, rows, trace);
    return out;
      },
      [](Napi::Env env, Out& out) -> Napi::Value {
        auto o = Napi::Object::New(env);
        auto hidden = Napi::Object::New(env);
        for (const auto& [name, values] : out.hidden) hidden.Set(name, floats_to_js(env, values));
        o.Set("logits", floats_to_js(env, out.logits));
        o.Set("hidden", hidden);
        return o;
      });
}

Napi::Value ModelObject::generate(const Napi::CallbackInfo& info) {
  auto [requests, options] = guarded(info.Env(), [&] {
    return std::pair(generate_requests(Field(info[0], "requests")), generate_options(Field(info[1], "options")));
  });
  auto* queue = &JobQueue::of(info.Env());
  return submit<std::vector<Generated>>(
      info, 2,
      [s = state(info.Env()), requests = std::move(requests), options = std::move(options), queue](Job& job) {
    s->fetch();
    return rft::generate(s->model, context(*s, job), requests, options, [&](GenerateProgress p) {
      queue->progress(job, [p](Napi::Env env) -> Napi::Value {
        auto o = Napi::Object::New(env);
        o.Set("finished", double(p.finished));
        o.Set("total", double(p.total));
        o.Set("tokens", double(p.tokens));
        return o;
      });
    });
      },
      generated_to_js);
}

// offload(): the weights leave the device until the next pass
Napi::Value ModelObject::offload(const Napi::CallbackInfo& info) {
  return submit_void(info, 0, [s = state(info.Env())](Job&) {
    if (s->offloaded) return s->offloaded->drop();
    s->offloaded = std::make_unique<OffloadedWeights>(s->model);
    s->offloaded_bytes = s->offloaded->host_bytes();
  });
}

Napi::Value ModelObject::memory(const Napi::CallbackInfo& info) {
  const MemoryReport r = state(info.Env())->model.pool()->report();
  const char* names[kPurposes] = {"weights", "gradients", "optimizer", "activations", "images", "kvCache", "workspace"};
  auto o = Napi::Object::New(info.Env());
  for (int i = 0; i < kPurposes; ++i) o.Set(names[i], double(r.at_peak[size_t(i)]));
  o.Set("peak", double(r.peak));
  o.Set("live", double(r.total));
  o.Set("reserved", double(r.reserved));
  o.Set("offloaded", double(state(info.Env())->offloaded_bytes));
  o.Set("imageCacheLimit", double(state(info.Env())->model.images().budget()));
  o.Set("imagesEncoded", double(state(info.Env())->model.images().encoded()));
  return o;
}

void ModelObject::reset_peak(const Napi::CallbackInfo& info) { state(info.Env())->model.pool()->reset_peak(); }

void ModelObject::dispose(const Napi::CallbackInfo&) { state_.reset(); }

}  // namespace rft
