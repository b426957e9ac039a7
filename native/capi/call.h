// What every function of the C interface does around its kernel: catches, and keeps the reason.
#pragma once
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "capi/rft.h"
#include "tensor/ctx.h"

struct rft_context {
  std::shared_ptr<rft::Pool> pool;
  rft::device::Stream stream = nullptr;  // of CUDA

  rft::Ctx ctx() const { return {pool}; }
};

namespace rft::capi {

inline std::string& last_error() {
  static thread_local std::string reason;
  return reason;
}

// 0, or 1 when the body threw.
template <class Body>
int guarded(const Body& body) {
  try {
    body();
    return 0;
  } catch (const std::exception& e) {
    last_error() = e.what();
    return 1;
  }
}

// body(context), on its stream.
template <class Body>
int with(const rft_context* context, const Body& body) {
  return guarded([&] {
    expect(context != nullptr, "context", "one made by rft_context_create", "NULL");
    std::optional<device::OnStream> on;
    if (context->ctx().cuda()) on.emplace(context->stream);
    body(*context);
  });
}

}  // namespace rft::capi
