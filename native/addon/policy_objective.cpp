// Names of losses and KL estimators, as TypeScript and configuration files write them, to the structs of policy_loss.
#include <functional>
#include <limits>
#include <map>

#include "addon/policy_loss_call.h"

namespace rft {
namespace {

constexpr double kOff = std::numeric_limits<double>::infinity();

double number_or_off(const Field& f) { return f.is_null() ? kOff : f.number(); }

ops::Clip clip(const Field& f) {
  return {1.0 - f["clipLow"].number(), 1.0 + f["clipHigh"].number(), number_or_off(f["dualClip"]),
          number_or_off(f["ratioCap"])};
}

ops::Cispo cispo(const Field& f) {
  const std::string bound = f["bound"].text();
  const double low = f["clipLow"].number(), high = f["clipHigh"].number();
  if (bound == "absolute") return {low, high};
  expect(bound == "relative", f["bound"].path(), "absolute or relative", bound);
  return {1.0 - low, 1.0 + high};
}

using Reader = std::function<ops::PolicyObjective(const Field&)>;
const std::map<std::string, Reader> kObjectives =
    {
        {"clip", clip},
        {"clip-cov", clip},
        {"gspo", [](const Field& f) { return ops::Gspo{clip(f)}; }},
        {"luspo", [](const Field& f) { return ops::Gspo{clip(f)}; }},
        {"sequence-product", [](const Field& f) { return ops::SequenceProduct{clip(f)}; }},
        {"gspo-token", [](const Field& f) { return ops::GspoToken{clip(f)}; }},
        {"cispo", cispo},
        {"reinforce", [](const Field&) { return ops::Reinforce{}; }},
        {"sapo",
         [](const Field& f) {
  return ops::Sapo{f["tauPositive"].number(), f["tauNegative"].number()};
         }},
        {"gmpo",
         [](const Field& f) {
  return ops::Gmpo{f["clipLow"].number(), f["clipHigh"].number()};
         }},
                                    {"vespo",
                                     [](const Field& f) {
  return ops::Vespo{f["kPositive"].number(), f["lambdaPositive"].number(), f["kNegative"].number(),
                    f["lambdaNegative"].number()};
                                     }},
    {"kl-cov", [](const Field& f) { return ops::KlCov{f["covCoef"].number()}; }},
    };

const std::map<std::string, ops::KlEstimator> kEstimators = {
    {"k1", ops::K1{}}, {"k2", ops::K2{}}, {"k3", ops::K3{}}, {"k3-k2", ops::K3K2{}}};

template <class Value>
const Value& named(const std::map<std::string, Value>& table, const Field& f) {
  const std::string name = f.text();
  const auto found = table.find(name);
  if (found != table.end()) return found->second;
  std::string known;
  for (const auto& [key, value] : table) known += (known.empty() ? "" : ", ") + key;
  fail(f.path(), "one of " + known, name);
}

}  // namespace

ops::PolicyObjective policy_objective(const Field& f) { return named(kObjectives, f["kind"])(f); }
ops::KlEstimator kl_estimator(const Field& f) { return named(kEstimators, f); }

}  // namespace rft
