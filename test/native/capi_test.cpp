// librft through its C header alone: results against double, gradients added to what is there, errors with reasons.
#include "capi/rft.h"

#include <cmath>
#include <string>

#include "check.h"

using rft::test::Floats;
using rft::test::report;

namespace {

rft_tensor tensor(Floats& data, std::initializer_list<int64_t> shape, bool gradient = false) {
  rft_tensor t{data.data(), RFT_F32, int32_t(shape.size()), {}, gradient};
  std::copy(shape.begin(), shape.end(), t.shape);
  return t;
}

std::string ok(int status) { return status == 0 ? "" : rft_last_error(); }

std::string close(const Floats& got, const Floats& want, double tolerance) {
  for (size_t i = 0; i < want.size(); ++i)
    if (!(std::abs(double(got[i]) - want[i]) <= tolerance))
      return "element " + std::to_string(i) + ": " + std::to_string(got[i]) + ", want " + std::to_string(want[i]);
  return "";
}

void rms_norm(rft_context* cpu) {
  Floats x{3, 4, 0, -1}, w{1, 2}, y(4), dy{1, 0, 0, 0}, dx{10, 0, 0, 0}, dw{0, 0};
  rft_tensor tx = tensor(x, {2, 2}, true), tw = tensor(w, {2}, true), ty = tensor(y, {2, 2}), tdy = tensor(dy, {2, 2}),
             tdx = tensor(dx, {2, 2}), tdw = tensor(dw, {2});
  rft_call* call = nullptr;
  report("rms_norm runs", ok(rft_rms_norm(cpu, &tx, &tw, 0.0f, &ty, &call)));
  const float r = float(std::sqrt(12.5)), s = float(std::sqrt(0.5));
  report("rms_norm values", close(y, {3 / r, 8 / r, 0, -2 / s}, 1e-6));
  const rft_tensor* outer[] = {&tdy};
  rft_tensor* inner[] = {&tdx, &tdw};
  report("backward runs", ok(rft_backward(call, outer, inner)));
  report("gradients are added", close(dx, {float(10 + 16 / 12.5 / 2 / r), float(-12 / 12.5 / 2 / r), 0, 0}, 1e-5));
  report("gradient of the weight", close(dw, {3 / r, 0}, 1e-6));
  const bool again = rft_backward(call, outer, inner) != 0;
  report("backward runs once", again ? "" : "ran twice");
  rft_call_destroy(call);
}

void attention(rft_context* cpu) {
  Floats q{1, 0, 0, 1}, k{0, 0, 0, 0}, v{1, 2, 3, 4}, out(4);
  rft_tensor tq = tensor(q, {2, 2}), tk = tensor(k, {2, 2}), tv = tensor(v, {2, 2}), to = tensor(out, {2, 2});
  const rft_segment causal{0, 2, 0, 0, 0, 2, 1};
  report("attention runs", ok(rft_attention(cpu, &tq, &tk, &tv, &causal, 1, 1, 1, 1.0f, &to, nullptr)));
  report("attention values", close(out, {1, 2, 2, 3}, 1e-6));
  const rft_segment outside{0, 2, 0, 0, 1, 2, 1};
  const int status = rft_attention(cpu, &tq, &tk, &tv, &outside, 1, 1, 1, 1.0f, &to, nullptr);
  const std::string reason = rft_last_error();
  report("a segment outside is refused", status == 1 && reason.find("segment 0") != std::string::npos ? "" : reason);
}

void token_logp(rft_context* cpu) {
  Floats x{1, 1}, w{1, 2, 3}, logp(2), entropy(2), dlogp{1, 0}, dx{0, 0};
  std::vector<int32_t> ids{0, 2};
  rft_tensor tx = tensor(x, {2, 1}, true), tw = tensor(w, {3, 1}), tl = tensor(logp, {2}), te = tensor(entropy, {2});
  rft_tensor targets{ids.data(), RFT_I32, 1, {2}, 0}, tdl = tensor(dlogp, {2}), tdx = tensor(dx, {2, 1});
  rft_call* call = nullptr;
  report("token_logp runs", ok(rft_token_logp(cpu, &tx, &tw, &targets, 1.0f, &tl, &te, &call)));
  const double lse = std::log(std::exp(1.0) + std::exp(2.0) + std::exp(3.0));
  report("token_logp values", close(logp, {float(1 - lse), float(3 - lse)}, 1e-6));
  double mean = 0;
  for (int j = 1; j <= 3; ++j) mean += j * std::exp(j - lse);
  report("entropy", close(entropy, {float(lse - mean), float(lse - mean)}, 1e-6));
  const rft_tensor* outer[] = {&tdl, nullptr};
  rft_tensor* inner[] = {&tdx, nullptr, nullptr};
  report("token_logp backward runs", ok(rft_backward(call, outer, inner)));
  report("gradient of x", close(dx, {float(1 - mean), 0}, 1e-6));
  rft_call_destroy(call);
}

void adamw(rft_context* cpu) {
  Floats p{1}, g{0.5f}, m{0}, v{0};
  rft_tensor tp = tensor(p, {1}), tg = tensor(g, {1}), tm = tensor(m, {1}), tv = tensor(v, {1});
  report("adamw runs", ok(rft_adamw(cpu, &tp, &tg, &tm, &tv, 1, 0.1, 0.9, 0.999, 1e-8, 0.0, 1.0f)));
  report("adamw values", close(p, {0.9f}, 1e-6));
}

void errors(rft_context* cpu) {
  report("a device that is not there", rft_context_create("tpu", nullptr) ? "made" : "");
  Floats x(4), w(3), y(4);
  rft_tensor tx = tensor(x, {2, 2}), tw = tensor(w, {3}), ty = tensor(y, {2, 2});
  report("wrong shapes are refused", rft_rms_norm(cpu, &tx, &tw, 0.0f, &ty, nullptr) ? "" : "accepted");
  report("NULL is refused", rft_rms_norm(cpu, nullptr, &tw, 0.0f, &ty, nullptr) ? "" : "accepted");
  report("a missing context is refused", rft_rms_norm(nullptr, &tx, &tw, 0.0f, &ty, nullptr) ? "" : "accepted");
  tx.rank = 9;
  report("a rank of 9 is refused", rft_rms_norm(cpu, &tx, &tw, 0.0f, &ty, nullptr) ? "" : "accepted");
}

}  // namespace

int main() {
  rft_context* cpu = rft_context_create("cpu", nullptr);
  rms_norm(cpu);
  attention(cpu);
  token_logp(cpu);
  adamw(cpu);
  errors(cpu);
  rft_context_destroy(cpu);
  return rft::test::failures ? 1 : 0;
}
