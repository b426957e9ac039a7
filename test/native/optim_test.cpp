// adamw and grad_norm against plain double references, and at their edges.
#include <limits>

#include "harness.h"
#include "ops/adamw/adamw.h"
#include "ops/grad_norm/grad_norm.h"

using namespace rft;
using namespace rft::ops;
using namespace rft::test;

namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

// ------------------------------------------------------------------ adamw

struct Parameter {
  Floats p, g, m, v;
  bool decay;
  Array p64, m64, v64;
};

std::vector<Parameter> parameters() {
  std::vector<Parameter> out;
  uint64_t seed = 1;
  for (int64_t n : {1, 7, 70001}) {
    Parameter x;
    x.p = Random(seed++).normals(n);
    x.m = x.v = Floats(size_t(n));
    x.decay = n != 7;
    x.p64 = Array(x.p.begin(), x.p.end());
    x.m64 = x.v64 = Array(size_t(n));
    out.push_back(x);
  }
  return out;
}

const AdamWParams kAdamW{.lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0.1};

void step(std::vector<Parameter>& all, int64_t t, float grad_scale) {
  std::vector<AdamWTensor> tensors;
  for (Parameter& x : all) {
    x.g = Random(uint64_t(1000 + t)).normals(int64_t(x.p.size()), 0.1, 0.02);
    tensors.push_back({x.p.data(), x.g.data(), x.m.data(), x.v.data(), int64_t(x.p.size()), x.decay});
  }
  adamw_step(tensors, kAdamW, t, grad_scale);
}

// torch.optim.AdamW, line by line.
void reference_step(Parameter& x, int64_t t, double grad_scale) {
  for (size_t i = 0; i < x.p64.size(); ++i) {
    const double g = double(x.g[i]) * grad_scale;
    if (x.decay) x.p64[i] *= 1 - kAdamW.lr * kAdamW.weight_decay;
    x.m64[i] = kAdamW.beta1 * x.m64[i] + (1 - kAdamW.beta1) * g;
    x.v64[i] = kAdamW.beta2 * x.v64[i] + (1 - kAdamW.beta2) * g * g;
    const double denominator = std::sqrt(x.v64[i]) / std::sqrt(1 - std::pow(kAdamW.beta2, double(t))) + kAdamW.eps;
    x.p64[i] -= kAdamW.lr / (1 - std::pow(kAdamW.beta1, double(t))) * x.m64[i] / denominator;
  }
}

void test_adamw() {
  verify("adamw follows torch.optim.AdamW for 60 steps", [] {
    std::vector<Parameter> all = parameters();
    for (int64_t t = 1; t <= 60; ++t) {
      const float scale = t % 2 ? 1.0f : 0.25f;
      step(all, t, scale);
      for (Parameter& x : all) reference_step(x, t, double(scale));
    }
    std::string detail;
    for (Parameter& x : all) {
      const int64_t n = int64_t(x.p.size());
      detail += compare("p", x.p, x.p64, n, 1e-6) + compare("m", x.m, x.m64, n, 1e-6);
      // 1 - beta2 of the rounded beta2 is off by 1.3e-5; the bias correction undoes it in p.
      detail += compare("v", x.v, x.v64, n, 3e-5);
    }
    return detail;
  });
  verify("adamw threads leave the bits alone", [] {
    return same_for_all_threads([] {
      std::vector<Parameter> all = parameters();
      for (int64_t t = 1; t <= 3; ++t) step(all, t, 1);
      return all.back().p;
    });
  });
  verify("adamw without gradient only decays", [] {
    Floats p = {2, -4}, g = {0, 0}, m(2), v(2);
    adamw_step({{p.data(), g.data(), m.data(), v.data(), 2, true}},
               {.lr = 0.5, .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8, .weight_decay = 0.5}, 1, 1);
    return compare_bits("p", p, {1.5f, -3});
  });
  verify("adamw moves by lr in the first step, whatever the gradient's size", [] {
    Floats p = {0, 0, 0}, g = {1e-3f, -7, 1e4f}, m(3), v(3);
    adamw_step({{p.data(), g.data(), m.data(), v.data(), 3, false}}, kAdamW, 1, 1);
    return compare("p", p, {-1e-3, 1e-3, -1e-3}, 1, 2e-5);
  });
  verify_error("adamw refuses step 0", {"adamw t", "received 0"}, [] { adamw_step({}, kAdamW, 0, 1); });
}

// ------------------------------------------------------------------ grad_norm

void test_grad_norm() {
  const Floats a = Random(1).normals(70001), b = Random(2).normals(3, 100), none;
  const auto norm_of = [&] {
    return grad_norm({{a.data(), int64_t(a.size())}, {none.data(), 0}, {b.data(), int64_t(b.size())}});
  };
  verify("grad_norm of several tensors", [&]() -> std::string {
    double sum = 0;
    for (const Floats* x : {&a, &b})
      for (double g : *x) sum += g * g;
    const double error = norm_of() / std::sqrt(sum) - 1;
    return std::abs(error) < 1e-6 ? "" : concat("relative error ", error);
  });
  verify("grad_norm threads leave the bits alone",
         [&] { return same_for_all_threads([&] { return Floats{float(norm_of())}; }); });
  verify("grad_norm passes NaN and infinity on", [&]() -> std::string {
    Floats x(9000, 1.0f);
    x[8999] = kNan;
    if (!std::isnan(grad_norm({{x.data(), 9000}}))) return "NaN was lost";
    x[8999] = -kInf;
    return std::isinf(grad_norm({{x.data(), 9000}})) ? "" : "infinity was lost";
  });
  verify("grad_norm of nothing is 0", []() -> std::string { return grad_norm({}) == 0 ? "" : "not 0"; });
  verify("clip_coefficient", []() -> std::string {
    if (clip_coefficient(0.5, 1) != 1) return "clips a small norm";
    if (clip_coefficient(5, 0) != 1) return "clips although it is off";
    return std::abs(clip_coefficient(4, 1) - 1 / 4.000001) < 1e-7 ? "" : concat(clip_coefficient(4, 1), " for norm 4");
  });
}

}  // namespace

int main() {
  test_adamw();
  test_grad_norm();
  return failures == 0 ? 0 : 1;
}
