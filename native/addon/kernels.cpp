#include "addon/kernels.h"

#include <cstring>

#include "addon/policy_loss_call.h"
#include "ops/group_advantage/group_advantage.h"
#include "ops/resize/resize.h"

namespace rft {

PolicyLossInput policy_loss_input(const Field& f) {
  PolicyLossInput in;
  in.advantages = f["advantages"].floats();
  in.weights = f["weights"].floats();
  if (!f["oldLogp"].is_null()) in.old_logp = f["oldLogp"].floats();
  if (!f["refLogp"].is_null()) in.ref_logp = f["refLogp"].floats();
  in.params = {float(f["clipLow"].number()), float(f["clipHigh"].number()), float(f["klCoef"].number())};
  return in;
}

PolicyLossOutput policy_loss_call(const std::vector<float>& logp, const PolicyLossInput& in) {
  const size_t n = logp.size();
  for (const auto* column : {&in.advantages, &in.weights})
    expect(column->size() == n, "policy_loss", concat(n, " values in every column"), column->size());
  for (const auto* column : {&in.old_logp, &in.ref_logp})
    expect(column->empty() || column->size() == n, "policy_loss", concat(n, " values in every column"), column->size());
  PolicyLossOutput out{std::vector<float>(n), std::vector<float>(n), std::vector<float>(n), std::vector<uint8_t>(n)};
  ops::policy_loss(int64_t(n),
                   {logp.data(), in.advantages.data(), in.old_logp.empty() ? nullptr : in.old_logp.data(),
                    in.ref_logp.empty() ? nullptr : in.ref_logp.data(), in.weights.data()},
                   in.params, {out.loss.data(), out.dlogp.data(), out.kl.data(), out.clipped.data()});
  return out;
}

Napi::Value policy_loss_to_js(Napi::Env env, const PolicyLossOutput& out) {
  auto o = Napi::Object::New(env);
  o.Set("loss", floats_to_js(env, out.loss));
  o.Set("dlogp", floats_to_js(env, out.dlogp));
  o.Set("kl", floats_to_js(env, out.kl));
  auto clipped = Napi::Uint8Array::New(env, out.clipped.size());
  if (!out.clipped.empty()) std::memcpy(clipped.Data(), out.clipped.data(), out.clipped.size());
  o.Set("clipped", clipped);
  return o;
}

// policyLoss(logp, input)
Napi::Value policy_loss(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return policy_loss_to_js(
        info.Env(), policy_loss_call(Field(info[0], "logp").floats(), policy_loss_input(Field(info[1], "input"))));
  });
}

// groupAdvantage(rewards, groupIds, { scale, eps })
Napi::Value group_advantage(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto rewards = Field(info[0], "rewards").floats();
    const auto groups = Field(info[1], "groupIds").ints();
    const Field options(info[2], "options");
    const std::string scale = options["scale"].text();
    expect(groups.size() == rewards.size(), "groupIds", concat(rewards.size(), " values, one per reward"),
           groups.size());
    expect(scale == "group" || scale == "batch" || scale == "none", "scale", "group, batch or none", scale);
    const auto kind = scale == "group"   ? ops::AdvantageScale::Group
                      : scale == "batch" ? ops::AdvantageScale::Batch
                                         : ops::AdvantageScale::None;
    std::vector<float> out(rewards.size());
    ops::group_advantage(int64_t(rewards.size()), rewards.data(), groups.data(), kind, float(options["eps"].number()),
                         out.data());
    return floats_to_js(info.Env(), out);
  });
}

// resizeBicubic(rgb: Uint8Array, width, height, outWidth, outHeight): Uint8Array
Napi::Value resize_bicubic(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto rgb = Field(info[0], "rgb").bytes();
    int64_t side[4];
    const char* names[4] = {"width", "height", "outWidth", "outHeight"};
    for (uint32_t i = 0; i < 4; ++i) {
      side[i] = Field(info[i + 1], names[i]).integer();
      expect(side[i] >= 1 && side[i] <= 65535, names[i], "a side in [1,65535]", side[i]);
    }
    expect(int64_t(rgb.size()) == side[0] * side[1] * 3, "rgb", concat(side[0] * side[1] * 3, " bytes"), rgb.size());
    auto out = Napi::Uint8Array::New(info.Env(), size_t(side[2] * side[3] * 3));
    resize_bicubic_u8(rgb.data(), int(side[0]), int(side[1]), out.Data(), int(side[2]), int(side[3]));
    return out;
  });
}

}  // namespace rft
