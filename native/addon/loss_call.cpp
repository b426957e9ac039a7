// forwardBackward: forward, the engine's loss or the caller's gradient, backward, in one job.
#include "addon/convert.h"
#include "addon/model_object.h"
#include "addon/policy_loss_call.h"

namespace rft {

namespace {

LossInput loss_input(const Field& loss) {
  LossInput out;
  if (!loss["policy"].is_null()) out.policy = policy_loss_input(loss["policy"]);
  if (!loss["value"].is_null()) out.value = value_loss_input(loss["value"]);
  if (out.policy || out.value) return out;
  out.gradients.dlogp = loss["dlogp"].floats();
  if (!loss["dentropy"].is_null()) out.gradients.dentropy = loss["dentropy"].floats();
  return out;
}

}  // namespace

Napi::Value ModelObject::forward_backward(const Napi::CallbackInfo& info) {
  auto [pack, head, loss] = guarded(info.Env(), [&] {
    return std::tuple(pack_input(Field(info[0], "pack")), head_rows(Field(info[1], "head")),
                      loss_input(Field(info[2], "loss")));
  });
  const PassOptions pass = guarded(info.Env(), [&] { return pass_options(info[3]); });
  return submit<LossOutput>(
      info, 3,
      [s = state(info.Env()), pack = std::move(pack), head = std::move(head), loss = std::move(loss), pass](Job& job) {
    Ctx ctx = s->model.context();
    ctx.aborted = job.abort.get();
    ctx.adapters = pass.adapters;
    ctx.dropout = pass.dropout;
    s->fetch();
    return rft::forward_backward(s->model, ctx, pack, head, pass.recompute, loss);
      },
      [](Napi::Env env, LossOutput& out) -> Napi::Value {
        auto o = score_to_js(env, out.score).As<Napi::Object>();
        o.Set("policy", out.policy ? policy_sums_to_js(env, *out.policy) : env.Null());
        o.Set("value", out.value ? value_sums_to_js(env, *out.value) : env.Null());
        return o;
      });
}

// call(pack, rows) without a tape: body(model, ctx, pack, rows) -> floats
template <class Body>
static Napi::Value submit_rows(const Napi::CallbackInfo& info, std::shared_ptr<ModelState> s, Body body) {
  auto [pack, rows] =
      guarded(info.Env(), [&] { return std::pair(pack_input(Field(info[0], "pack")), Field(info[1], "rows").ints()); });
  return submit<std::vector<float>>(
      info, 2,
      [s = std::move(s), pack = std::move(pack), rows = std::move(rows), body](Job& job) {
    Ctx ctx = s->model.context();
    ctx.aborted = job.abort.get();
    s->fetch();
    return body(s->model, ctx, pack, rows);
      },
      floats_to_js);
}

// values(pack, rows): (N) values of the given rows
Napi::Value ModelObject::values(const Napi::CallbackInfo& info) {
  return submit_rows(info, state(info.Env()), [](auto& model, Ctx& ctx, const auto& pack, const auto& rows) {
    const HeadRows head{rows, std::vector<int32_t>(rows.size()), 1.0f};
    return rft::score(model, ctx, pack, head, {.logp = false, .values = true}).values;
  });
}

// hidden(pack, rows): (N,C) hidden states of the given rows behind the final norm
Napi::Value ModelObject::hidden(const Napi::CallbackInfo& info) {
  return submit_rows(info, state(info.Env()), [](auto& model, Ctx& ctx, const auto& pack, const auto& rows) {
    return hidden_rows(model, ctx, pack, rows);
  });
}

}  // namespace rft
