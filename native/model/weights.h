// The parameters of a model under their names, in declaration order.
#pragma once
#include <string>
#include <unordered_map>
#include <vector>

#include "tensor/ctx.h"

namespace rft {

struct Parameter {
  std::string name;
  Tensor value;
  bool trainable = true;
};

class Weights {
 public:
  explicit Weights(std::shared_ptr<Pool> pool) : pool_(std::move(pool)) {}
  Tensor add(const std::string& name, Shape shape);
  Parameter& at(const std::string& name);
  std::vector<Parameter>& all() { return parameters_; }
  const std::vector<Parameter>& all() const { return parameters_; }

  // Matrices ~ N(0, 1 / inputs), norm weights 1, biases 0. Each parameter has its own random stream, so its values do
  // not depend on what else the model holds.
  void init_random(uint64_t seed);
  // Trainable parameters record on the tape; the others keep no gradient.
  void set_trainable(const std::string& name, bool on);
  // Sets all gradients to zero, allocating those that are missing.
  void zero_grad();

 private:
  std::shared_ptr<Pool> pool_;
  std::vector<Parameter> parameters_;
  std::unordered_map<std::string, size_t> index_;
};

}  // namespace rft
