// What every function of the C interface does around its kernel: catches, and keeps the reason.
#pragma once
#include <memory>
#include <string>

#include "base/error.h"
#include "capi/rft.h"
#include "tensor/ctx.h"

struct rft_context {
  std::shared_ptr<rft::Pool> pool;
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

template <class Body>  // body(context)
int with(rft_context* context, const Body& body) {
  return guarded([&] {
    expect(context != nullptr, "context", "one made by rft_context_create", "NULL");
    body(*context);
  });
}

}  // namespace rft::capi
