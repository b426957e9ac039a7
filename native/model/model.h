// A model: its parameters, and the forward pass from a pack of tokens and images to hidden states.
#pragma once
#include <memory>
#include <optional>
#include <vector>

#include "model/decoder.h"
#include "model/vision.h"

namespace rft {

struct VisionInput {
  std::vector<float> patches;     // (P, patch_dim), all distinct images one after another
  std::vector<int32_t> grids;     // (images, 3) t, h, w in patches
  std::vector<int32_t> rows;      // (M') rows of the pack that hold an image feature
  std::vector<int32_t> features;  // (M') which merged feature goes there
};

// A packed batch of T tokens; see ops::Segment for what each segment sees.
struct Pack {
  std::vector<int32_t> tokens;     // (T)
  std::vector<int32_t> positions;  // (3, T)
  std::vector<ops::Segment> segments;
  std::optional<VisionInput> vision;
};

// Rows of the pack whose next token is scored; rows may repeat.
struct HeadRows {
  std::vector<int32_t> rows;     // (N)
  std::vector<int32_t> targets;  // (N)
  float temperature = 1.0f;
};

class Model {
 public:
  Model(const ModelSpec& spec, Device device);

  const ModelSpec& spec() const { return spec_; }
  Weights& weights() { return weights_; }
  const std::shared_ptr<Pool>& pool() const { return pool_; }
  Decoder& decoder() { return decoder_; }
  Ctx context() const { return Ctx{pool_}; }

  // (T,C) hidden states before the final norm. `attend` stands for the layers' attention; by default it is
  // ops::attention over the pack's own segments.
  Tensor hidden(Ctx& ctx, const Pack& pack, bool recompute_blocks, const Attend& attend = {},
                const Trace& trace = {}) const;
  // Attention over the rows of a pack.
  Attend attend_pack(const Pack& pack) const;

 private:
  Tensor embeddings(Ctx& ctx, const Pack& pack, bool recompute_blocks, const Trace& trace) const;

  ModelSpec spec_;
  std::shared_ptr<Pool> pool_;
  Weights weights_;
  Decoder decoder_;
  std::optional<Vision> vision_;
};

// Throws with the offending value when a pack does not fit the model: lengths, token ids, segment ranges, image rows.
void check_pack(const ModelSpec& spec, const Pack& pack);
void check_head(const ModelSpec& spec, const Pack& pack, const HeadRows& head);

}  // namespace rft
