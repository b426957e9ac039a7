// Decode steps on CUDA. Everything a step reads is put into memory at fixed places before it, so a step of one shape is
// recorded as a graph the first time and replayed from then on: embedding to sampled token without the host. Batches
// are padded to powers of two, so that there are few shapes; only those of the last batch are kept, since a rollout
// begins with its largest batch and memory would pile up otherwise. On META a step takes the same memory.
#pragma once
#include <map>
#include <memory>
#include <vector>

#include "engine/kv_cache.h"
#include "model/model.h"
#include "ops/sample/sample.h"

namespace rft {

// A running sequence at a step.
struct DecodeRow {
  int32_t token;           // the last one
  int32_t position;        // its rotary position, on all axes
  int64_t slot;            // where its own keys and values are
  int64_t length;          // own rows, with the one of this step
  const PromptKv* prompt;  // neighbours with one prompt share its reading
  double u;                // uniform number that decides the next token
};

struct Drawn {
  int32_t token;
  float logp, entropy;  // of the untruncated distribution at the sampling temperature
};

class DeviceDecoder {
 public:
  // slots sequences at once with `capacity` own rows each, beside prompts of at most `longest_prompt` rows.
  // forbidden (V): non-zero for tokens that are never drawn.
  DeviceDecoder(Model& model, const Ctx& ctx, const ops::SampleOptions& sampling, const std::vector<uint8_t>& forbidden,
                int64_t slots, int64_t capacity, int64_t longest_prompt);
  ~DeviceDecoder();

  // One more token for each row; at most `slots` rows.
  std::vector<Drawn> step(const std::vector<DecodeRow>& rows);
  // The next token after hidden states (B, C), one uniform number each.
  std::vector<Drawn> draw(const Tensor& hidden, const std::vector<double>& u);

 private:
  struct Inputs;
  void run(Inputs& in);
  void draw_rows(Ctx& ctx, const Tensor& hidden, const Tensor& u, const Tensor& drawn);
  void upload_rows(Inputs& in, const std::vector<DecodeRow>& rows);
  std::vector<Drawn> read(const Tensor& drawn, size_t count) const;
  Inputs& inputs_for(int64_t batch);
  void forget_steps();

  Model& model_;
  Ctx ctx_;       // of the caller
  Ctx step_ctx_;  // temporaries of steps: a part of the pool of their own, since graphs keep writing there
  ops::SampleOptions sampling_;
  Tensor forbidden_;
  int64_t slots_, capacity_, most_keys_;
  std::vector<Tensor> keys_, values_;  // per layer (slots, K, capacity, D), then one row for each padding sequence
  std::unique_ptr<Inputs> inputs_;     // of the last padded batch
  std::map<int64_t, std::unique_ptr<device::Graph>> graphs_;  // of that batch, by tiles
};

}  // namespace rft
