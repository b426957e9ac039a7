// policy_loss and group_advantage against plain double references, and at their edges.
#include <algorithm>
#include <limits>

#include "harness.h"
#include "ops/group_advantage/group_advantage.h"
#include "ops/policy_loss/policy_loss.h"

using namespace rft;
using namespace rft::ops;
using namespace rft::test;

namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr double kOff = std::numeric_limits<double>::infinity();

// ------------------------------------------------------------------ policy_loss

struct LossCase {
  Floats logp, advantages, old_logp, ref_logp, weights;
  double low = 0.8, high = 1.28;
  float kl_coef = 0.04f;
};

struct LossResult {
  Floats loss, dlogp, kl;
  std::vector<uint8_t> clipped;
};

LossResult run(const LossCase& c) {
  const size_t n = c.logp.size();
  LossResult r{Floats(n, kNan), Floats(n, kNan), Floats(n, kNan), std::vector<uint8_t>(n, 99)};
  const Floats coef(n, c.kl_coef);
  PolicyLossColumns in{};
  in.logp = c.logp.data();
  in.advantages = c.advantages.data();
  in.weights = c.weights.data();
  in.old_logp = c.old_logp.empty() ? nullptr : c.old_logp.data();
  in.ref_logp = c.ref_logp.empty() ? nullptr : c.ref_logp.data();
  in.kl_coef = coef.data();
  PolicyLossParams params;
  params.objective = Clip{c.low, c.high, kOff, kOff};
  policy_loss(int64_t(n), in, params, {r.loss.data(), r.dlogp.data(), r.kl.data(), r.clipped.data()});
  return r;
}

LossCase random_loss_case(int64_t n, bool with_old, bool with_ref) {
  Random random(3);
  LossCase c;
  c.logp = random.normals(n, 1.5, -3);
  c.advantages = random.normals(n);
  c.weights = random.normals(n, 0.01, 0.05);
  for (float lp : c.logp) {
    double delta = 0.4 * random.normal();
    for (double kink : {std::log(0.8), std::log(1.28)})  // central differences do not cross it
      if (std::abs(delta + kink) < 1e-4) delta += 0.01;
    if (with_old) c.old_logp.push_back(float(lp + delta));
    if (with_ref) c.ref_logp.push_back(float(lp + 0.7 * random.normal()));
  }
  return c;
}

double k3_reference(double logp, double ref) { return std::expm1(ref - logp) - (ref - logp); }

double loss_reference(const LossCase& c, size_t i, double logp) {
  const double ratio = c.old_logp.empty() ? std::exp(logp - c.logp[i]) : std::exp(logp - c.old_logp[i]);
  const double A = c.advantages[i], loss = -std::min(ratio * A, std::clamp(ratio, c.low, c.high) * A);
  return c.ref_logp.empty() ? loss : loss + double(c.kl_coef) * k3_reference(logp, c.ref_logp[i]);
}

std::string check_loss(const LossCase& c) {
  const LossResult r = run(c);
  Array loss, dlogp, kl;
  for (size_t i = 0; i < c.logp.size(); ++i) {
    const double lp = c.logp[i], h = 1e-6;
    loss.push_back(loss_reference(c, i, lp));
    dlogp.push_back(double(c.weights[i]) * (loss_reference(c, i, lp + h) - loss_reference(c, i, lp - h)) / (2 * h));
    kl.push_back(c.ref_logp.empty() ? 0 : k3_reference(lp, c.ref_logp[i]));
  }
  for (const auto& detail : {compare("loss", r.loss, loss, 1, 1e-6), compare("dlogp", r.dlogp, dlogp, 1, 1e-6),
                             compare("kl", r.kl, kl, 1, 1e-6)})
    if (!detail.empty()) return detail;
  return "";
}

LossCase single(float logp, float advantage, float old_logp, float weight = 1) {
  return {{logp}, {advantage}, {old_logp}, {}, {weight}};
}

void test_policy_loss_values() {
  for (int64_t n : {1, 5, 4099, 10007})
    for (bool with_old : {false, true})
      for (bool with_ref : {false, true})
        verify(concat("policy_loss N=", n, with_old ? " off-policy" : " on-policy", with_ref ? " with reference" : ""),
               [&] { return check_loss(random_loss_case(n, with_old, with_ref)); });

  verify("policy_loss on-policy is exactly -A", [] {
    LossCase c = random_loss_case(101, false, false);
    const LossResult absent = run(c);
    c.old_logp = c.logp;
    const LossResult equal = run(c);
    Floats loss, dlogp;
    for (size_t i = 0; i < c.logp.size(); ++i) {
      loss.push_back(-c.advantages[i]);
      dlogp.push_back(float(double(c.weights[i]) * double(-c.advantages[i])));
    }
    return compare_bits("loss", absent.loss, loss) + compare_bits("dlogp", absent.dlogp, dlogp) +
           compare_bits("loss, old = logp", equal.loss, loss) + compare_bits("dlogp, old = logp", equal.dlogp, dlogp);
  });

  verify("policy_loss flags the clipped side", [] {
    struct Row {
      float delta, advantage;
      int flag;
    };
    for (const Row& row : {Row{0.5f, 1, 2}, Row{0.5f, -1, 0}, Row{-0.5f, 1, 0}, Row{-0.5f, -1, 1}, Row{0.1f, 1, 0},
                           Row{-0.1f, -1, 0}, Row{0.5f, 0, 0}}) {
      const LossResult r = run(single(row.delta, row.advantage, 0));
      if (r.clipped[0] != row.flag)
        return concat("delta ", row.delta, " A ", row.advantage, " gives ", int(r.clipped[0]));
      if ((r.dlogp[0] == 0) != (row.flag != 0 || row.advantage == 0))
        return concat("dlogp ", r.dlogp[0], " at delta ", row.delta);
    }
    return std::string();
  });

  verify("policy_loss differentiates the unclipped branch on a tie", [] {
    LossCase c = single(-1, 2, -1);
    c.low = c.high = 1;
    return compare_bits("dlogp", run(c).dlogp, {-2.0f});
  });

  verify("policy_loss k3 of nearly equal log-probs keeps its digits", [] {
    for (float d : {1e-2f, 1e-4f, 1e-6f}) {
      LossCase c = single(0, 1, 0);
      c.ref_logp = {d};
      const double wanted = std::expm1(double(d)) - double(d), got = run(c).kl[0];
      if (std::abs(got / wanted - 1) > 1e-5 && std::abs(got - wanted) > 1e-17)
        return concat("d = ", d, ": ", got, ", expected ", wanted);
    }
    return std::string();
  });
}

void test_policy_loss_edges() {
  verify("policy_loss ignores everything in rows of weight 0", [] {
    LossCase c = random_loss_case(300, true, true);
    LossCase spoiled = c;
    for (size_t i = 0; i < 300; i += 3) {
      c.weights[i] = spoiled.weights[i] = 0;
      spoiled.logp[i] = i % 2 ? kNan : -kInf;
      spoiled.old_logp[i] = i % 5 ? kInf : kNan;
      spoiled.ref_logp[i] = spoiled.advantages[i] = kNan;
    }
    const LossResult a = run(c), b = run(spoiled);
    for (size_t i = 0; i < 300; i += 3)
      if (b.loss[i] != 0 || b.dlogp[i] != 0 || b.kl[i] != 0 || b.clipped[i] != 0) return concat("row ", i, " is not 0");
    return compare_bits("loss", b.loss, a.loss) + compare_bits("dlogp", b.dlogp, a.dlogp) +
           compare_bits("kl", b.kl, a.kl);
  });

  verify("policy_loss of extreme ratios is finite", [] {
    for (float logp : {-1000.0f, -30.0f, 0.0f, -kInf})
      for (float other : {-1000.0f, -30.0f, 0.0f, -2000.0f})
        for (float advantage : {-1.0f, 1.0f}) {
          LossCase c = single(logp, advantage, other);
          c.ref_logp = {other};
          const LossResult r = run(c);
          if (!std::isfinite(r.loss[0]) || !std::isfinite(r.dlogp[0]) || !(r.kl[0] >= 0))
            return concat("logp ", logp, " old ", other, ": loss ", r.loss[0], " dlogp ", r.dlogp[0], " kl ", r.kl[0]);
        }
    return std::string();
  });

  verify("policy_loss passes NaN of a weighted row on, and to that row only", [] {
    LossCase c = random_loss_case(9, true, true);
    const LossResult a = run(c);
    c.logp[4] = kNan;
    const LossResult b = run(c);
    if (!std::isnan(b.loss[4]) || !std::isnan(b.dlogp[4])) return concat("loss ", b.loss[4], " dlogp ", b.dlogp[4]);
    for (size_t i = 0; i < 9; ++i)
      if (i != 4 && (a.loss[i] != b.loss[i] || a.dlogp[i] != b.dlogp[i])) return concat("row ", i, " changed");
    return std::string();
  });

  verify("policy_loss rows and threads leave the bits alone", [] {
    const LossCase c = random_loss_case(10007, true, true);
    const LossResult all = run(c);
    for (size_t i : {size_t(0), size_t(4096), size_t(10006)}) {
      const LossResult one = run({{c.logp[i]}, {c.advantages[i]}, {c.old_logp[i]}, {c.ref_logp[i]}, {c.weights[i]}});
      if (one.loss[0] != all.loss[i] || one.dlogp[0] != all.dlogp[i] || one.kl[0] != all.kl[i])
        return concat("row ", i, " differs alone");
    }
    return same_for_all_threads([&] { return run(c).dlogp; });
  });
}

// ------------------------------------------------------------------ group_advantage

Floats advantages_of(const Floats& rewards, const std::vector<int32_t>& groups, AdvantageScale scale,
                     double eps = 1e-4) {
  Floats out(rewards.size(), kNan);
  group_advantage(int64_t(rewards.size()), {rewards.data(), groups.data(), nullptr, nullptr}, Normalised{scale, eps}, 1,
                  out.data());
  return out;
}

double std_reference(const Array& x) {
  double mean = 0, squares = 0;
  for (double v : x) mean += v / double(x.size());
  for (double v : x) squares += (v - mean) * (v - mean);
  return x.size() > 1 ? std::sqrt(squares / double(x.size() - 1)) : 0;
}

Array advantage_reference(const Floats& rewards, const std::vector<int32_t>& groups, AdvantageScale scale, double eps) {
  Array all, out;
  for (float r : rewards)
    if (!std::isnan(r)) all.push_back(r);
  for (size_t i = 0; i < rewards.size(); ++i) {
    Array group;
    double mean = 0;
    for (size_t k = 0; k < rewards.size(); ++k)
      if (groups[k] == groups[i] && !std::isnan(rewards[k])) group.push_back(rewards[k]);
    for (double r : group) mean += r / double(group.size());
    const double divisor =
        scale == AdvantageScale::None ? 1 : eps + std_reference(scale == AdvantageScale::Group ? group : all);
    out.push_back(std::isnan(rewards[i]) ? 0 : (rewards[i] - mean) / divisor);
  }
  return out;
}

void test_group_advantage() {
  for (auto [scale, name] :
       {std::pair{AdvantageScale::Group, "group"}, {AdvantageScale::Batch, "batch"}, {AdvantageScale::None, "none"}})
    verify(concat("group_advantage by ", name, " of ragged, interleaved groups"), [&] {
      Random random(8);
      Floats rewards;
      std::vector<int32_t> groups;
      for (int i = 0; i < 203; ++i) {
        rewards.push_back(random.below(9) ? float(random.normal() + 5) : kNan);
        groups.push_back(int32_t(random.below(40)) - 20);
      }
      return compare("advantages", advantages_of(rewards, groups, scale),
                     advantage_reference(rewards, groups, scale, 1e-4), 1, 1e-6);
    });
  verify("group_advantage of 1 0 0 1", [] {
    const double a = 0.5 / (std::sqrt(1.0 / 3) + 1e-4);
    return compare("advantages", advantages_of({1, 0, 0, 1}, {7, 7, 7, 7}, AdvantageScale::Group), {a, -a, -a, a}, 1,
                   1e-7);
  });
  verify("group_advantage is exactly 0 for single, equal and missing rewards", [] {
    const Floats rewards = {0.1f, 0.1f, 0.1f, 0.1f, 0.1f, 0.1f, 0.1f, 3, kNan, kNan};
    const std::vector<int32_t> groups = {1, 1, 1, 1, 1, 1, 1, 2, 3, 1};
    std::string detail;
    for (auto scale : {AdvantageScale::Group, AdvantageScale::Batch, AdvantageScale::None})
      for (float eps : {1e-4, 0.0})
        detail += compare_bits("advantages", advantages_of(rewards, groups, scale, eps), Floats(10));
    return detail;
  });
  verify("group_advantage of close large rewards does not cancel", [] {
    return compare("advantages", advantages_of({16777214, 16777215, 16777216}, {0, 0, 0}, AdvantageScale::Group, 0),
                   {-1, 0, 1}, 1, 1e-6);
  });
  verify("group_advantage of nothing",
         [] { return advantages_of({}, {}, AdvantageScale::Group).empty() ? "" : "not empty"; });
}

}  // namespace

int main() {
  test_policy_loss_values();
  test_policy_loss_edges();
  test_group_advantage();
  return failures == 0 ? 0 : 1;
}
