#include "model/offloaded_weights.h"

#include "tensor/dispatch.h"

namespace rft {

OffloadedWeights::OffloadedWeights(Model& model) : model_(model), host_pool_(host_pool_beside(*model.pool())) {
  for (auto& p : model.weights().all()) {
    host_.emplace_back(host_pool_, p.value.shape(), p.value.dtype(), Purpose::Weights);
    if (p.value.device() == Device::Cuda) device::to_host(host_.back().raw(), p.value.raw(), p.value.bytes());
  }
  fetched_ = true;
  drop();
}

// Straight from pinned memory, on a stream beside the main one, which must have left the memory that this fills.
void OffloadedWeights::fetch() {
  if (fetched_) return;
  std::vector<Tensor> on_device;
  for (const Tensor& from : host_) on_device.emplace_back(model_.pool(), from.shape(), from.dtype(), Purpose::Weights);
  if (model_.pool()->device() == Device::Cuda) {
    device::synchronize();
    device::SideStream stream;
    for (size_t i = 0; i < host_.size(); ++i) stream.to_device(on_device[i].raw(), host_[i].raw(), host_[i].bytes());
    stream.synchronize();
  }
  for (size_t i = 0; i < host_.size(); ++i) model_.weights().all()[i].value.adopt(on_device[i]);
  fetched_ = true;
}

void OffloadedWeights::drop() {
  if (!fetched_) return;
  for (size_t i = 0; i < host_.size(); ++i) model_.weights().all()[i].value.adopt(host_[i]);
  model_.pool()->trim();
  fetched_ = false;
}

}  // namespace rft
