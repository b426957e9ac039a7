// A model: its parameters, and the forward pass from a pack of tokens and images to hidden states.
#pragma once
#include <memory>
#include <optional>
#include <vector>

#include "model/decoder.h"
#include "model/image_features.h"

namespace rft {

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
  // Weights and activations are stored as `dtype`: F32, or BF16 on CUDA. META counts what the device `counts_for`
  // needs.
  Model(const ModelSpec& spec, Device device, Dtype dtype = Dtype::F32, Device counts_for = Device::Cpu);

  const ModelSpec& spec() const { return spec_; }
  Weights& weights() { return weights_; }
  const std::shared_ptr<Pool>& pool() const { return pool_; }
  Decoder& decoder() { return decoder_; }
  ImageFeatures& images() { return images_; }
  // (N,C) rows behind the final norm -> (N,1). Throws for a model without a value head.
  Tensor values(Ctx& ctx, const Tensor& h) const;
  Ctx context() const { return Ctx{pool_}; }
  // Gradients are complete only after this: it carries those of image features through the vision tower.
  void finish_backward(Ctx& ctx) { images_.finish(ctx); }

  struct ForwardOptions {
    bool recompute = false;         // recompute blocks in backward instead of keeping their activations
    bool keep_vision_tape = false;  // encode images so that a later training pass need not do it again
    Attend attend = {};             // how layers attend; by default over the pack's own segments
    Tensor wanted = {};             // I32 (N): the only rows needed; see Decoder::LayersOptions
    Trace trace = {};
  };
  // (T,C) hidden states, or (N,C) of the rows wanted, before the final norm.
  Tensor hidden(Ctx& ctx, const Pack& pack, const ForwardOptions& options);
  // Adds every low-rank adapter to its weight; the adapters then add nothing.
  void merge_adapters();
  // Features of images are kept until their tower's weights change.
  void weights_changed();
  // Attention of packed rows.
  Attend attend_segments(const ops::Segments& segments) const;

 private:
  bool trains_vision() const;
  Tensor embeddings(Ctx& ctx, const Pack& pack, const ForwardOptions& options);

  ModelSpec spec_;
  std::shared_ptr<Pool> pool_;
  Weights weights_;
  Decoder decoder_;
  std::optional<Vision> vision_;
  std::optional<Linear> value_head_;
  ImageFeatures images_;
};

// Throws with the offending value when a pack does not fit the model: lengths, token ids, segment ranges, image rows.
void check_pack(const ModelSpec& spec, const Pack& pack);
void check_head(const ModelSpec& spec, const Pack& pack, const HeadRows& head);

}  // namespace rft
