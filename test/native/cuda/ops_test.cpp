// Every case of the ops on the CUDA device: float and bf16 storage against the reference in double, whose inputs are
// the stored ones; gradients against finite differences; batch invariance and accumulation to the bit.
//
// bf16 outputs are rounded once, so a tensor may be 2^-9 of its norm away (4e-3), a gradient that passed two roundings
// twice that. What an op gives in float (log-probs, statistics, weight gradients) has the tolerance of float inputs.
#include <set>

#include "op_cases.h"
#include "op_checks.h"
#include "schedules.h"
#include "simd/vmath.h"
#include "stored_results.h"

using namespace rft;
using namespace rft::test;

namespace {

Case in_bf16(Case c) {
  for (Input& in : c.inputs) {
    if (in.is_int || !in.trained) continue;
    std::vector<uint16_t> half(in.values.size());
    simd::f32_to_bf16(in.values.data(), half.data(), int64_t(half.size()));
    simd::bf16_to_f32(half.data(), in.values.data(), int64_t(half.size()));
  }
  c.tolerance = 4e-3;
  c.gradient_tolerance = 8e-3;
  return c;
}

bool small(const Case& c) {
  int64_t most = 0;
  for (const Input& in : c.inputs) most = std::max(most, in.count());
  return most <= 2048;
}

// Copies, sums and single products: nothing that devices round differently.
const std::set<std::string> kExact = {"add",   "embed",        "gather_rows",  "reshape",
                                      "scale", "scatter_rows", "split_columns"};

void check_on_device(const Case& c, const char* dtype, StoredResults& stored) {
  const std::vector<Array> wanted = c.reference(to_double(c));
  RunOptions options;
  options.cotangents = random_cotangents(wanted);
  if (storage == Dtype::BF16) options.cotangents = {};
  for (const Array& out : wanted) {
    if (storage != Dtype::BF16) break;
    Case one{
        .op = "", .shape = "", .inputs = {normal_input("", {int64_t(out.size())}, 77)}, .run = {}, .reference = {}};
    options.cotangents.push_back(in_bf16(one).inputs[0].values);
  }
  for (const Schedule& schedule : kSchedules) {
    use(schedule);
    const auto check = [&](const char* what, const auto& body) {
      verify(concat(c.op, " ", c.shape, " ", dtype, " ", what, ", ", schedule.name), body);
    };
    Result plain;
    check("forward", [&] {
      plain = run_case(c, options);
      return check_forward(c, plain, wanted);
    });
    if (plain.gradients.empty()) continue;
    if (&schedule == &kSchedules[0])
      stored.check(concat(c.op, " ", c.shape, " ", dtype), c, plain, kExact.contains(c.op));
    check("gradients", [&] { return check_gradients(c, plain, options.cotangents); });
    if (&schedule != &kSchedules[0]) continue;
    check("META memory", [&] { return check_meta(c, plain, options); });
    if (storage == Dtype::F32) check("gradients add up", [&] { return check_accumulation(c, plain, options); });
    if (std::any_of(c.inputs.begin(), c.inputs.end(), [](const Input& in) { return in.batched && in.shape[0]; }))
      check("rows alone", [&] { return check_batch(c, plain, options); });
    if (std::any_of(c.inputs.begin(), c.inputs.end(), [](const Input& in) { return !in.unread.empty(); }))
      check("NaN in unread rows", [&] { return check_unread(c, plain, options); });
  }
}

}  // namespace

int main(int argc, char** argv) {
  run_device = Device::Cuda;
  StoredResults stored(argc, argv);
  for (const Case& c : op_cases()) {
    if (!small(c)) continue;
    storage = Dtype::F32;
    check_on_device(c, "fp32", stored);
    storage = Dtype::BF16;
    check_on_device(in_bf16(c), "bf16", stored);
  }
  return failures == 0 ? 0 : 1;
}
