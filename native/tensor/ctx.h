// What an op needs to run: where memory comes from, whether to record, when to stop.
#pragma once
#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "device/device.h"
#include "tensor/pool.h"
#include "tensor/tape.h"
#include "tensor/tensor.h"

namespace rft {

// F32 sums of the node at work, for parameters whose gradients are kept in BF16.
using WideGradients = std::vector<std::pair<Tensor, Tensor>>;  // parameter, sum

struct Ctx {
  std::shared_ptr<Pool> pool;
  Tape* tape = nullptr;  // nullptr: nothing is recorded
  Purpose purpose = Purpose::Activations;
  const std::atomic<bool>* aborted = nullptr;
  bool adapters = true;           // false: the model without its low-rank adapters
  uint64_t dropout = 0;           // random stream of this training pass; 0: nothing is dropped
  WideGradients* wide = nullptr;  // set while a tape runs backward

  // True when ops should only account for memory.
  bool meta() const { return pool->device() == Device::Meta; }
  // True when tensors are on the CUDA device, or on META in its stead: an op then takes the memory that its kernels
  // need and launches them (tensor/dispatch.h).
  bool cuda() const { return pool->ops_device() == Device::Cuda; }
  void check_abort() const {
    if (aborted && aborted->load(std::memory_order_relaxed)) throw Aborted();
  }

  Tensor empty(Shape shape, Dtype dtype = Dtype::F32) const { return Tensor(pool, std::move(shape), dtype, purpose); }
  Tensor workspace(Shape shape, Dtype dtype = Dtype::F32) const {
    return Tensor(pool, std::move(shape), dtype, Purpose::Workspace);
  }
  // Copies host data into a new tensor on the pool's device.
  Tensor from(const int32_t* data, Shape shape) const;
  Tensor from(const float* data, Shape shape) const;

  // Should an op with these inputs record itself?
  template <class... Inputs>
  bool records(const Inputs&... inputs) const {
    return tape && (inputs.requires_grad() || ...);
  }
};

}  // namespace rft
