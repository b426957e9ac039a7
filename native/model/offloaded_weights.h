// Weights of a model that is seldom run, such as a reference: they live in pinned memory of the host, and a copy is on
// the device for as long as it is needed. They are written on the host alone, so the copy can always be dropped.
#pragma once
#include <vector>

#include "model/model.h"

namespace rft {

class OffloadedWeights {
 public:
  // Moves them to the host. Throws for a model on the CPU, and when the host has no room.
  explicit OffloadedWeights(Model& model);

  void fetch();  // to the device; every pass needs this before it
  void drop();   // from the device; everything that writes weights needs this before it
  int64_t host_bytes() const { return host_pool_->report().total; }

 private:
  Model& model_;
  std::shared_ptr<Pool> host_pool_;
  std::vector<Tensor> host_;  // by parameter
  bool fetched_ = false;
};

}  // namespace rft
