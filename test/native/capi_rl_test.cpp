// The RL kernels of librft through their C header alone: every rule and every loss against its formula in double,
// gradients against central differences of that formula, and the errors of bad calls.
#include <cmath>
#include <functional>
#include <string>

#include "capi/rft_rl.h"
#include "check.h"

using rft::test::Floats;
using rft::test::report;

namespace {

using Bytes = std::vector<uint8_t>;
using Ints = std::vector<int32_t>;
using Doubles = std::vector<double>;

const float kNan = std::nanf("");

std::string ok(int status) { return status == 0 ? "" : rft_last_error(); }

std::string close(const Floats& got, const Doubles& want, double tolerance) {
  for (size_t i = 0; i < want.size(); ++i)
    if (!(std::abs(double(got[i]) - want[i]) <= tolerance * std::max(1.0, std::abs(want[i]))))
      return "element " + std::to_string(i) + ": " + std::to_string(got[i]) + ", want " + std::to_string(want[i]);
  return "";
}

void refused(const std::string& name, int status, const std::string& reason) {
  const std::string text = rft_last_error();
  report(name,
         status == 1 && text.find(reason) != std::string::npos ? "" : "status " + std::to_string(status) + ": " + text);
}

// ------------------------------------------------------------------ advantages

void group_advantage(rft_context* cpu) {
  const Floats rewards{1, 0, 0.5f, kNan, 2, 2};
  const Ints groups{7, 7, 7, 7, 1, 1}, lengths{10, 30, 20, 5, 1, 1};
  const Floats baselines{0.5f, 0.5f, 0.5f, 0.5f, 1, kNan};
  const rft_reward_columns in{6, rewards.data(), groups.data(), lengths.data(), baselines.data()};
  const double batch = std::sqrt((std::pow(1 - 1.1, 2) + 1.21 + 0.36 + 2 * 0.81) / 4);
  struct Case {
    const char* name;
    rft_advantage_rule rule;
    Doubles want;
  };
  const Case cases[] = {
      {"group", {RFT_ADVANTAGE_GROUP, RFT_SCALE_GROUP, 0.5, 0}, {0.5, -0.5, 0, 0, 0, 0}},
      {"group, biased",
       {RFT_ADVANTAGE_GROUP, RFT_SCALE_GROUP, 0, 1},
       {0.5 / std::sqrt(1.0 / 6), -0.5 / std::sqrt(1.0 / 6), 0, 0, 0, 0}},
      {"batch", {RFT_ADVANTAGE_GROUP, RFT_SCALE_BATCH, 0, 0}, {0.5 / batch, -0.5 / batch, 0, 0, 0, 0}},
      {"none", {RFT_ADVANTAGE_GROUP, RFT_SCALE_NONE, 0, 0}, {0.5, -0.5, 0, 0, 0, 0}},
      {"rloo", {RFT_ADVANTAGE_RLOO, RFT_SCALE_GROUP, 0, 0}, {0.75, -0.75, 0, 0, 0, 0}},
      {"opo", {RFT_ADVANTAGE_OPO, RFT_SCALE_GROUP, 0, 0}, {1 - 1.0 / 3, -1.0 / 3, 0.5 - 1.0 / 3, 0, 0, 0}},
      {"gpg", {RFT_ADVANTAGE_GPG, RFT_SCALE_GROUP, 0, 0}, {0.625, -0.625, 0, 0, 0, 0}},
      {"pass@k", {RFT_ADVANTAGE_PASS_AT_K, RFT_SCALE_GROUP, 0, 0}, {1, 0, 0, 0, 0, 0}},
      {"remax", {RFT_ADVANTAGE_REMAX, RFT_SCALE_GROUP, 0, 0}, {0.5, -0.5, 0, 0, 1, 0}},
  };
  for (const Case& c : cases) {
    Floats out(6, kNan);
    const std::string failed = ok(rft_group_advantage(cpu, &in, &c.rule, out.data()));
    report(std::string("group_advantage ") + c.name, failed.empty() ? close(out, c.want, 1e-6) : failed);
  }
  const rft_advantage_rule rule{RFT_ADVANTAGE_GROUP, RFT_SCALE_GROUP, 0, 0};
  const Floats two{0, 1, 0, 1, 5, 5, 1, 1}, weights{1, 3};  // K = 2, B = 4
  const Ints pairs{0, 0, 1, 1};
  Floats out(4);
  // a = -+1/sqrt(2) of the first reward, 0 of the second; over the batch their deviation is sqrt(2/3)
  const double a = std::sqrt(0.5) / std::sqrt(2.0 / 3);
  const std::string failed = ok(rft_gdpo(cpu, 2, 4, two.data(), weights.data(), pairs.data(), &rule, out.data()));
  report("gdpo", failed.empty() ? close(out, {-a, a, -a, a}, 1e-6) : failed);
}

void returns(rft_context* cpu) {
  const Floats rewards{0, 9, 1, 2}, values{0.5f, 9, 0.25f, 1};
  const Bytes mask{1, 0, 1, 1};
  const Ints sequences{0, 3, 4};
  Floats advantages(4, kNan), out(4, kNan);
  const rft_gae_columns in{4, rewards.data(), values.data(), mask.data(), sequences.data(), 2};
  const std::string failed = ok(rft_gae(cpu, &in, 0.5, 0.5, advantages.data(), out.data()));
  const double last = 1 - 0.25, first = 0.5 * 0.25 - 0.5 + 0.25 * last;
  report("gae", failed.empty() ? close(advantages, {first, 0, last, 1}, 1e-7) : failed);
  report("gae returns", close(out, {first + 0.5, 0, 1, 2}, 1e-7));

  const Floats x{1, 99, 4, 2};
  const Ints counts{2, 0, 1, 3};
  Floats white(4);
  const double mean = 2, std = std::sqrt(6.0 / 5 + 1e-8);
  report("whiten", ok(rft_whiten(cpu, 4, x.data(), counts.data(), 0, white.data())));
  report("whiten values", close(white, {(1 - mean) / std, 0, (4 - mean) / std, 0}, 1e-6));
  report("whiten with the mean kept", ok(rft_whiten(cpu, 4, x.data(), counts.data(), 1, white.data())));
  report("its values", close(white, {mean - 1 / std, 0, mean + 2 / std, mean}, 1e-6));
}

void aggregation(rft_context* cpu) {
  const Bytes mask{1, 1, 0, 1};
  const Ints sequences{0, 3, 4};
  struct Case {
    const char* name;
    rft_aggregation_rule rule;
    Doubles want;
  };
  const Case cases[] = {
      {"token mean", {RFT_TOKEN_MEAN, 0, 0, 0, 0, 0, 0}, {1.0 / 3, 1.0 / 3, 0, 1.0 / 3}},
      {"token mean of more", {RFT_TOKEN_MEAN, 0, 30, 0, 0, 0, 0}, {1.0 / 30, 1.0 / 30, 0, 1.0 / 30}},
      {"rollout token mean", {RFT_ROLLOUT_TOKEN_MEAN, 0, 0, 60, 4, 0, 0}, {1.0 / 15, 1.0 / 15, 0, 1.0 / 15}},
      {"micro-batch token mean", {RFT_MICRO_BATCH_TOKEN_MEAN, 0, 30, 0, 0, 2, 0}, {1.0 / 6, 1.0 / 6, 0, 1.0 / 6}},
      {"sequence mean", {RFT_SEQUENCE_MEAN, 0, 0, 0, 0, 0, 0}, {0.25, 0.25, 0, 0.5}},
      {"sequence sum", {RFT_SEQUENCE_SUM, 8, 0, 0, 0, 0, 0}, {0.125, 0.125, 0, 0.125}},
      {"fixed length", {RFT_FIXED_LENGTH, 0, 0, 0, 0, 0, 16}, {1.0 / 32, 1.0 / 32, 0, 1.0 / 32}},
  };
  for (const Case& c : cases) {
    Floats weights(4, kNan);
    const std::string failed =
        ok(rft_aggregation_weights(cpu, 4, mask.data(), sequences.data(), 2, &c.rule, weights.data()));
    report(std::string("aggregation ") + c.name, failed.empty() ? close(weights, c.want, 1e-7) : failed);
  }
}

// ------------------------------------------------------------------ losses

// Two completions of 3 and 2 tokens.
const Ints kSequences{0, 3, 5};
const Doubles kLogp{-1.0, -0.5, -2.0, -0.25, -1.5}, kOld{-1.1, -0.9, -1.75, -0.3, -1.2},
    kRef{-0.8, -0.6, -2.5, 0, -1.5};
const Doubles kAdvantages{1.5, 1.5, 1.5, -0.75, -0.75}, kWeights{0.2, 0.2, 0.2, 0.3, 0.3};
const Bytes kSelected{0, 1, 0, 1, 0};

Floats floats(const Doubles& x) { return Floats(x.begin(), x.end()); }

// Loss of token i, where x is the log-probs and fixed stands for those that are not differentiated.
using Formula = std::function<double(const Doubles& x, const Doubles& fixed, size_t i)>;

size_t begin_of(size_t i) { return i < 3 ? 0 : 3; }
size_t end_of(size_t i) { return i < 3 ? 3 : 5; }
double sum_over(size_t i, const std::function<double(size_t)>& value) {
  double sum = 0;
  for (size_t t = begin_of(i); t < end_of(i); ++t) sum += value(t);
  return sum;
}
double clipped(double r, double A, double low, double high) {
  return -std::min(r * A, std::min(std::max(r, 1 - low), 1 + high) * A);
}

struct LossCase {
  const char* name;
  rft_loss loss;
  Formula formula;
};

std::vector<LossCase> loss_cases() {
  const auto delta = [](const Doubles& x, size_t t) { return x[t] - kOld[t]; };
  const auto mean = [=](const Doubles& x, size_t i) {
    return sum_over(i, [&](size_t t) { return delta(x, t); }) / double(end_of(i) - begin_of(i));
  };
  std::vector<LossCase> out;
  const auto add = [&](const char* name, rft_loss_kind kind, const std::function<void(rft_loss&)>& set, Formula f) {
    rft_loss loss{};
    loss.kind = kind;
    set(loss);
    out.push_back({name, loss, std::move(f)});
  };
  const auto bounds = [](rft_loss& l) { l.of.clip = {0.2, 0.28, 0, 0}; };
  add("clip", RFT_LOSS_CLIP, bounds, [=](const Doubles& x, const Doubles&, size_t i) {
    return clipped(std::exp(delta(x, i)), kAdvantages[i], 0.2, 0.28);
  });
  add(
      "clip, dual and cap", RFT_LOSS_CLIP,
      [](rft_loss& l) {
    l.of.clip = {0.1, 5, 0.5, 1.3};
      },
      [=](const Doubles& x, const Doubles&, size_t i) {
    const double A = kAdvantages[i], r = std::exp(delta(x, i));
    const double loss = -std::min(std::min(r, 1.3) * A, std::min(std::max(r, 0.9), 6.0) * A);
    return A < 0 ? std::min(loss, -0.5 * A) : loss;
  });
  add(
      "gspo", RFT_LOSS_GSPO,
      [](rft_loss& l) {
    l.of.clip = {0.2, 0.28, 0, 0};
      },
      [=](const Doubles& x, const Doubles&, size_t i) {
    return clipped(std::exp(mean(x, i)), kAdvantages[i], 0.2, 0.28);
  });
  add(
      "sequence product", RFT_LOSS_SEQUENCE_PRODUCT,
      [](rft_loss& l) {
    l.of.clip = {0.5, 0.5, 0, 0};
      },
      [=](const Doubles& x, const Doubles&, size_t i) {
    return clipped(std::exp(sum_over(i, [&](size_t t) { return delta(x, t); })), kAdvantages[i], 0.5, 0.5);
  });
  add("gspo-token", RFT_LOSS_GSPO_TOKEN, bounds, [=](const Doubles& x, const Doubles& fixed, size_t i) {
    return clipped(std::exp(mean(fixed, i) + x[i] - fixed[i]), kAdvantages[i], 0.2, 0.28);
  });
  add(
      "cispo", RFT_LOSS_CISPO,
      [](rft_loss& l) {
    l.of.bounds = {0, 1.2};
      },
      [=](const Doubles& x, const Doubles& fixed, size_t i) {
    return -std::min(std::exp(delta(fixed, i)), 1.2) * kAdvantages[i] * x[i];
  });
  add(
      "reinforce", RFT_LOSS_REINFORCE, [](rft_loss&) {},
      [](const Doubles& x, const Doubles&, size_t i) { return -kAdvantages[i] * x[i]; });
  add(
      "sapo", RFT_LOSS_SAPO,
      [](rft_loss& l) {
    l.of.sapo = {1, 1.05};
      },
      [=](const Doubles& x, const Doubles&, size_t i) {
    const double tau = kAdvantages[i] > 0 ? 1 : 1.05;
    return -4 / tau / (1 + std::exp(-tau * (std::exp(delta(x, i)) - 1))) * kAdvantages[i];
  });
  add(
      "gmpo", RFT_LOSS_GMPO,
      [](rft_loss& l) {
    l.of.bounds = {0.25, 0.3};
      },
      [=](const Doubles& x, const Doubles&, size_t i) {
    const double A = kAdvantages[i], n = double(end_of(i) - begin_of(i));
    const double sum =
        sum_over(i, [&](size_t t) { return A > 0 ? std::min(delta(x, t), 0.3) : std::max(delta(x, t), -0.25); });
    return -A * std::exp(sum / n);
  });
  add(
      "vespo", RFT_LOSS_VESPO,
      [](rft_loss& l) {
    l.of.vespo = {2, 3, 3, 2};
      },
      [=](const Doubles& x, const Doubles& fixed, size_t i) {
    const double log_w = sum_over(i, [&](size_t t) { return delta(fixed, t); }), A = kAdvantages[i];
    const double k = A >= 0 ? 2 : 3, lambda = A >= 0 ? 3 : 2;
    return -std::exp(lambda + k * log_w - lambda * std::exp(log_w)) * A * x[i];
  });
  add(
      "kl-cov", RFT_LOSS_KL_COV, [](rft_loss& l) { l.of.cov_coef = 0.3; },
      [=](const Doubles& x, const Doubles&, size_t i) {
    return -std::exp(delta(x, i)) * kAdvantages[i] + (kSelected[i] ? 0.3 * std::abs(delta(x, i)) : 0);
      });
  return out;
}

struct KlCase {
  const char* name;
  rft_kl_estimator estimator;
  bool bias_corrected;
  std::function<double(double d)> value, slope;  // by d = ref - logp; slope: of the value by logp
};

const KlCase kKl[] = {
    {"k1", RFT_KL_K1, false, [](double d) { return -d; }, [](double) { return 1.0; }},
    {"k2", RFT_KL_K2, false, [](double d) { return d * d / 2; }, [](double d) { return -d; }},
    {"k3", RFT_KL_K3, false, [](double d) { return std::expm1(d) - d; }, [](double d) { return -std::expm1(d); }},
    {"k3 times the ratio", RFT_KL_K3, true, [](double d) { return std::expm1(d) - d; },
     [](double d) { return -std::expm1(d); }},
    {"k3-k2", RFT_KL_K3_K2, false, [](double d) { return std::expm1(d) - d; }, [](double d) { return -d; }},
};

struct Output {
  Floats loss = Floats(5, kNan), dlogp = Floats(5, kNan), kl = Floats(5, kNan);
  Bytes clipped = Bytes(5, 99);
  rft_policy_result pointers() { return {loss.data(), dlogp.data(), kl.data(), clipped.data()}; }
};

std::string check_loss(rft_context* cpu, const LossCase& c, const KlCase* kl) {
  const Floats logp = floats(kLogp), old = floats(kOld), ref = floats(kRef), advantages = floats(kAdvantages),
               weights = floats(kWeights);
  const rft_policy_columns in{.n = 5,
                              .logp = logp.data(),
                              .advantages = advantages.data(),
                              .weights = weights.data(),
                              .old_logp = old.data(),
                              .ref_logp = kl ? ref.data() : nullptr,
                              .kl_coefs = nullptr,
                              .importance = nullptr,
                              .sampled_logp = nullptr,
                              .keep = nullptr,
                              .selected = kSelected.data(),
                              .sequences = kSequences.data(),
                              .sequence_count = 2};
  rft_policy_options options{};
  options.loss = c.loss;
  if (kl) options.kl_estimator = kl->estimator, options.kl_bias_corrected = kl->bias_corrected, options.kl_coef = 0.1;
  Output out;
  const rft_policy_result result = out.pointers();
  if (const std::string failed = ok(rft_policy_loss(cpu, &in, &options, &result)); !failed.empty()) return failed;
  Doubles loss, slope;
  for (size_t i = 0; i < 5; ++i) {
    double total[2];  // central differences of sum weight loss, at log-prob i
    for (const int side : {0, 1}) {
      Doubles x = kLogp;
      x[i] += side ? 1e-6 : -1e-6;
      total[side] = 0;
      for (size_t j = 0; j < 5; ++j) total[side] += kWeights[j] * c.formula(x, kLogp, j);
    }
    double gradient = (total[1] - total[0]) / 2e-6, value = c.formula(kLogp, kLogp, i);
    if (kl) {
      const double d = kRef[i] - kLogp[i], ratio = kl->bias_corrected ? std::exp(kLogp[i] - kOld[i]) : 1;
      value += 0.1 * ratio * kl->value(d);
      gradient += kWeights[i] * 0.1 * ratio * (kl->slope(d) + (kl->bias_corrected ? kl->value(d) : 0));
    }
    loss.push_back(value);
    slope.push_back(gradient);
  }
  const std::string values = close(out.loss, loss, 1e-6);
  return values.empty() ? close(out.dlogp, slope, 1e-5) : "gradient, " + values;
}

void policy_loss(rft_context* cpu) {
  for (const LossCase& c : loss_cases()) {
    report(std::string("policy_loss ") + c.name, check_loss(cpu, c, nullptr));
    for (const KlCase& kl : kKl)
      report(std::string("policy_loss ") + c.name + " with " + kl.name, check_loss(cpu, c, &kl));
  }
  const Floats logp = floats(kLogp), ref = floats(kRef);
  for (const KlCase& kl : kKl) {
    Floats value(5, kNan), slope(5, kNan);
    Doubles want, gradient;
    for (size_t i = 0; i < 5; ++i) {
      want.push_back(kl.value(kRef[i] - kLogp[i]));
      gradient.push_back(kl.slope(kRef[i] - kLogp[i]));
    }
    if (kl.bias_corrected) continue;
    const std::string failed = ok(rft_kl(cpu, 5, logp.data(), ref.data(), kl.estimator, value.data(), slope.data()));
    report(std::string("kl ") + kl.name, failed.empty() ? close(value, want, 1e-6) : failed);
    report(std::string("kl ") + kl.name + " gradient", close(slope, gradient, 1e-6));
  }
}

// What masks and factors do, on the on-policy REINFORCE loss, which is 1 x the advantage.
void columns_of_a_loss(rft_context* cpu) {
  const Floats logp{-1, -1, -1, -1, -1}, advantages{1, 1, 1, -1, -1}, weights{1, 0, 1, 1, 1};
  const Floats importance{0.5f, 1, 1, 1, 1}, sampled{-1, -1, -1, 0, 0}, ref{-1, -1, -2, -1, -1}, coefs{0, 0, 2, 0, 0};
  const Bytes keep{1, 1, 0, 1, 1};
  rft_policy_columns in{};
  in.n = 5, in.logp = logp.data(), in.advantages = advantages.data(), in.weights = weights.data();
  in.importance = importance.data(), in.sampled_logp = sampled.data(), in.keep = keep.data();
  in.ref_logp = ref.data(), in.kl_coefs = coefs.data(), in.sequences = kSequences.data(), in.sequence_count = 2;
  rft_policy_options options{};
  options.loss.kind = RFT_LOSS_REINFORCE;
  options.kl_estimator = RFT_KL_K1;
  options.off_policy_mask = 1, options.off_policy_threshold = 0.5;
  Output out;
  const rft_policy_result result = out.pointers();
  report("columns of a loss", ok(rft_policy_loss(cpu, &in, &options, &result)));
  // importance halves row 0, row 1 has no weight, row 2 keeps its KL term 2 x 1, the second completion is off-policy
  report("loss with masks", close(out.loss, {0.5, 0, 2, 0, 0}, 1e-7));
  report("gradient with masks", close(out.dlogp, {-0.5, 0, 2, 0, 0}, 1e-7));
}

void value_loss(rft_context* cpu) {
  const Floats values{1, 2, 0}, returns{0, 0, 0}, old{1, 1, 5}, weights{0.5f, 1, 0};
  Floats loss(3, kNan), slope(3, kNan);
  Bytes flags(3, 99);
  const rft_value_columns in{3, values.data(), returns.data(), weights.data(), old.data()};
  const rft_value_result out{loss.data(), slope.data(), flags.data()};
  report("value_loss runs", ok(rft_value_loss(cpu, &in, 0.2, &out)));
  report("value_loss", close(loss, {0.5, 2, 0}, 1e-7));
  report("value_loss gradient", close(slope, {0.5, 2, 0}, 1e-7));
}

void errors(rft_context* cpu) {
  const Floats x(4, 0.0f);
  const Ints falls{0, 3, 2, 4}, outside{0, 9};
  Floats a(4), b(4);
  rft_gae_columns gae{4, x.data(), nullptr, nullptr, falls.data(), 3};
  refused("offsets that fall", rft_gae(cpu, &gae, 1, 1, a.data(), b.data()), "offsets that do not fall");
  gae.sequences = outside.data(), gae.sequence_count = 1;
  refused("offsets outside", rft_gae(cpu, &gae, 1, 1, a.data(), b.data()), "offsets from 0 to 4 but received 0 to 9");
  gae.sequences = nullptr;
  refused("no offsets", rft_gae(cpu, &gae, 1, 1, a.data(), b.data()), "gae sequences: expected every pointer");
  refused("gamma NaN", rft_gae(cpu, &gae, NAN, 1, a.data(), b.data()), "gae gamma");
  refused("a NULL column", rft_whiten(cpu, 4, nullptr, nullptr, 0, a.data()), "received NULL");
  refused("no context", rft_whiten(nullptr, 4, x.data(), nullptr, 0, a.data()), "rft_context_create");
  refused("a negative count", rft_whiten(cpu, -1, x.data(), nullptr, 0, a.data()), "rows from 0");
  report("no rows need no columns", ok(rft_whiten(cpu, 0, nullptr, nullptr, 0, nullptr)));
  refused("an unknown estimator", rft_kl(cpu, 4, x.data(), x.data(), rft_kl_estimator(9), a.data(), b.data()),
          "a value of its enum but received 9");
  rft_policy_columns in{};
  in.n = 4, in.logp = in.advantages = in.weights = x.data();
  rft_policy_options options{};
  Output out;
  const rft_policy_result result = out.pointers();
  options.loss.kind = RFT_LOSS_GSPO;
  refused("a loss of completions without offsets", rft_policy_loss(cpu, &in, &options, &result), "sequences");
  options.loss.kind = rft_loss_kind(77);
  refused("an unknown loss", rft_policy_loss(cpu, &in, &options, &result), "77");
  options.loss.kind = RFT_LOSS_SAPO;
  refused("tau 0", rft_policy_loss(cpu, &in, &options, &result), "tau");
  options.loss.kind = RFT_LOSS_CLIP;
  options.off_policy_mask = 1;
  refused("an off-policy mask without the sampler", rft_policy_loss(cpu, &in, &options, &result), "sequences");
  const Ints ids(4, 0);
  const rft_reward_columns rewards{4, x.data(), ids.data(), nullptr, nullptr};
  const rft_advantage_rule opo{RFT_ADVANTAGE_OPO, RFT_SCALE_GROUP, 0, 0};
  refused("OPO without lengths", rft_group_advantage(cpu, &rewards, &opo, a.data()), "lengths");
  const rft_aggregation_rule fixed{RFT_FIXED_LENGTH, 0, 0, 0, 0, 0, 0};
  const Ints whole{0, 4};
  refused("a fixed length of 0", rft_aggregation_weights(cpu, 4, nullptr, whole.data(), 1, &fixed, a.data()),
          "fixed_length");
}

}  // namespace

int main() {
  rft_context* cpu = rft_context_create("cpu", nullptr);
  group_advantage(cpu);
  returns(cpu);
  aggregation(cpu);
  policy_loss(cpu);
  columns_of_a_loss(cpu);
  value_loss(cpu);
  errors(cpu);
  rft_context_destroy(cpu);
  return rft::test::failures ? 1 : 0;
}
