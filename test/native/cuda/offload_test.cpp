// Weights that live on the host and visit the device: the same bits, and no memory of the device in between.
#include "engine/training.h"
#include "harness.h"
#include "model/offloaded_weights.h"
#include "schedules.h"
#include "tiny_model.h"

using namespace rft;
using namespace rft::test;

namespace {

Floats score_of(Model& model) {
  Pack pack;
  for (int32_t i = 0; i < 9; ++i) pack.tokens.push_back(i * 7 % 61);
  for (int axis = 0; axis < 3; ++axis)
    for (int32_t i = 0; i < 9; ++i) pack.positions.push_back(i);
  pack.segments.push_back({0, 9, 0, 0, 0, 9, 1});
  const HeadRows head{{0, 3, 7}, {5, 6, 7}, 1.0f};
  return score(model, model.context(), pack, head).logp;
}

void check_weights(Dtype dtype) {
  Model model(tiny_text_spec(), Device::Cuda, dtype), plain(tiny_text_spec(), Device::Cuda, dtype);
  model.weights().init_random(3);
  plain.weights().init_random(3);
  const int64_t weights = model.pool()->report().total;
  const std::string name = concat("offloaded weights in ", to_string(dtype));
  OffloadedWeights offloaded(model);
  verify(name + " leave the device", [&]() -> std::string {
    const MemoryReport r = model.pool()->report();
    if (r.total != 0 || r.reserved != 0) return concat(r.total, " bytes in use, ", r.reserved, " kept");
    return offloaded.host_bytes() == weights ? "" : concat(offloaded.host_bytes(), " bytes on the host, not ", weights);
  });
  verify(name + " score the same bits, again and again", [&] {
    std::string detail;
    for (int i = 0; i < 2; ++i) {
      offloaded.fetch();
      offloaded.fetch();
      detail += compare_bits("logp", score_of(model), score_of(plain));
      offloaded.drop();
    }
    return detail;
  });
  verify(name + " are written on the host", [&] {
    for (Model* m : {&model, &plain}) {
      const Tensor& w = m->weights().at("decoder.layers.1.o.weight").value;
      const Floats values = Random(8).normals(w.count());
      write_floats(w, 0, w.count(), values.data());
    }
    offloaded.fetch();
    return compare_bits("logp", score_of(model), score_of(plain));
  });
  verify(name + " are counted on META", [&]() -> std::string {
    Model counted(tiny_text_spec(), Device::Meta, dtype, Device::Cuda);
    OffloadedWeights own(counted);
    if (counted.pool()->report().total != 0) return concat(counted.pool()->report().total, " bytes stay");
    own.fetch();
    return counted.pool()->report().total == weights && own.host_bytes() == weights ? "" : "other bytes";
  });
}

}  // namespace

int main() {
  use(kSchedules[0]);
  check_weights(Dtype::F32);
  check_weights(Dtype::BF16);
  verify_error("offloaded weights of a model on the CPU", {"offload", "a model on CUDA", "the host's already"}, [] {
    Model model(tiny_text_spec(), Device::Cpu);
    OffloadedWeights offloaded(model);
  });
  return failures == 0 ? 0 : 1;
}
