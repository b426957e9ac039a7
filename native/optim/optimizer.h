// AdamW over a model's trainable parameters, with global-norm clipping and a guard against non-finite gradients.
#pragma once
#include <vector>

#include "model/model.h"
#include "ops/adamw/adamw.h"

namespace rft {

namespace cuda {
struct AdamW;
struct AdamWEntry;
}  // namespace cuda

struct OptimizerOptions {
  ops::AdamWParams adamw;                          // lr is given per step
  std::vector<std::string> no_decay;               // parameters without weight decay
  float head_lr_factor = 1.0f;                     // learning rate of the value head, as a multiple of the others'
  ops::StateFormat state = ops::StateFormat::F32;  // Bits8: parameters under kMin8BitSize elements keep F32 moments
  Dtype gradients = Dtype::F32;                    // F32 or BF16
  bool stochastic_rounding = false;                // BF16 weights are updated in place, without an F32 copy
  // State lives in pinned memory of the host and visits the CUDA device in pieces of so many elements, a multiple of
  // 4096; 0: it lives on the model's device.
  int64_t offload_piece = 0;
};
constexpr int64_t kMin8BitSize = 4096;  // as bitsandbytes

constexpr int64_t kOffloadPiece = int64_t{1} << 22;

struct OptimizerStep {
  double grad_norm;  // before clipping
  bool skipped;      // the norm was not finite: nothing changed
};

struct NamedTensor {
  std::string name;
  Tensor value;
};

class Optimizer {
 public:
  // Sets how the model keeps its gradients. Throws for stochastic rounding of F32 weights, and for state offloaded from
  // the CPU.
  Optimizer(Model& model, const OptimizerOptions& options);

  // Clips to max_grad_norm (0: never), updates, and zeroes the gradients.
  OptimizerStep step(float lr, float max_grad_norm);
  int64_t steps() const { return steps_; }
  void set_steps(int64_t steps) { steps_ = steps; }
  // What an update depends on besides weights and gradients, in a fixed order: `m.<parameter>` and `v.<parameter>`,
  // `m_scales.<parameter>` and `v_scales.<parameter>` of 8-bit moments, and `master.<parameter>` of a BF16 parameter,
  // the F32 copy that is updated.
  std::vector<NamedTensor> states() const;
  Tensor state(const std::string& name) const;
  int64_t offloaded_bytes() const { return options_.offload_piece > 0 ? state_pool_->report().total : 0; }

 private:
  struct Stored {
    Tensor values, scales;  // scales of 8-bit moments
    ops::Moment moment() const;
  };
  struct State {
    std::string name;
    ops::StateFormat format;
    Stored m, v;
    Tensor master;  // of a BF16 parameter
    bool decay;
    float lr_factor;
  };
  struct Piece;  // of a state that visits the device
  Stored make_moment(const Tensor& parameter, ops::StateFormat format) const;
  double grad_norm(Ctx& ctx) const;
  void update(Ctx& ctx, float lr, float scale);
  void update_on_cuda(Ctx& ctx, float lr, float scale);
  void launch_on_cuda(Ctx& ctx, ops::StateFormat format, float lr, float scale);
  void update_offloaded(Ctx& ctx, float lr, float scale);  // offloaded_update.cpp
  void run_pieces(Ctx& ctx, const std::vector<Piece>& pieces, const Tensor (&slots)[2], float lr, float scale);
  std::vector<Piece> pieces() const;
  bool has_work(const State& s) const;
  cuda::AdamWEntry entry(size_t state, float lr) const;
  cuda::AdamW call(float lr, float scale, const Tensor& maps) const;
  Tensor upload_maps(Ctx& ctx) const;
  void launch(const cuda::AdamW& call, ops::StateFormat format) const;
  Model& model_;
  OptimizerOptions options_;
  std::shared_ptr<Pool> state_pool_;
  std::vector<State> states_;
  int64_t steps_ = 0;
};

}  // namespace rft
