// The heavy kernels on typed arrays, off the event loop: forward gives outputs and a handle, the handle its gradients.
#include "addon/op_kernels.h"

#include "addon/convert.h"
#include "addon/jobs.h"
#include "kernels/op_call.h"
#include "ops/adamw/adamw.h"
#include "ops/ops.h"

namespace rft {

namespace {

// Inputs are copied on the JavaScript thread and live as long as the call.
struct Held {
  std::vector<std::vector<float>> floats;
  std::vector<int32_t> ints;
  std::shared_ptr<Pool> pool = std::make_shared<Pool>(Device::Cpu);
  kernels::OpCall op;

  Tensor add(const Field& f, Shape shape, bool wanted) {
    floats.push_back(f.floats());
    if (int64_t(floats.back().size()) != element_count(shape))
      fail(f.path(), concat(element_count(shape), " values for ", to_string(shape)), floats.back().size());
    Tensor t = Tensor::borrow(pool, floats.back().data(), std::move(shape), Dtype::F32);
    t.set_requires_grad(wanted);
    return t;
  }
};
using HeldPtr = std::shared_ptr<Held>;

int64_t size_of(const Field& f) {
  expect(f.value().IsTypedArray(), f.path(), "a Float32Array", "something else");
  return int64_t(f.value().As<Napi::TypedArray>().ElementLength());
}

int64_t rows_of(const Field& f, int64_t width) {
  const int64_t n = size_of(f);
  expect(width > 0 && n % width == 0, f.path(), concat("rows of ", width, " values"), n);
  return n / width;
}

std::vector<float> values(const Tensor& t) { return std::vector<float>(t.f32(), t.f32() + t.count()); }

// { outputs: Float32Array[], call }
Napi::Value forward_to_js(Napi::Env env, HeldPtr& held) {
  auto o = Napi::Object::New(env);
  auto outputs = Napi::Array::New(env);
  for (const Tensor& t : held->op.outputs) outputs.Set(outputs.Length(), floats_to_js(env, values(t)));
  o.Set("outputs", outputs);
  o.Set("call", Napi::External<HeldPtr>::New(env, new HeldPtr(held), [](Napi::Env, HeldPtr* p) { delete p; }));
  return o;
}

Napi::Value run(const Napi::CallbackInfo& info, HeldPtr held, std::vector<Tensor> inputs, kernels::Op op) {
  return submit<HeldPtr>(
      info, info.Length(),
      [held, inputs = std::move(inputs), op = std::move(op)](Job& job) {
    Ctx ctx{held->pool};
    ctx.aborted = job.abort.get();
    held->op = kernels::forward(ctx, inputs, op);
    return held;
      },
      forward_to_js);
}

bool wanted(const Napi::CallbackInfo& info, uint32_t list, uint32_t i) {
  return Field(info[list], "wanted")[i].boolean();
}

}  // namespace

// rmsNorm(x, w, eps, wanted)
Napi::Value rms_norm_kernel(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    auto held = std::make_shared<Held>();
    const Field x(info[0], "x"), w(info[1], "w");
    const int64_t C = size_of(w);
    const float eps = float(Field(info[2], "eps").number());
    std::vector<Tensor> in{held->add(x, {rows_of(x, C), C}, wanted(info, 3, 0)), held->add(w, {C}, wanted(info, 3, 1))};
    return run(info, held, in, [eps](Ctx& c, const std::vector<Tensor>& t) {
      return std::vector<Tensor>{ops::rms_norm(c, t[0], t[1], eps)};
    });
  });
}

// layerNorm(x, w, b, eps, wanted)
Napi::Value layer_norm_kernel(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    auto held = std::make_shared<Held>();
    const Field x(info[0], "x"), w(info[1], "w"), b(info[2], "b");
    const int64_t C = size_of(w);
    const float eps = float(Field(info[3], "eps").number());
    std::vector<Tensor> in{held->add(x, {rows_of(x, C), C}, wanted(info, 4, 0)), held->add(w, {C}, wanted(info, 4, 1)),
                           held->add(b, {C}, wanted(info, 4, 2))};
    return run(info, held, in, [eps](Ctx& c, const std::vector<Tensor>& t) {
      return std::vector<Tensor>{ops::layer_norm(c, t[0], t[1], t[2], eps)};
    });
  });
}

// attention(q, k, v, { heads, kvHeads, headDim, scale, segments }, wanted)
Napi::Value attention_kernel(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    auto held = std::make_shared<Held>();
    const Field q(info[0], "q"), k(info[1], "k"), v(info[2], "v"), o(info[3], "options");
    const int64_t heads = o["heads"].integer(), kv_heads = o["kvHeads"].integer(), d = o["headDim"].integer();
    expect(heads > 0 && kv_heads > 0 && d > 0, o.path(), "heads, kvHeads and headDim from 1",
           concat(heads, ", ", kv_heads, ", ", d));
    const float scale = float(o["scale"].number());
    const auto flat = o["segments"].ints();
    expect(flat.size() % 7 == 0, o["segments"].path(), "a multiple of 7 values (S x 7)", flat.size());
    std::vector<ops::Segment> segments;
    for (size_t i = 0; i < flat.size(); i += 7)
      segments.push_back({flat[i], flat[i + 1], flat[i + 2], flat[i + 3], flat[i + 4], flat[i + 5], flat[i + 6]});
    std::vector<Tensor> in{held->add(q, {rows_of(q, heads * d), heads * d}, wanted(info, 4, 0)),
                           held->add(k, {rows_of(k, kv_heads * d), kv_heads * d}, wanted(info, 4, 1)),
                           held->add(v, {rows_of(v, kv_heads * d), kv_heads * d}, wanted(info, 4, 2))};
    return run(info, held, in, [=](Ctx& c, const std::vector<Tensor>& t) {
      return std::vector<Tensor>{ops::attention(c, t[0], t[1], t[2], segments, int(heads), int(kv_heads), scale)};
    });
  });
}

// tokenLogp(x, w, targets, temperature, wanted)
Napi::Value token_logp_kernel(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    auto held = std::make_shared<Held>();
    const Field x(info[0], "x"), w(info[1], "w");
    held->ints = Field(info[2], "targets").ints();
    const int64_t n = int64_t(held->ints.size()), size = size_of(x);
    expect(n > 0 && size > 0 && size % n == 0, "x", concat("rows for ", n, " targets"), size);
    const int64_t C = size / n;
    const float temperature = float(Field(info[3], "temperature").number());
    std::vector<Tensor> in{held->add(x, {n, C}, wanted(info, 4, 0)),
                           held->add(w, {rows_of(w, C), C}, wanted(info, 4, 1)),
                           Tensor::borrow(held->pool, held->ints.data(), {n}, Dtype::I32)};
    return run(info, held, in, [temperature](Ctx& c, const std::vector<Tensor>& t) {
      const ops::TokenLogp out = ops::token_logp(c, t[0], t[1], t[2], temperature);
      return std::vector<Tensor>{out.logp, out.entropy};
    });
  });
}

// kernelBackward(call, outputGradients: (Float32Array | null)[]): (Float32Array | null)[]
Napi::Value kernel_backward(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    expect(info[0].IsExternal(), "backward", "a call of a kernel", "something else");
    const HeldPtr held = *info[0].As<Napi::External<HeldPtr>>().Data();
    const Field list(info[1], "gradients");
    std::vector<std::vector<float>> given;
    for (uint32_t i = 0; i < list.length(); ++i)
      given.push_back(list[i].is_null() ? std::vector<float>() : list[i].floats());
    using Gradients = std::vector<std::vector<float>>;
    return submit<Gradients>(
        info, 2,
        [held, given](Job&) mutable {
      std::vector<Tensor> outer, inner;
      for (auto& g : given)
        outer.push_back(g.empty() ? Tensor() : Tensor::borrow(held->pool, g.data(), {int64_t(g.size())}, Dtype::F32));
      Gradients out;
      for (const Tensor& x : held->op.inputs) out.emplace_back(x.requires_grad() ? size_t(x.count()) : 0, 0.0f);
      for (size_t i = 0; i < out.size(); ++i)
        inner.push_back(out[i].empty()
                            ? Tensor()
                            : Tensor::borrow(held->pool, out[i].data(), held->op.inputs[i].shape(), Dtype::F32));
      kernels::backward(Ctx{held->pool}, held->op, outer, inner);
      return out;
        },
        [](Napi::Env env, Gradients& gradients) -> Napi::Value {
          auto out = Napi::Array::New(env);
          for (const auto& g : gradients) out.Set(out.Length(), g.empty() ? env.Null() : floats_to_js(env, g));
          return out;
        });
  });
}

// adamw(parameter, gradient, m, v, step, { lr, beta1, beta2, eps, weightDecay, gradScale }): in place
void adamw_kernel(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    float* data[4];
    size_t n = 0;
    const char* names[4] = {"parameter", "gradient", "m", "v"};
    for (uint32_t i = 0; i < 4; ++i) {
      const bool floats =
          info[i].IsTypedArray() && info[i].As<Napi::TypedArray>().TypedArrayType() == napi_float32_array;
      expect(floats, names[i], "a Float32Array", "something else");
      auto array = info[i].As<Napi::Float32Array>();
      if (i == 0) n = array.ElementLength();
      expect(array.ElementLength() == n, names[i], concat(n, " values"), array.ElementLength());
      data[i] = array.Data();
    }
    const Field o(info[5], "options");
    const ops::AdamWParams params{o["lr"].number(), o["beta1"].number(), o["beta2"].number(), o["eps"].number(),
                                  o["weightDecay"].number()};
    ops::adamw_step({{data[0], data[1], data[2], data[3], int64_t(n), true}}, params, Field(info[4], "step").integer(),
                    float(o["gradScale"].number()));
  });
}

}  // namespace rft
