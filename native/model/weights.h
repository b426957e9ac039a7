// The parameters of a model under their names, in declaration order.
#pragma once
#include <string>
#include <unordered_map>
#include <vector>

#include "model/spec.h"
#include "tensor/ctx.h"

namespace rft {

struct Parameter {
  std::string name;
  Tensor value;
  bool trainable = true;
};

// Ends of the names of an adapter's two parameters.
inline constexpr const char* kLoraA = ".lora_a.weight";
inline constexpr const char* kLoraB = ".lora_b.weight";

// A name as a random stream.
uint64_t fnv1a(const std::string& text);

class Weights {
 public:
  // Parameters are stored as `dtype`, F32 or BF16.
  explicit Weights(std::shared_ptr<Pool> pool, const std::optional<LoraSpec>& lora = {}, Dtype dtype = Dtype::F32);
  Tensor add(const std::string& name, Shape shape);
  Parameter& at(const std::string& name);
  bool has(const std::string& name) const { return index_.count(name) > 0; }
  // The adapter that the specification puts on a linear, or nullptr.
  const LoraSpec::Target* adapter(const std::string& linear) const;
  float adapter_dropout() const { return dropout_; }
  std::vector<Parameter>& all() { return parameters_; }
  const std::vector<Parameter>& all() const { return parameters_; }

  // Matrices ~ N(0, s^2 / inputs) with s = 1 for most, norm weights 1, biases 0; adapters as in init_adapters. Each
  // parameter has its own random stream, so its values do not depend on what else the model holds.
  void init_random(uint64_t seed);
  // a ~ U(-1, 1) / sqrt(inputs), b = 0: the model computes what it did without adapters.
  void init_adapters(uint64_t seed);
  // Trainable parameters record on the tape; the others keep no gradient.
  void set_trainable(const std::string& name, bool on);
  // Keeps the gradients of trainable parameters as F32 (at first) or BF16, from the next zero_grad on.
  void set_gradient_dtype(Dtype dtype);
  // Sets all gradients to zero, allocating those that are missing.
  void zero_grad();

 private:
  std::shared_ptr<Pool> pool_;
  std::vector<Parameter> parameters_;
  std::unordered_map<std::string, size_t> index_;
  std::unordered_map<std::string, LoraSpec::Target> adapters_;
  float dropout_ = 0.0f;
  Dtype dtype_;
};

}  // namespace rft
