// The attention op on the CUDA device, forward and through the tape, by the cases of the CPU. The kernels alone have
// closer checks in test/native/simt.
#include "attention_op_cases.h"
#include "schedules.h"
#include "simd/vmath.h"

using namespace rft;
using namespace rft::test;

namespace {

void round_to_bf16(Floats& x) {
  std::vector<uint16_t> half(x.size());
  simd::f32_to_bf16(x.data(), half.data(), int64_t(x.size()));
  simd::bf16_to_f32(half.data(), x.data(), int64_t(x.size()));
}

// The kernels take head sizes of whole 16-byte vectors of bf16.
bool runs_on_device(const Case& c) {
  for (const char* odd : {"D 20", "windows"})
    if (c.shape.find(odd) != std::string::npos) return false;
  return c.shape.find("T 270") == std::string::npos;  // long for three schedules with every access checked
}

void check_on_device(Case c) {
  RunOptions options;
  if (storage == Dtype::BF16) {
    c.tolerance = 4e-3;
    c.gradient_tolerance = std::max(8e-3, c.gradient_tolerance);
    for (Input& in : c.inputs) round_to_bf16(in.values);
  }
  const std::vector<Array> wanted = c.reference(to_double(c));
  options.cotangents = random_cotangents(wanted);
  if (storage == Dtype::BF16)
    for (Floats& x : options.cotangents) round_to_bf16(x);
  for (const Schedule& schedule : kSchedules) {
    use(schedule);
    const std::string name = concat("attention ", c.shape, " ", to_string(storage), ", ", schedule.name);
    Result result;
    verify(name + ", forward", [&] {
      result = run_case(c, options);
      return check_forward(c, result, wanted);
    });
    verify(name + ", gradients", [&] { return check_gradients(c, result, options.cotangents); });
  }
}

}  // namespace

int main() {
  run_device = Device::Cuda;
  for (const Dtype dtype : {Dtype::F32, Dtype::BF16}) {
    storage = dtype;
    for (const Case& c : attention_cases())
      if (runs_on_device(c)) check_on_device(c);
  }
  return failures == 0 ? 0 : 1;
}
