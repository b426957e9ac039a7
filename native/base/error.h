// One error type. Text: `<where>: expected <what> but received <value>`.
#pragma once
#include <sstream>
#include <stdexcept>
#include <string>

namespace rft {

struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// Thrown by a job that polls its abort flag; becomes an AbortError in JavaScript.
struct Aborted : std::runtime_error {
  Aborted() : std::runtime_error("The operation was aborted") {}
};

template <class... Parts>
std::string concat(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

// fail("rms_norm w", "shape (64)", shape_string) -> "rms_norm w: expected shape (64) but received (32)"
template <class Where, class Expected, class Received>
[[noreturn]] void fail(const Where& where, const Expected& expected, const Received& received) {
  throw Error(concat(where, ": expected ", expected, " but received ", received));
}

// For texts that are at hand. Where they must be put together on a hot path: if (!ok) fail(where, concat(..), ..).
template <class Where, class Expected, class Received>
void expect(bool ok, const Where& where, const Expected& expected, const Received& received) {
  if (!ok) fail(where, expected, received);
}

}  // namespace rft
