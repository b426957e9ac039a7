// The optimizer on the emulated CUDA device beside the CPU's: moments, weights and gradients of every storage, three
// steps with gradients that are set by hand. Elements are independent and the arithmetic is the same, so all bits
// agree.
#include "optim/optimizer.h"

#include <unistd.h>

#include <memory>

#include "harness.h"
#include "io/tensor_file.h"
#include "simd/vmath.h"
#include "tiny_model.h"

using namespace rft;
using namespace rft::test;

namespace {

// Its embedding, 97 x 64, has 8-bit moments, in blocks of which the last is short; the rest keeps F32 moments.
ModelSpec tiny_spec() {
  ModelSpec spec = tiny_text_spec();
  spec.decoder.vocab = 97;
  spec.decoder.hidden = 64;
  spec.decoder.layers = 1;
  spec.decoder.heads = 2;
  spec.decoder.kv_heads = 1;
  spec.decoder.ffn = 70;
  return spec;
}

// The values that bf16 has.
Floats rounded(Floats values) {
  std::vector<uint16_t> half(values.size());
  simd::f32_to_bf16(values.data(), half.data(), int64_t(half.size()));
  simd::bf16_to_f32(half.data(), values.data(), int64_t(half.size()));
  return values;
}

void take_steps(Model& model, Optimizer& optimizer) {
  model.weights().zero_grad();
  for (int t = 0; t < 3; ++t) {
    uint64_t seed = uint64_t(1000 * t);
    for (auto& p : model.weights().all()) {
      const int64_t n = p.value.count();
      const Floats g = rounded(Random(++seed).normals(n, 0.1, 0.02));
      write_floats(p.value.grad(), 0, n, g.data());
    }
    optimizer.step(1e-2f, 0);  // not clipped: the norm is another sum on each device
  }
}

Floats contents(const Tensor& t) {
  if (t.dtype() != Dtype::U8) return to_floats(t);
  std::vector<uint8_t> bytes(size_t(t.count()));
  read_bytes(t, 0, t.count(), bytes.data());
  return Floats(bytes.begin(), bytes.end());
}

OptimizerOptions options(ops::StateFormat state, Dtype gradients) {
  OptimizerOptions out;
  out.adamw = {.lr = 0, .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-6, .weight_decay = 0.01, .seed = 3};
  out.state = state;
  out.gradients = gradients;
  return out;
}

// The CPU's F32 weights start where bf16 weights are: they are what the F32 copy of those must be.
std::string same_as_cpu(Dtype weights, const OptimizerOptions& options) {
  Model cpu(tiny_spec(), Device::Cpu), gpu(tiny_spec(), Device::Cuda, weights);
  cpu.weights().init_random(3);
  gpu.weights().init_random(3);
  for (auto& p : cpu.weights().all()) {
    const Floats start = to_floats(gpu.weights().at(p.name).value);
    write_floats(p.value, 0, p.value.count(), start.data());
  }
  Optimizer on_cpu(cpu, options), on_gpu(gpu, options);
  take_steps(cpu, on_cpu);
  take_steps(gpu, on_gpu);
  for (const NamedTensor& s : on_cpu.states()) {
    const auto detail = compare_bits(s.name, contents(on_gpu.state(s.name)), contents(s.value));
    if (!detail.empty()) return detail;
  }
  for (const auto& p : cpu.weights().all()) {
    const Floats wanted = to_floats(p.value), got = to_floats(gpu.weights().at(p.name).value);
    auto detail = compare_bits(p.name, got, weights == Dtype::BF16 ? rounded(wanted) : wanted);
    if (detail.empty() && weights == Dtype::BF16)
      detail = compare_bits("master." + p.name, to_floats(on_gpu.state("master." + p.name)), wanted);
    if (!detail.empty()) return detail;
  }
  return "";
}

// Files hold what an update depends on: a model and an optimizer made from them take the same fourth step.
std::string goes_on_from_files(const OptimizerOptions& options) {
  const auto fourth = [&](bool from_files) {
    Model model(tiny_spec(), Device::Cuda, Dtype::BF16);
    model.weights().init_random(3);
    auto optimizer = std::make_unique<Optimizer>(model, options);
    take_steps(model, *optimizer);
    if (from_files) {
      const auto find = [&](const std::string& name) { return optimizer->state(name); };
      std::vector<TensorSink> sinks;
      std::vector<TensorSource> sources;
      const std::string file = concat("/tmp/rft_optimizer_test_", ::getpid());
      int64_t offset = 0;
      for (const NamedTensor& s : optimizer->states()) {
        const StorageDtype dtype = s.value.dtype() == Dtype::F32    ? StorageDtype::F32
                                   : s.value.dtype() == Dtype::BF16 ? StorageDtype::BF16
                                                                    : StorageDtype::U8;
        sinks.push_back({s.name, dtype});
        sources.push_back({s.name, file, offset, dtype, s.value.shape()});
        offset += int64_t(s.value.bytes());
      }
      write_tensors(model.context(), file, {}, sinks, find);
      const int64_t steps = optimizer->steps();
      optimizer = std::make_unique<Optimizer>(model, options);
      read_tensors(model.context(), sources, find);
      optimizer->set_steps(steps);
      ::unlink(file.c_str());
    }
    take_steps(model, *optimizer);
    return to_floats(model.weights().at("decoder.embed.weight").value);
  };
  return compare_bits("weights", fourth(true), fourth(false));
}

// State on the host, of which the embedding's takes two visits to the device.
std::string same_offloaded(Dtype weights, OptimizerOptions options) {
  Model model(tiny_spec(), Device::Cuda, weights), visited(tiny_spec(), Device::Cuda, weights);
  model.weights().init_random(3);
  visited.weights().init_random(3);
  Optimizer resident(model, options);
  options.offload_piece = 4096;
  Optimizer offloaded(visited, options);
  const int64_t host = offloaded.offloaded_bytes(), device = visited.pool()->report().live[int(Purpose::Optimizer)];
  const int64_t wanted = model.pool()->report().live[int(Purpose::Optimizer)];
  if (host != wanted || device != 0) return concat(host, " bytes on the host and ", device, " on the device");
  take_steps(model, resident);
  take_steps(visited, offloaded);
  for (const NamedTensor& s : resident.states()) {
    const auto detail = compare_bits(s.name, contents(offloaded.state(s.name)), contents(s.value));
    if (!detail.empty()) return detail;
  }
  for (const auto& p : model.weights().all()) {
    const auto detail = compare_bits(p.name, to_floats(visited.weights().at(p.name).value), to_floats(p.value));
    if (!detail.empty()) return detail;
  }
  return "";
}

// Bytes of moments and copies for each parameter of the embedding, with those of its scales.
double bytes_each(Dtype weights, const OptimizerOptions& options) {
  Model model(tiny_spec(), Device::Cuda, weights);
  model.weights().init_random(3);
  Optimizer optimizer(model, options);
  double bytes = 0;
  for (const NamedTensor& s : optimizer.states())
    if (s.name.ends_with("decoder.embed.weight")) bytes += double(s.value.bytes());
  return bytes / (97 * 64);
}

void check_all() {
  for (const Dtype weights : {Dtype::F32, Dtype::BF16})
    for (const auto state : {ops::StateFormat::F32, ops::StateFormat::BF16, ops::StateFormat::Bits8})
      for (const Dtype gradients : {Dtype::F32, Dtype::BF16}) {
        const char* names[] = {"f32", "bf16", "8-bit"};
        verify(concat(to_string(weights), " weights, ", names[int(state)], " moments, ", to_string(gradients),
                      " gradients as on the CPU"),
               [&] { return same_as_cpu(weights, options(state, gradients)); });
      }
}

void check_offloaded() {
  for (const Dtype weights : {Dtype::F32, Dtype::BF16})
    for (const auto state : {ops::StateFormat::F32, ops::StateFormat::BF16, ops::StateFormat::Bits8})
      verify(concat(to_string(weights), " weights, moments ", int(state), ", state on the host"),
             [&] { return same_offloaded(weights, options(state, Dtype::F32)); });
  verify("weights rounded stochastically, state on the host", [] {
    OptimizerOptions o = options(ops::StateFormat::BF16, Dtype::BF16);
    o.stochastic_rounding = true;
    return same_offloaded(Dtype::BF16, o);
  });
  verify("state on the host goes on from files", [] {
    OptimizerOptions o = options(ops::StateFormat::Bits8, Dtype::F32);
    o.offload_piece = 4096;
    return goes_on_from_files(o);
  });
  verify_error("state of a model on the CPU", {"offload", "a model on CUDA"}, [] {
    Model model(tiny_spec(), Device::Cpu);
    OptimizerOptions o;
    o.offload_piece = 4096;
    Optimizer optimizer(model, o);
  });
}

void check_files() {
  verify("bf16 weights and their copies go on from files",
         [] { return goes_on_from_files(options(ops::StateFormat::BF16, Dtype::F32)); });
  verify("bf16 weights and 8-bit moments go on from files",
         [] { return goes_on_from_files(options(ops::StateFormat::Bits8, Dtype::BF16)); });
}

void check_stochastic_rounding() {
  OptimizerOptions o = options(ops::StateFormat::Bits8, Dtype::BF16);
  o.stochastic_rounding = true;
  verify("bf16 weights rounded stochastically keep no copy, and repeat", [&]() -> std::string {
    std::vector<Floats> runs;
    for (int i = 0; i < 2; ++i) {
      Model model(tiny_spec(), Device::Cuda, Dtype::BF16);
      model.weights().init_random(3);
      Optimizer optimizer(model, o);
      for (const NamedTensor& s : optimizer.states())
        if (s.name.starts_with("master.")) return s.name;
      take_steps(model, optimizer);
      runs.push_back(to_floats(model.weights().at("decoder.embed.weight").value));
    }
    return compare_bits("weights", runs[0], runs[1]);
  });
  verify("memory for each parameter", [&]() -> std::string {
    const double exact = bytes_each(Dtype::BF16, options(ops::StateFormat::F32, Dtype::F32));
    const double small = bytes_each(Dtype::BF16, o);
    return exact == 12 && std::abs(small - (2 + 8.0 / 256)) < 0.01 ? "" : concat(exact, " and ", small, " bytes");
  });
  verify_error("stochastic rounding of F32 weights", {"optimizer stochastic rounding", "BF16"}, [&] {
    Model model(tiny_spec(), Device::Cuda, Dtype::F32);
    Optimizer optimizer(model, o);
  });
}

}  // namespace

int main() {
  check_all();
  check_offloaded();
  check_files();
  check_stochastic_rounding();
  return failures == 0 ? 0 : 1;
}
