// What a run of queries sees.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

namespace rft::ops {

// One query range and the two key ranges it sees (rows of q and of k, v):
//   keys = [kv0_begin, +kv0_len) fully visible, then [kv1_begin, +kv1_len) causal or not.
// Causal: query i of the segment sees the first kv1_len - q_len + i + 1 keys of region 1.
struct Segment {
  int32_t q_begin, q_len, kv0_begin, kv0_len, kv1_begin, kv1_len, causal;
};

// A list of segments. Copies share what attention works out of it, so the layers of a pass do that once: keep one
// object for the pass.
class Segments {
 public:
  Segments(std::vector<Segment> list);  // implicit: a list is one
  struct State;                         // attention.cpp
  State& state() const { return *state_; }

 private:
  std::shared_ptr<State> state_;
};

}  // namespace rft::ops
