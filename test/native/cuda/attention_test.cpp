// The attention op on the CUDA device, forward and through the tape, by the cases of the CPU. The kernels alone have
// closer checks in test/native/simt.
#include "attention_op_cases.h"
#include "schedules.h"
#include "simd/vmath.h"
#include "stored_results.h"

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

void check_on_device(Case c, StoredResults& stored) {
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
    if (&schedule != &kSchedules[0] || result.gradients.empty()) continue;
    verify(name + ", META memory", [&] { return check_meta(c, result, options); });
    stored.check(concat("attention ", c.shape, " ", to_string(storage)), c, result, false);
  }
}

// Layers that share an object make one plan and have the bits of layers that make their own.
void check_shared_plan() {
  const Schedule& schedule = kSchedules[0];
  use(schedule);
  verify("attention of layers that share segments", []() -> std::string {
    Ctx ctx = make_ctx(std::make_shared<Pool>(Device::Cuda));
    const int64_t T = 40;
    const auto input = [&](uint64_t seed, int64_t width) {
      return ctx.from(Random(seed).normals(T * width).data(), {T, width});
    };
    const Tensor q = input(1, 64), k = input(2, 32), v = input(3, 32);
    const std::vector<ops::Segment> list = {{0, 10, 0, 0, 0, 10, 1}, {10, 30, 0, 10, 10, 30, 1}};
    const auto live = [&] { return ctx.pool->report().total; };
    const ops::Segments shared(list);
    const auto layer = [&](const ops::Segments& segments) {
      return ops::attention(ctx, q, k, v, segments, 4, 2, 0.25f);
    };
    const Tensor alone = layer(list), first = layer(shared);
    const int64_t before = live();
    const Tensor second = layer(shared);
    const int64_t grown = live() - before;
    if (!same_bits(to_floats(alone), to_floats(first)) || !same_bits(to_floats(first), to_floats(second)))
      return "other bits";
    if (grown != int64_t(second.bytes())) return concat("the second layer keeps ", grown, " bytes");
    const Tensor wider = ops::attention(ctx, q, q, q, shared, 4, 4, 0.25f);
    return same_bits(to_floats(wider), to_floats(ops::attention(ctx, q, q, q, list, 4, 4, 0.25f))) ? ""
                                                                                                   : "a stale plan";
  });
}

}  // namespace

int main(int argc, char** argv) {
  run_device = Device::Cuda;
  StoredResults stored(argc, argv);
  check_shared_plan();
  for (const Dtype dtype : {Dtype::F32, Dtype::BF16}) {
    storage = dtype;
    for (const Case& c : attention_cases())
      if (runs_on_device(c)) check_on_device(c, stored);
  }
  return failures == 0 ? 0 : 1;
}
