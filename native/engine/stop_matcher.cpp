#include "engine/stop_matcher.h"

#include <algorithm>

namespace rft {

StopMatcher::StopMatcher(const std::vector<std::string>& stops) {
  for (const auto& s : stops)
    if (!s.empty()) stops_.push_back(s);
  for (const auto& s : stops_) longest_ = std::max(longest_, s.size());
}

bool StopMatcher::push(std::string& tail, const TokenBytes& table, int32_t token) const {
  if (stops_.empty() || size_t(token) + 1 >= table.offsets.size()) return false;
  const size_t before = tail.size();
  tail.append(reinterpret_cast<const char*>(table.bytes.data()) + table.offsets[size_t(token)],
              table.offsets[size_t(token) + 1] - table.offsets[size_t(token)]);
  for (const auto& stop : stops_) {
    const size_t from = before + 1 > stop.size() ? before + 1 - stop.size() : 0;  // a match must end in the new bytes
    if (tail.find(stop, from) != std::string::npos) return true;
  }
  if (tail.size() > longest_) tail.erase(0, tail.size() - longest_);
  return false;
}

}  // namespace rft
