// The heavy kernels on typed arrays or device buffers, off the event loop: forward gives outputs and a handle, the
// handle its gradients.
#include "addon/op_kernels.h"

#include "addon/columns.h"
#include "addon/convert.h"
#include "addon/jobs.h"
#include "kernels/adamw.h"
#include "kernels/op_call.h"
#include "ops/ops.h"

namespace rft {

namespace {

// What a call works on, as long as it lives: typed arrays are copied on the JavaScript thread, device buffers shared.
struct Held {
  std::vector<std::vector<float>> floats;
  std::vector<int32_t> ints;
  std::shared_ptr<Pool> pool;  // the first input's
  kernels::OpCall op;

  Tensor add(const Field& f, Shape shape, bool wanted) {
    const DeviceBuffer* buffer = DeviceBuffer::from(f.value());
    settle(f, buffer);
    Tensor t;
    if (buffer) {
      t = shared(f, *buffer, Dtype::F32);
    } else {
      floats.push_back(f.floats());
      t = Tensor::borrow(pool, floats.back().data(), {int64_t(floats.back().size())}, Dtype::F32);
    }
    if (t.count() != element_count(shape))
      fail(f.path(), concat(element_count(shape), " values for ", to_string(shape)), t.count());
    t = t.alias(std::move(shape));
    t.set_requires_grad(wanted);
    return t;
  }
  Tensor add_ids(const Field& f) {
    const DeviceBuffer* buffer = DeviceBuffer::from(f.value());
    settle(f, buffer);
    if (buffer) return shared(f, *buffer, Dtype::I32);
    ints = f.ints();
    return Tensor::borrow(pool, ints.data(), {int64_t(ints.size())}, Dtype::I32);
  }
  bool on_device() const { return pool->device() == Device::Cuda; }
  // One call has inputs of one kind.
  void settle(const Field& f, const DeviceBuffer* buffer) {
    if (!pool) pool = buffer ? DeviceBuffer::pool() : std::make_shared<Pool>(Device::Cpu);
    if (on_device() != (buffer != nullptr))
      fail(f.path(), on_device() ? "a DeviceBuffer, as the others are" : "a typed array, as the others are",
           buffer ? "a DeviceBuffer" : "something else");
  }

 private:
  static Tensor shared(const Field& f, const DeviceBuffer& buffer, Dtype dtype) {
    const Tensor& t = buffer.tensor();
    if (t.dtype() != dtype) fail(f.path(), concat("a DeviceBuffer of ", to_string(dtype)), to_string(t.dtype()));
    return t;
  }
};
using HeldPtr = std::shared_ptr<Held>;

int64_t size_of(const Field& f) {
  if (const DeviceBuffer* buffer = DeviceBuffer::from(f.value())) return buffer->tensor().count();
  expect(f.value().IsTypedArray(), f.path(), "a typed array or a DeviceBuffer", "something else");
  return int64_t(f.value().As<Napi::TypedArray>().ElementLength());
}

int64_t rows_of(const Field& f, int64_t width) {
  const int64_t n = size_of(f);
  expect(width > 0 && n % width == 0, f.path(), concat("rows of ", width, " values"), n);
  return n / width;
}

// An array or a device buffer, or null for no tensor.
Napi::Value to_js(Napi::Env env, const Tensor& t) {
  if (!t) return env.Null();
  if (t.on_cuda()) return DeviceBuffer::of(env, t);
  return floats_to_js(env, std::vector<float>(t.f32(), t.f32() + t.count()));
}

// { outputs, call }
Napi::Value forward_to_js(Napi::Env env, HeldPtr& held) {
  auto o = Napi::Object::New(env);
  auto outputs = Napi::Array::New(env);
  for (const Tensor& t : held->op.outputs) outputs.Set(outputs.Length(), to_js(env, t));
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
    const Field targets(info[2], "targets");
    const int64_t n = size_of(targets), size = size_of(x);
    expect(n > 0 && size > 0 && size % n == 0, "x", concat("rows for ", n, " targets"), size);
    const int64_t C = size / n;
    const float temperature = float(Field(info[3], "temperature").number());
    std::vector<Tensor> in{held->add(x, {n, C}, wanted(info, 4, 0)),
                           held->add(w, {rows_of(w, C), C}, wanted(info, 4, 1)), held->add_ids(targets)};
    return run(info, held, in, [temperature](Ctx& c, const std::vector<Tensor>& t) {
      const ops::TokenLogp out = ops::token_logp(c, t[0], t[1], t[2], temperature);
      return std::vector<Tensor>{out.logp, out.entropy};
    });
  });
}

// kernelBackward(call, outputGradients: (column | null)[]): (column | null)[]
Napi::Value kernel_backward(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    expect(info[0].IsExternal(), "backward", "a call of a kernel", "something else");
    const HeldPtr held = *info[0].As<Napi::External<HeldPtr>>().Data();
    const Field list(info[1], "gradients");
    auto given = std::make_shared<Held>();
    given->pool = held->pool;
    std::vector<Tensor> outer;
    for (uint32_t i = 0; i < list.length(); ++i)
      outer.push_back(list[i].is_null() ? Tensor() : given->add(list[i], {size_of(list[i])}, false));
    using Gradients = std::vector<Tensor>;
    return submit<Gradients>(
        info, 2,
        [held, given, outer](Job&) {
      Gradients out;
      for (const Tensor& x : held->op.inputs) {
        out.push_back(x.requires_grad() ? Tensor(held->pool, x.shape(), Dtype::F32, Purpose::Gradients) : Tensor());
        if (out.back()) out.back().zero();
      }
      kernels::backward(Ctx{held->pool}, held->op, outer, out);
      return out;
        },
        [](Napi::Env env, Gradients& gradients) -> Napi::Value {
          auto out = Napi::Array::New(env);
          for (const Tensor& g : gradients) out.Set(out.Length(), to_js(env, g));
          return out;
        });
  });
}

// adamw(parameter, gradient, m, v, step, { lr, beta1, beta2, eps, weightDecay, gradScale }): in place
void adamw_kernel(const Napi::CallbackInfo& info) {
  guarded(info.Env(), [&] {
    Columns columns(info.Env());
    const char* names[4] = {"parameter", "gradient", "m", "v"};
    const int64_t n = columns.any<float>(Field(info[0], names[0])).size;
    const Ctx ctx = columns.ctx();
    std::vector<Tensor> t;
    for (uint32_t i = 0; i < 4; ++i) {
      const float* data = columns.of<float>(Field(info[i], names[i]), n);
      t.push_back(Tensor::borrow(ctx.pool, const_cast<float*>(data), {n}, Dtype::F32));
    }
    const Field o(info[5], "options");
    const ops::AdamWParams params{o["lr"].number(), o["beta1"].number(), o["beta2"].number(), o["eps"].number(),
                                  o["weightDecay"].number()};
    kernels::adamw(ctx, {t[0], t[1], t[2], t[3]}, params, Field(info[4], "step").integer(),
                   float(o["gradScale"].number()));
  });
}

}  // namespace rft
