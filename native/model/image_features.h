// The vision tower runs once per distinct image: features are kept under the image's key until the weights change, and
// across steps when the tower is frozen.
//
// While training, the tower's tape is kept beside the features. Packs add their gradients to the features; finish()
// runs the tower's backward once for all of them.
#pragma once
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "model/vision.h"

namespace rft {

struct VisionInput {
  std::vector<std::string> keys;  // one per image; equal keys = equal images
  // (P, patch_dim) of all images one after another, cut between images; shared, since they are many bytes
  std::vector<std::shared_ptr<const std::vector<float>>> patches;
  std::vector<int32_t> grids;     // (images, 3) t, h, w in patches
  std::vector<int32_t> rows;      // (M') rows of the pack that hold an image feature
  std::vector<int32_t> features;  // (M') which merged feature of the images in order goes there
};

class ImageFeatures {
 public:
  // Bytes of features kept for later steps; the images of a call are always kept until it ends.
  void set_budget(int64_t bytes) { budget_ = bytes; }
  int64_t budget() const { return budget_; }
  // The tower has low-rank adapters: its features with and without them are different things.
  void set_adapted(bool on) { adapted_ = on; }

  // (T,C) embeddings with the image rows replaced. With `keep_tape` images are encoded for training even when nothing
  // else of this call is recorded.
  Tensor place(Ctx& ctx, const Vision& vision, const VisionInput& input, const Tensor& embeddings, bool keep_tape,
               bool recompute_blocks, const Trace& trace);
  // Runs the tower's backward for all gradients that packs added, and drops the tapes.
  void finish(Ctx& ctx);
  // Forgets everything; for when weights change.
  void clear();

  int64_t encoded() const { return encoded_; }  // images that went through the tower so far

 private:
  // Images encoded together.
  struct Batch {
    Tensor features;  // (M, out_hidden)
    Tape tape;
    bool taped = false;
    int64_t last_use = 0;
  };
  struct Place {
    std::shared_ptr<Batch> batch;
    int64_t begin = 0;  // first merged feature
  };
  void encode(Ctx& ctx, const Vision& vision, const VisionInput& input, const std::vector<size_t>& images,
              bool keep_tape, bool recompute_blocks, const Trace& trace);
  void evict();
  std::string name(const Ctx& ctx, const std::string& key) const {
    return adapted_ && !ctx.adapters ? "base " + key : key;
  }

  bool adapted_ = false;
  std::unordered_map<std::string, Place> places_;
  std::vector<std::shared_ptr<Batch>> batches_;
  int64_t budget_ = int64_t{512} << 20, clock_ = 0, encoded_ = 0;
};

}  // namespace rft
