// Finds stop strings in a growing text, byte by byte, so that a string may span tokens and a token may span strings.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace rft {

// Bytes of every token: token i is bytes[offsets[i] .. offsets[i+1]).
struct TokenBytes {
  std::vector<uint8_t> bytes;
  std::vector<uint32_t> offsets;
};

class StopMatcher {
 public:
  explicit StopMatcher(const std::vector<std::string>& stops);
  // Appends a token's bytes to `tail`, the end of a sequence's text so far; true when a stop string is complete.
  // Cost: the bytes of the token times the number of stop strings.
  bool push(std::string& tail, const TokenBytes& table, int32_t token) const;

 private:
  std::vector<std::string> stops_;
  size_t longest_ = 0;
};

}  // namespace rft
