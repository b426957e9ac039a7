// AdamW over a model's trainable parameters, with global-norm clipping and a guard against non-finite gradients.
#pragma once
#include <vector>

#include "model/model.h"
#include "ops/adamw/adamw.h"

namespace rft {

struct OptimizerOptions {
  ops::AdamWParams adamw;             // lr is given per step
  std::vector<std::string> no_decay;  // parameters without weight decay
  float head_lr_factor = 1.0f;        // learning rate of the value head, as a multiple of the others'
};

struct OptimizerStep {
  double grad_norm;  // before clipping
  bool skipped;      // the norm was not finite: nothing changed
};

class Optimizer {
 public:
  Optimizer(Model& model, const OptimizerOptions& options);

  // Clips to max_grad_norm (0: never), updates, and zeroes the gradients.
  OptimizerStep step(float lr, float max_grad_norm);
  int64_t steps() const { return steps_; }
  void set_steps(int64_t steps) { steps_ = steps; }
  // State tensors are named `m.<parameter>` and `v.<parameter>`, and `master.<parameter>` of a BF16 model: the F32 copy
  // that is updated.
  Tensor state(const std::string& name) const;

 private:
  struct Moments {
    std::string name;
    Tensor m, v;
    Tensor master;  // of a BF16 parameter
    bool decay;
    float lr_factor;
  };
  double grad_norm(Ctx& ctx) const;
  void update(Ctx& ctx, float lr, float scale);
  void update_on_cuda(Ctx& ctx, float lr, float scale);
  Model& model_;
  OptimizerOptions options_;
  std::vector<Moments> moments_;
  int64_t steps_ = 0;
};

}  // namespace rft
