// Columns of several completions, one after the other: rows [offsets[b], offsets[b + 1]) are completion b.
#pragma once
#include <cstdint>

#include "base/error.h"

namespace rft::ops {

// Throws unless `count + 1` offsets rise (or stay) from 0 to n. Of offsets on the host.
inline void check_sequences(const char* where, const int32_t* offsets, int64_t count, int64_t n) {
  expect(offsets != nullptr && count >= 0, where, "offsets of the completions", "none");
  if (offsets[0] != 0 || offsets[count] != n)
    fail(where, concat("offsets from 0 to ", n), concat(offsets[0], " to ", offsets[count]));
  for (int64_t b = 0; b < count; ++b)
    if (offsets[b] > offsets[b + 1])
      fail(where, "offsets that do not fall", concat(offsets[b], " before ", offsets[b + 1]));
}

}  // namespace rft::ops
