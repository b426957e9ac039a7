// forwardBackward: forward, the loss kernel (or the caller's gradient), backward, in one job.
#include "addon/convert.h"
#include "addon/model_object.h"
#include "addon/policy_loss_call.h"

namespace rft {

namespace {

struct Out {
  ScoreOutput score;
  std::optional<PolicyLossOutput> policy;
};

struct Loss {
  std::optional<PolicyLossInput> policy;
  std::vector<float> dlogp, dentropy;
};

Loss loss_input(const Field& loss) {
  Loss out;
  if (!loss["policy"].is_null()) {
    out.policy = policy_loss_input(loss["policy"]);
  } else {
    out.dlogp = loss["dlogp"].floats();
    if (!loss["dentropy"].is_null()) out.dentropy = loss["dentropy"].floats();
  }
  return out;
}

}  // namespace

Napi::Value ModelObject::forward_backward(const Napi::CallbackInfo& info) {
  auto [pack, head, loss] = guarded(info.Env(), [&] {
    return std::tuple(pack_input(Field(info[0], "pack")), head_rows(Field(info[1], "head")),
                      loss_input(Field(info[2], "loss")));
  });
  const PassOptions pass = guarded(info.Env(), [&] { return pass_options(info[3]); });
  return submit<Out>(
      info, 3,
      [s = state(info.Env()), pack = std::move(pack), head = std::move(head), loss = std::move(loss), pass](Job& job) {
    Ctx ctx = s->model.context();
    ctx.aborted = job.abort.get();
    ctx.adapters = pass.adapters;
    ctx.dropout = pass.dropout;
    auto [score, pending] = rft::forward(s->model, ctx, pack, head, pass.recompute);
    Out out{std::move(score), {}};
    if (loss.policy) out.policy = policy_loss_call(out.score.logp, *loss.policy);
    rft::backward(ctx, pending, out.policy ? out.policy->dlogp : loss.dlogp,
                  loss.policy ? loss.policy->entropy_weights : loss.dentropy);
    return out;
      },
      [](Napi::Env env, Out& out) -> Napi::Value {
        auto o = score_to_js(env, out.score).As<Napi::Object>();
        o.Set("policy", out.policy ? policy_loss_to_js(env, *out.policy) : env.Null());
        return o;
      });
}

}  // namespace rft
