#include "addon/kernels.h"

#include "addon/columns.h"
#include "addon/policy_loss_call.h"
#include "kernels/rl.h"
#include "ops/importance/importance.h"
#include "ops/resize/resize.h"
#include "ops/sequences.h"
#include "tensor/values.h"

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
                 [&] { return policy_loss_of_columns(info.Env(), Field(info[0], "logp"), Field(info[1], "input")); });
}

// kl(logp, refLogp, estimator): { value, slope }
Napi::Value kl(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    Columns columns(info.Env());
    const auto [logp, n] = columns.any<float>(Field(info[0], "logp"));
    const float* ref_logp = columns.of<float>(Field(info[1], "refLogp"), n);
    const ops::KlEstimator estimator = kl_estimator(Field(info[2], "estimator"));
    const auto value = columns.out<float>(n), slope = columns.out<float>(n);
    kernels::kl(columns.ctx(), n, logp, ref_logp, estimator, value.data, slope.data);
    auto o = Napi::Object::New(info.Env());
    o.Set("value", value.value);
    o.Set("slope", slope.value);
    return o;
  });
}

// valueLoss(values, { returns, oldValues, weights, clip })
Napi::Value value_loss(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    Columns columns(info.Env());
    const Field in(info[1], "input");
    const auto [values, n] = columns.any<float>(Field(info[0], "values"));
    const ops::ValueLossColumns all{values, columns.of<float>(in["returns"], n),
                                    columns.optional<float>(in["oldValues"], n), columns.of<float>(in["weights"], n)};
    const double clip = in["clip"].number();
    const auto loss = columns.out<float>(n), dvalue = columns.out<float>(n);
    const auto clipped = columns.out<uint8_t>(n);
    kernels::value_loss(columns.ctx(), n, all, clip, {loss.data, dvalue.data, clipped.data});
    auto o = Napi::Object::New(info.Env());
    o.Set("loss", loss.value);
    o.Set("dvalue", dvalue.value);
    o.Set("clipped", clipped.value);
    return o;
  });
}

// groupAdvantage(rewards, groupIds, { kind, .. , lengths?, baselines? })
Napi::Value group_advantage(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    Columns columns(info.Env());
    const auto [rewards, n] = columns.any<float>(Field(info[0], "rewards"));
    const Field options(info[2], "options");
    const auto rule = advantage_rule(options);
    ops::RewardColumns in{rewards, columns.of<int32_t>(Field(info[1], "groupIds"), n), nullptr, nullptr};
    if (std::holds_alternative<ops::LengthMean>(rule)) in.lengths = columns.of<int32_t>(options["lengths"], n);
    if (std::holds_alternative<ops::Baseline>(rule)) in.baselines = columns.of<float>(options["baselines"], n);
    const int ddof = ddof_of(options);
    const auto out = columns.out<float>(n);
    kernels::group_advantage(columns.ctx(), n, in, rule, ddof, out.data);
    return out.value;
  });
}

// gdpo(rewards (K,B), weights (K), groupIds (B), { scale, eps, ddof })
Napi::Value gdpo(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    Columns columns(info.Env());
    const Field given(info[1], "weights");  // few, and wanted on the host
    const DeviceBuffer* buffer = DeviceBuffer::from(given.value());
    const auto weights = buffer ? to_floats(buffer->tensor()) : given.floats();
    const auto [groups, n] = columns.any<int32_t>(Field(info[2], "groupIds"));
    const int64_t K = int64_t(weights.size());
    const float* rewards = columns.of<float>(Field(info[0], "rewards"), K * n);
    const Field options(info[3], "options");
    const ops::Normalised rule = normalised(options);
    const int ddof = ddof_of(options);
    const auto out = columns.out<float>(n);
    kernels::gdpo(columns.ctx(), K, n, rewards, weights.data(), groups, rule, ddof, out.data);
    return out.value;
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
    Columns columns(info.Env());
    const auto [values, n] = columns.any<float>(Field(info[0], "values"));
    const int32_t* counts = columns.optional<int32_t>(Field(info[1], "counts"), n);
    const bool shift_mean = Field(info[2], "options")["shiftMean"].boolean();
    const auto out = columns.out<float>(n);
    kernels::whiten(columns.ctx(), n, values, counts, shift_mean, out.data);
    return out.value;
  });
}

// gae({ rewards, values, mask, sequences }, { gamma, lambda }): { advantages, returns }
Napi::Value gae(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    Columns columns(info.Env());
    const Field in(info[0], "input"), options(info[1], "options");
    const auto [rewards, n] = columns.any<float>(in["rewards"]);
    const auto sequences = columns.any<int32_t>(in["sequences"]);
    expect(sequences.size > 0, in["sequences"].path(), "offsets of the completions", "none");
    const ops::GaeColumns all{rewards, columns.optional<float>(in["values"], n),
                              columns.optional<uint8_t>(in["mask"], n), sequences.data, sequences.size - 1};
    const double gamma = options["gamma"].number(), lambda = options["lambda"].number();
    const auto advantages = columns.out<float>(n), returns = columns.out<float>(n);
    kernels::gae(columns.ctx(), n, all, gamma, lambda, advantages.data, returns.data);
    auto o = Napi::Object::New(info.Env());
    o.Set("advantages", advantages.value);
    o.Set("returns", returns.value);
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
