#include "addon/kernels.h"

#include "addon/policy_loss_call.h"
#include "ops/gae/gae.h"
#include "ops/group_advantage/group_advantage.h"
#include "ops/importance/importance.h"
#include "ops/resize/resize.h"
#include "ops/sequences.h"
#include "ops/whiten/whiten.h"

namespace rft {
namespace {

// Offsets of completions.
std::vector<int32_t> offsets(const Field& f, size_t n) {
  auto out = f.ints();
  expect(!out.empty(), f.path(), "offsets of the completions", "none");
  ops::check_sequences(f.path().c_str(), out.data(), int64_t(out.size()) - 1, int64_t(n));
  return out;
}

template <class T>
void same_length(const std::vector<T>& column, size_t n, const char* where) {
  expect(column.size() == n, where, concat(n, " values"), column.size());
}

ops::Normalised normalised(const Field& options) {
  const std::string scale = options["scale"].text();
  expect(scale == "group" || scale == "batch" || scale == "none", options["scale"].path(), "group, batch or none",
         scale);
  return {scale == "group"   ? ops::AdvantageScale::Group
          : scale == "batch" ? ops::AdvantageScale::Batch
                             : ops::AdvantageScale::None,
          options["eps"].number()};
}

ops::AdvantageRule advantage_rule(const Field& options) {
  const std::string kind = options["kind"].text();
  if (kind == "group") return normalised(options);
  if (kind == "rloo") return ops::LeaveOneOut{};
  if (kind == "opo") return ops::LengthMean{};
  if (kind == "gpg") return ops::Gpg{};
  if (kind == "pass-at-k") return ops::PassAtK{options["eps"].number()};
  if (kind == "remax") return ops::Baseline{};
  fail(options["kind"].path(), "one of group, rloo, opo, gpg, pass-at-k, remax", kind);
}

int ddof_of(const Field& options) {
  const int64_t ddof = options["ddof"].is_null() ? 1 : options["ddof"].integer();
  expect(ddof == 0 || ddof == 1, options["ddof"].path(), "0 or 1", ddof);
  return int(ddof);
}

}  // namespace

// policyLoss(logp, input)
Napi::Value policy_loss(const Napi::CallbackInfo& info) {
  return guarded(info.Env(),
                 [&] { return policy_loss_in_place(info.Env(), Field(info[0], "logp"), Field(info[1], "input")); });
}

// valueLoss(values, input)
Napi::Value value_loss(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    return value_loss_to_js(
        info.Env(), value_loss_call(Field(info[0], "values").floats(), value_loss_input(Field(info[1], "input"))));
  });
}

// groupAdvantage(rewards, groupIds, { kind, .. , lengths?, baselines? })
Napi::Value group_advantage(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto rewards = Field(info[0], "rewards").floats();
    const auto groups = Field(info[1], "groupIds").ints();
    const Field options(info[2], "options");
    const size_t n = rewards.size();
    same_length(groups, n, "groupIds");
    const auto rule = advantage_rule(options);
    std::vector<int32_t> lengths;
    std::vector<float> baselines;
    if (std::holds_alternative<ops::LengthMean>(rule)) same_length(lengths = options["lengths"].ints(), n, "lengths");
    if (std::holds_alternative<ops::Baseline>(rule))
      same_length(baselines = options["baselines"].floats(), n, "baselines");
    std::vector<float> out(n);
    ops::group_advantage(int64_t(n),
                         {rewards.data(), groups.data(), lengths.empty() ? nullptr : lengths.data(),
                          baselines.empty() ? nullptr : baselines.data()},
                         rule, ddof_of(options), out.data());
    return floats_to_js(info.Env(), out);
  });
}

// gdpo(rewards (K,B), weights (K), groupIds (B), { scale, eps, ddof })
Napi::Value gdpo(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto rewards = Field(info[0], "rewards").floats(), weights = Field(info[1], "weights").floats();
    const auto groups = Field(info[2], "groupIds").ints();
    const Field options(info[3], "options");
    same_length(rewards, weights.size() * groups.size(), "rewards");
    std::vector<float> out(groups.size());
    ops::gdpo(int64_t(weights.size()), int64_t(groups.size()), rewards.data(), weights.data(), groups.data(),
              normalised(options), ddof_of(options), out.data());
    return floats_to_js(info.Env(), out);
  });
}

// standardize(values, { eps, ddof })
Napi::Value standardize(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    auto values = Field(info[0], "values").floats();
    const Field options(info[1], "options");
    ops::standardize(int64_t(values.size()), values.data(), options["eps"].number(), ddof_of(options));
    return floats_to_js(info.Env(), values);
  });
}

// whiten(values, counts | null, { shiftMean })
Napi::Value whiten(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto values = Field(info[0], "values").floats();
    const Field counts_field(info[1], "counts");
    const auto counts = counts_field.is_null() ? std::vector<int32_t>() : counts_field.ints();
    if (!counts_field.is_null()) same_length(counts, values.size(), "counts");
    std::vector<float> out(values.size());
    ops::whiten(int64_t(values.size()), values.data(), counts_field.is_null() ? nullptr : counts.data(),
                Field(info[2], "options")["shiftMean"].boolean(), out.data());
    return floats_to_js(info.Env(), out);
  });
}

// gae({ rewards, values, mask, sequences }, { gamma, lambda }): { advantages, returns }
Napi::Value gae(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Field in(info[0], "input"), options(info[1], "options");
    const auto rewards = in["rewards"].floats();
    const size_t n = rewards.size();
    const auto sequences = offsets(in["sequences"], n);
    const auto values = in["values"].is_null() ? std::vector<float>() : in["values"].floats();
    const auto mask = in["mask"].is_null() ? std::vector<uint8_t>() : in["mask"].bytes();
    if (!in["values"].is_null()) same_length(values, n, "values");
    if (!in["mask"].is_null()) same_length(mask, n, "mask");
    std::vector<float> advantages(n), returns(n);
    ops::gae({rewards.data(), values.empty() ? nullptr : values.data(), mask.empty() ? nullptr : mask.data(),
              sequences.data(), int64_t(sequences.size()) - 1},
             options["gamma"].number(), options["lambda"].number(), advantages.data(), returns.data());
    auto o = Napi::Object::New(info.Env());
    o.Set("advantages", floats_to_js(info.Env(), advantages));
    o.Set("returns", floats_to_js(info.Env(), returns));
    return o;
  });
}

// importanceRatio({ oldLogp, sampledLogp, mask, sequences }, { level, bound, low, high })
Napi::Value importance_ratio(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const Field in(info[0], "input"), options(info[1], "options");
    const auto old_logp = in["oldLogp"].floats(), sampled = in["sampledLogp"].floats();
    const size_t n = old_logp.size();
    const auto sequences = offsets(in["sequences"], n);
    const auto mask = in["mask"].is_null() ? std::vector<uint8_t>() : in["mask"].bytes();
    same_length(sampled, n, "sampledLogp");
    if (!in["mask"].is_null()) same_length(mask, n, "mask");
    const std::string level = options["level"].text(), bound = options["bound"].text();
    expect(level == "token" || level == "sequence-product" || level == "sequence-geometric", options["level"].path(),
           "token, sequence-product or sequence-geometric", level);
    expect(bound == "truncate" || bound == "mask", options["bound"].path(), "truncate or mask", bound);
    std::vector<float> out(n);
    ops::importance_ratio({old_logp.data(), sampled.data(), mask.empty() ? nullptr : mask.data(), sequences.data(),
                           int64_t(sequences.size()) - 1},
                          level == "token"              ? ops::ImportanceLevel::Token
                          : level == "sequence-product" ? ops::ImportanceLevel::SequenceProduct
                                                        : ops::ImportanceLevel::SequenceGeometric,
                          bound == "mask" ? ops::ImportanceBound::Mask : ops::ImportanceBound::Truncate,
                          options["low"].number(), options["high"].number(), out.data());
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
