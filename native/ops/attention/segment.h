// What a run of queries sees.
#pragma once
#include <cstdint>

namespace rft::ops {

// One query range and the two key ranges it sees (rows of q and of k, v):
//   keys = [kv0_begin, +kv0_len) fully visible, then [kv1_begin, +kv1_len) causal or not.
// Causal: query i of the segment sees the first kv1_len - q_len + i + 1 keys of region 1.
struct Segment {
  int32_t q_begin, q_len, kv0_begin, kv0_len, kv1_begin, kv1_len, causal;
};

}  // namespace rft::ops
