// policy_loss and its sums on the CUDA device against the CPU's, which rl_test.cpp holds to references in double: every
// objective and KL estimator, with and without each column, completions of awkward lengths, rows of weight 0 that hold
// anything, clamped and missing numbers.
#include <algorithm>
#include <limits>

#include "harness.h"
#include "ops/policy_loss/launch.h"
#include "schedules.h"
#include "tensor/packed_columns.h"

using namespace rft;
using namespace rft::test;

namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr double kOff = std::numeric_limits<double>::infinity();

struct Named {
  const char* name;
  ops::PolicyObjective objective;
};
const ops::Clip kClip{0.8, 1.28, 3.0, 4.0};
const Named kObjectives[] = {{"clip", kClip},
                             {"gspo", ops::Gspo{kClip}},
                             {"sequence-product", ops::SequenceProduct{kClip}},
                             {"gspo-token", ops::GspoToken{kClip}},
                             {"cispo", ops::Cispo{0.2, 1.5}},
                             {"reinforce", ops::Reinforce{}},
                             {"sapo", ops::Sapo{1.0, 1.05}},
                             {"gmpo", ops::Gmpo{0.4, 0.4}},
                             {"vespo", ops::Vespo{2.0, 3.0, 3.0, 2.0}},
                             {"kl-cov", ops::KlCov{1.0}}};
const ops::KlEstimator kEstimators[] = {ops::K3{}, ops::K1{}, ops::K2{}, ops::K3K2{}};

struct Columns {
  Floats logp, advantages, weights, old_logp, ref_logp, kl_coef, importance, sampled_logp, entropy, entropy_weights;
  std::vector<uint8_t> keep, selected;
  std::vector<int32_t> sequences;
  int64_t n() const { return int64_t(logp.size()); }
};

// Every column is there; `unused` of a hundred rows have weight 0 and hold NaN and infinities.
Columns random_columns(const std::vector<int32_t>& lengths, int64_t unused) {
  Columns c;
  c.sequences = {0};
  for (const int32_t n : lengths) c.sequences.push_back(c.sequences.back() + n);
  const int64_t n = c.sequences.back();
  Random random(uint64_t(n) + 7);
  c.logp = random.normals(n, 1.5, -3);
  c.advantages = random.normals(n);
  c.entropy = random.normals(n, 0.3, 1);
  for (int64_t i = 0; i < n; ++i) {
    const float lp = c.logp[size_t(i)];
    c.weights.push_back(float(0.01 + 0.05 * random.uniform()));
    c.old_logp.push_back(i % 41 == 17 ? lp + 30 : float(lp + 0.4 * random.normal()));
    c.ref_logp.push_back(i % 43 == 11 ? lp - 25 : float(lp + 0.7 * random.normal()));
    c.kl_coef.push_back(float(0.1 * random.uniform()));
    c.importance.push_back(i % 5 ? float(0.5 + random.uniform()) : 1.0f);
    c.sampled_logp.push_back(float(lp + 0.3 * random.normal()));
    c.entropy_weights.push_back(-float(random.uniform()));
    c.keep.push_back(random.below(8) > 0);
    c.selected.push_back(random.below(4) == 0);
    if (random.below(100) >= unused) continue;
    c.weights.back() = 0;
    c.logp[size_t(i)] = i % 2 ? kNan : -kInf;
    c.old_logp.back() = i % 5 ? kInf : kNan;
    c.ref_logp.back() = c.advantages[size_t(i)] = c.importance.back() = kNan;
  }
  return c;
}

struct Call {
  bool old_logp = true, ref_logp = true, marks = true, importance = true;
  ops::PolicyLossParams params{};
  bool coefs = true;  // of the KL term: one per row
};

struct Output {
  Floats loss, dlogp, kl, clipped;
  std::vector<ops::PolicyLossSums> sums;
};

template <class T>
const T* given(bool wanted, const std::vector<T>& column) {
  return wanted && !column.empty() ? column.data() : nullptr;
}

Output on_cpu(const Columns& c, const Call& call) {
  const size_t n = c.logp.size();
  Output out{Floats(n), Floats(n), Floats(n), {}, {}};
  std::vector<uint8_t> clipped(n);
  const ops::PolicyLossColumns in{c.logp.data(),
                                  c.advantages.data(),
                                  c.weights.data(),
                                  given(call.old_logp, c.old_logp),
                                  given(call.ref_logp, c.ref_logp),
                                  given(call.coefs, c.kl_coef),
                                  given(call.importance, c.importance),
                                  c.sampled_logp.data(),
                                  given(call.marks, c.keep),
                                  given(call.marks, c.selected),
                                  c.sequences.data(),
                                  int64_t(c.sequences.size()) - 1};
  ops::policy_loss(int64_t(n), in, call.params, {out.loss.data(), out.dlogp.data(), out.kl.data(), clipped.data()});
  out.clipped.assign(clipped.begin(), clipped.end());
  out.sums.resize(c.sequences.size() - 1);
  ops::policy_loss_sums(
      {out.loss.data(), out.kl.data(), clipped.data(), c.weights.data(), in.keep, given(call.marks, c.entropy_weights),
       c.entropy.data(), c.logp.data(), in.old_logp, c.sampled_logp.data(), c.sequences.data(), in.sequence_count},
      out.sums.data());
  return out;
}

Output on_cuda(const Columns& c, const Call& call) {
  const int64_t n = c.n(), completions = int64_t(c.sequences.size()) - 1;
  const Ctx ctx = make_ctx(std::make_shared<Pool>(Device::Cuda));
  const PackedColumns columns(ctx, c.logp, c.advantages, c.weights, c.old_logp, c.ref_logp, c.kl_coef, c.importance,
                              c.sampled_logp, c.keep, c.selected, c.sequences, c.entropy, c.entropy_weights);
  const auto at = [&](bool wanted, const auto& column) { return wanted ? columns.at(column) : nullptr; };
  const Floats nan(size_t(n), kNan);
  const Tensor loss = ctx.from(nan.data(), {n}), dlogp = ctx.from(nan.data(), {n}), kl = ctx.from(nan.data(), {n});
  const Tensor clipped = ctx.empty({n}, Dtype::I32), kl_terms = ctx.workspace({n * 16}, Dtype::U8),
               sums = ctx.workspace({completions * int64_t(sizeof(ops::PolicyLossSums))}, Dtype::U8);
  const ops::PolicyLossColumns in{columns.at(c.logp),
                                  columns.at(c.advantages),
                                  columns.at(c.weights),
                                  at(call.old_logp, c.old_logp),
                                  at(call.ref_logp, c.ref_logp),
                                  at(call.coefs, c.kl_coef),
                                  at(call.importance, c.importance),
                                  columns.at(c.sampled_logp),
                                  at(call.marks, c.keep),
                                  at(call.marks, c.selected),
                                  columns.at(c.sequences),
                                  completions};
  cuda::policy_loss({.n = n,
                     .in = in,
                     .kl_terms = reinterpret_cast<double*>(kl_terms.as<uint8_t>()),
                     .loss = loss.as<float>(),
                     .dlogp = dlogp.as<float>(),
                     .kl = kl.as<float>(),
                     .clipped = clipped.as<int32_t>()},
                    call.params, device::stream());
  cuda::policy_loss_sums(
      {loss.as<float>(), kl.as<float>(), clipped.as<int32_t>(), in.weights, in.keep, at(call.marks, c.entropy_weights),
       columns.at(c.entropy), in.logp, in.old_logp, in.sampled_logp, in.sequences, completions},
      reinterpret_cast<ops::PolicyLossSums*>(sums.as<uint8_t>()), device::stream());
  std::vector<int32_t> flags(static_cast<size_t>(n));
  device::to_host(flags.data(), clipped.raw(), clipped.bytes());
  Output out{to_floats(loss), to_floats(dlogp), to_floats(kl), Floats(flags.begin(), flags.end()), {}};
  out.sums.resize(size_t(completions));
  device::to_host(out.sums.data(), sums.raw(), sums.bytes());
  return out;
}

// Element by element within a millionth; NaN and infinities are themselves.
std::string same(const char* what, const Array& got, const Array& wanted) {
  for (size_t i = 0; i < wanted.size(); ++i) {
    const double w = wanted[i], g = got[i];
    if (std::isnan(w) ? !std::isnan(g) : !(g == w || std::abs(g - w) <= 1e-6 * std::abs(w) + 1e-12))
      return concat(what, " of ", i, " is ", g, ", expected ", w);
  }
  return "";
}
std::string same(const char* what, const Floats& got, const Floats& wanted) {
  return same(what, Array(got.begin(), got.end()), Array(wanted.begin(), wanted.end()));
}

std::string compare_outputs(const Output& got, const Output& wanted) {
  std::string detail = same("loss", got.loss, wanted.loss) + same("dlogp", got.dlogp, wanted.dlogp) +
                       same("kl", got.kl, wanted.kl) + same("clipped", got.clipped, wanted.clipped);
  for (size_t b = 0; b < wanted.sums.size() && detail.empty(); ++b) {
    const auto list = [](const ops::PolicyLossSums& s) {
      return Array{s.loss,        s.bonus,          s.kl,        s.entropy,
                   s.difference,  s.difference_max, s.log_ratio, double(s.entropy_rows),
                   double(s.low), double(s.high)};
    };
    detail = same("sum", list(got.sums[b]), list(wanted.sums[b]));
    if (!detail.empty()) detail = concat("completion ", b, ": ", detail);
  }
  return detail;
}

std::string check(const Columns& c, const Call& call) { return compare_outputs(on_cuda(c, call), on_cpu(c, call)); }

const std::vector<std::vector<int32_t>> kLengths = {{1}, {257}, {1, 31, 0, 32, 33, 257, 5, 3}};

// Each objective at each shape, with everything given and with nothing that may be absent.
void check_objectives(const Schedule& schedule) {
  for (const auto& [name, objective] : kObjectives)
    verify(concat("policy_loss ", name, ", ", schedule.name), [&]() -> std::string {
      for (const auto& lengths : kLengths)
        for (const int64_t unused : {0, 30, 100})
          for (const bool all : {false, true})
            for (const double threshold : {kOff, 0.0}) {
              Call call{all, all, all, all};
              call.params.objective = objective;
              call.params.off_policy_threshold = threshold;
              const Columns c = random_columns(lengths, unused);
              const std::string detail = check(c, call);
              if (!detail.empty())
                return concat(c.n(), " rows, ", unused, "% unused, ", all ? "all columns, " : "", "threshold ",
                              threshold, ": ", detail);
            }
      return "";
    });
}

void check_estimators(const Schedule& schedule) {
  for (size_t e = 0; e < std::size(kEstimators); ++e)
    for (const bool corrected : {false, true})
      verify(concat("policy_loss KL estimator ", e, corrected ? " times the ratio" : "", ", ", schedule.name),
             [&]() -> std::string {
               const Columns c = random_columns({100, 200}, 20);
               for (const bool old_logp : {false, true})
                 for (const auto& objective : {kObjectives[0].objective, kObjectives[1].objective}) {
                   Call call{old_logp, true, false, false};
                   call.coefs = old_logp;
                   call.params = {objective, kEstimators[e], 0.05, corrected, kOff};
                   const std::string detail = check(c, call);
                   if (!detail.empty()) return detail;
                 }
               return "";
             });
}

void check_edges(const Schedule& schedule) {
  const Columns c = random_columns({40, 300}, 10);
  const std::string in = concat(", ", schedule.name);
  verify("policy_loss passes NaN and infinities of weighted rows on" + in, [&]() -> std::string {
    Columns spoiled = c;
    spoiled.weights[3] = spoiled.weights[45] = spoiled.weights[50] = 0.5f;
    spoiled.logp[3] = spoiled.sampled_logp[50] = kNan;
    spoiled.logp[45] = -kInf;
    for (const auto& [name, objective] : kObjectives) {
      Call call;
      call.params.objective = objective;
      const std::string detail = check(spoiled, call);
      if (!detail.empty()) return concat(name, ": ", detail);
    }
    return "";
  });
  verify("policy_loss of a completion does not depend on the others" + in, [&]() -> std::string {
    Columns alone;
    const auto cut = [](const auto& column) {
      return std::decay_t<decltype(column)>(column.begin(), column.begin() + 40);
    };
    alone = {cut(c.logp),     cut(c.advantages),      cut(c.weights),    cut(c.old_logp),
             cut(c.ref_logp), cut(c.kl_coef),         cut(c.importance), cut(c.sampled_logp),
             cut(c.entropy),  cut(c.entropy_weights), cut(c.keep),       cut(c.selected),
             {0, 40}};
    for (const auto& [name, objective] : kObjectives) {
      Call call;
      call.params.objective = objective;
      const Output one = on_cuda(alone, call);
      Output both = on_cuda(c, call);
      both.dlogp.resize(40);
      if (!same_bits(one.dlogp, both.dlogp)) return concat(name, ": other bits");
      if (one.sums[0].loss != both.sums[0].loss) return concat(name, ": another sum");
    }
    return "";
  });
  verify("policy_loss of nothing" + in, [] { return check(random_columns({}, 0), {}); });
}

}  // namespace

int main() {
  for (const Schedule& schedule : kSchedules) {
    use(schedule);
    check_objectives(schedule);
    check_estimators(schedule);
    check_edges(schedule);
  }
  return failures == 0 ? 0 : 1;
}
