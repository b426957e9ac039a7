// Host columns of several types that reach the device as one copy.
//
//   PackedColumns columns;
//   const auto logp = columns.add(old_logp);   // std::vector<float>; an empty column is absent
//   columns.upload(ctx);
//   kernel(columns.at<float>(logp), ..);       // nullptr where absent
#pragma once
#include <cstring>
#include <vector>

#include "tensor/ctx.h"
#include "tensor/values.h"

namespace rft {

class PackedColumns {
 public:
  struct Place {
    int64_t offset = -1;
  };

  template <class T>
  Place add(const std::vector<T>& column) {
    if (column.empty()) return {};
    const size_t begin = (host_.size() + kAlignment - 1) / kAlignment * kAlignment, bytes = column.size() * sizeof(T);
    host_.resize(begin + bytes);
    std::memcpy(host_.data() + begin, column.data(), bytes);
    return {int64_t(begin)};
  }
  void upload(const Ctx& ctx) {
    if (host_.empty()) return;
    device_ = ctx.workspace({int64_t(host_.size())}, Dtype::U8);
    rft::upload(host_.data(), device_);
  }
  template <class T>
  const T* at(Place place) const {
    return place.offset < 0 ? nullptr : reinterpret_cast<const T*>(device_.as<uint8_t>() + place.offset);
  }

 private:
  static constexpr size_t kAlignment = 16;
  std::vector<uint8_t> host_;
  Tensor device_;
};

}  // namespace rft
