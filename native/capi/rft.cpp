// The C interface of librft: converts, catches, and calls kernels/op_call.
#include "capi/rft.h"

#include <memory>

#include "base/parallel_for.h"
#include "capi/call.h"
#include "kernels/adamw.h"
#include "kernels/op_call.h"
#include "ops/ops.h"
#include "tensor/values.h"

struct rft_call {
  const rft_context& context;
  rft::kernels::OpCall op{};
};

namespace {

using namespace rft;
using capi::guarded;
using capi::with;

Tensor view(const rft_context& context, const rft_tensor* t, const char* name, Dtype dtype = Dtype::F32) {
  expect(t && t->data, name, "a tensor", "NULL");
  expect(t->rank >= 1 && t->rank <= 4, name, "rank 1 to 4", t->rank);
  const bool right = t->dtype == (dtype == Dtype::F32 ? RFT_F32 : RFT_I32);
  expect(right, name, dtype == Dtype::F32 ? "RFT_F32" : "RFT_I32", concat("dtype ", int(t->dtype)));
  Shape shape(t->shape, t->shape + t->rank);
  for (int64_t d : shape) expect(d >= 0, name, "sizes from 0", d);
  Tensor out = Tensor::borrow(context.pool, t->data, std::move(shape), dtype);
  out.set_requires_grad(t->requires_grad != 0);
  return out;
}

void copy_out(const Tensor& from, const rft_context& context, rft_tensor* to, const char* name) {
  const Tensor target = view(context, to, name);
  if (target.count() != from.count()) fail(name, to_string(from.shape()), to_string(target.shape()));
  copy_values(from, target);
}

struct Output {
  rft_tensor* tensor;
  const char* name;
};

void run(const rft_context& context, const std::vector<Tensor>& inputs, const kernels::Op& op,
         const std::vector<Output>& outputs, rft_call** call) {
  auto made = std::make_unique<rft_call>(context);
  made->op = kernels::forward(context.ctx(), inputs, op);
  for (size_t i = 0; i < outputs.size(); ++i)
    copy_out(made->op.outputs[i], context, outputs[i].tensor, outputs[i].name);
  if (call) *call = made.release();
}

// Without a call nothing is recorded.
Tensor input(const rft_context& context, const rft_tensor* t, const char* name, bool keep, Dtype dtype = Dtype::F32) {
  Tensor out = view(context, t, name, dtype);
  if (!keep) out.set_requires_grad(false);
  return out;
}

}  // namespace

const char* rft_version(void) { return RFT_VERSION; }
const char* rft_last_error(void) { return capi::last_error().c_str(); }

rft_context* rft_context_create(const char* device, void* stream) {
  rft_context* made = nullptr;
  guarded([&] {
    const std::string name = device ? device : "NULL";
    expect(name == "cpu" || name == "cuda", "rft_context_create device", "cpu or cuda", name);
    expect(name == "cuda" || stream == nullptr, "rft_context_create stream", "NULL on the CPU", "a stream");
    made = new rft_context{std::make_shared<Pool>(name == "cuda" ? Device::Cuda : Device::Cpu),
                           static_cast<device::Stream>(stream)};
  });
  return made;
}

void rft_context_destroy(rft_context* context) { delete context; }

int rft_set_threads(int32_t threads) {
  return guarded([&] {
    expect(threads >= 0 && threads <= 1024, "rft_set_threads", "a number in [0,1024]", threads);
    set_num_threads(threads);
  });
}

int rft_rms_norm(rft_context* context, const rft_tensor* x, const rft_tensor* w, float eps, rft_tensor* y,
                 rft_call** call) {
  return with(context, [&](const rft_context& c) {
    run(
        c, {input(c, x, "rms_norm x", call), input(c, w, "rms_norm w", call)},
        [eps](Ctx& ctx, const std::vector<Tensor>& in) {
      return std::vector<Tensor>{ops::rms_norm(ctx, in[0], in[1], eps)};
        },
        {{y, "rms_norm y"}}, call);
  });
}

int rft_layer_norm(rft_context* context, const rft_tensor* x, const rft_tensor* w, const rft_tensor* b, float eps,
                   rft_tensor* y, rft_call** call) {
  return with(context, [&](const rft_context& c) {
    run(
        c, {input(c, x, "layer_norm x", call), input(c, w, "layer_norm w", call), input(c, b, "layer_norm b", call)},
        [eps](Ctx& ctx, const std::vector<Tensor>& in) {
      return std::vector<Tensor>{ops::layer_norm(ctx, in[0], in[1], in[2], eps)};
        },
        {{y, "layer_norm y"}}, call);
  });
}

int rft_attention(rft_context* context, const rft_tensor* q, const rft_tensor* k, const rft_tensor* v,
                  const rft_segment* segments, int32_t segment_count, int32_t heads, int32_t kv_heads, float scale,
                  rft_tensor* out, rft_call** call) {
  return with(context, [&](const rft_context& c) {
    expect(segments && segment_count >= 0, "attention segments", "a list", segment_count);
    std::vector<ops::Segment> list;
    for (int32_t i = 0; i < segment_count; ++i) {
      const rft_segment& s = segments[i];
      list.push_back({s.q_begin, s.q_len, s.kv0_begin, s.kv0_len, s.kv1_begin, s.kv1_len, s.causal});
    }
    run(
        c, {input(c, q, "attention q", call), input(c, k, "attention k", call), input(c, v, "attention v", call)},
        [&](Ctx& ctx, const std::vector<Tensor>& in) {
      return std::vector<Tensor>{ops::attention(ctx, in[0], in[1], in[2], list, heads, kv_heads, scale)};
        },
        {{out, "attention out"}}, call);
  });
}

int rft_token_logp(rft_context* context, const rft_tensor* x, const rft_tensor* w, const rft_tensor* targets,
                   float temperature, rft_tensor* logp, rft_tensor* entropy, rft_call** call) {
  return with(context, [&](const rft_context& c) {
    run(
        c,
        {input(c, x, "token_logp x", call), input(c, w, "token_logp w", call),
         input(c, targets, "token_logp targets", false, Dtype::I32)},
        [temperature](Ctx& ctx, const std::vector<Tensor>& in) {
      const ops::TokenLogp out = ops::token_logp(ctx, in[0], in[1], in[2], temperature);
      return std::vector<Tensor>{out.logp, out.entropy};
        },
        {{logp, "token_logp logp"}, {entropy, "token_logp entropy"}}, call);
  });
}

int rft_backward(rft_call* call, const rft_tensor* const* output_grads, rft_tensor* const* input_grads) {
  const rft_context* context = call ? &call->context : nullptr;
  return with(context, [&](const rft_context& c) {
    expect(output_grads && input_grads, "rft_backward", "two lists", "NULL");
    const auto views = [&](const auto* list, size_t count, const char* name) {
      std::vector<Tensor> out;
      for (size_t i = 0; i < count; ++i) out.push_back(list[i] ? view(c, list[i], name) : Tensor());
      return out;
    };
    kernels::backward(c.ctx(), call->op, views(output_grads, call->op.outputs.size(), "output gradient"),
                      views(input_grads, call->op.inputs.size(), "input gradient"));
  });
}

void rft_call_destroy(rft_call* call) { delete call; }

int rft_adamw(rft_context* context, rft_tensor* parameter, const rft_tensor* gradient, rft_tensor* m, rft_tensor* v,
              int64_t step, double lr, double beta1, double beta2, double eps, double weight_decay, float grad_scale) {
  return with(context, [&](const rft_context& c) {
    const Tensor p = view(c, parameter, "adamw parameter"), g = view(c, gradient, "adamw gradient");
    const Tensor first = view(c, m, "adamw m"), second = view(c, v, "adamw v");
    for (const Tensor& t : {g, first, second})
      if (t.count() != p.count()) fail("adamw", to_string(p.shape()), to_string(t.shape()));
    const ops::AdamWParams params{lr, beta1, beta2, eps, weight_decay};
    kernels::adamw(c.ctx(), {p, g, first, second}, params, step, grad_scale);
  });
}
