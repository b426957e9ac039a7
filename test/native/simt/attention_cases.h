// Attention cases of forward and backward: every tail of a tile, grouped heads, shared prompts, windows, gaps.
#pragma once
#include "attention_reference.h"

namespace rft::test {

inline Segment causal(int q_begin, int q_len, int k_begin) { return {q_begin, q_len, 0, 0, k_begin, q_len, 1}; }
inline Segment response(int q_begin, int q_len, int prompt, int prompt_len) {
  return {q_begin, q_len, prompt, prompt_len, q_begin, q_len, 1};
}
inline Segment window(int begin, int len) { return {begin, len, 0, 0, begin, len, 0}; }

// A prompt at 0 and responses right after it.
inline std::vector<Segment> shared_prompt(int prompt, const std::vector<int>& responses) {
  std::vector<Segment> list{causal(0, prompt, 0)};
  int at = prompt;
  for (int len : responses) {
    list.push_back(response(at, len, 0, prompt));
    at += len;
  }
  return list;
}

inline std::vector<AttentionCase> attention_cases() {
  return {
      attention_case("one row", 1, 1, 64, 1, 1, {causal(0, 1, 0)}),
      attention_case("head size 8, two heads", 2, 2, 8, 9, 9, {causal(0, 9, 0)}),
      attention_case("head size 24, 70 rows", 1, 1, 24, 70, 70, {causal(0, 70, 0)}),
      attention_case("7 to 1, shared prompt of 67, three responses", 7, 1, 16, 67 + 20, 67 + 20,
                     shared_prompt(67, {1, 8, 11})),
      attention_case("4 to 2, head size 128, two segments and gaps", 4, 2, 128, 40, 44,
                     {causal(3, 17, 5), causal(24, 13, 30)}),
      attention_case("windows of 3, 65 and 0, head size 80", 2, 2, 80, 70, 70,
                     {window(0, 3), window(4, 65), window(69, 0)}),
      attention_case("fully masked rows", 2, 1, 32, 12, 6, {{1, 6, 0, 0, 0, 2, 1}, {8, 3, 2, 0, 3, 0, 0}}),
      attention_case("queries at the end of their keys", 2, 1, 40, 5, 130, {{0, 5, 0, 0, 0, 130, 1}}),
      attention_case("nobody attends", 1, 1, 16, 3, 70, {}),
  };
}

// Of sizes that have tiles of 128 rows and head sizes of wgmma's kernel.
inline std::vector<AttentionCase> sm90_cases() {
  return {attention_case("70 rows", 1, 1, 64, 70, 70, {causal(0, 70, 0)}),
          attention_case("2 to 1, shared prompt of 60, a gap, head size 120", 2, 1, 120, 64 + 60, 64 + 60,
                         {causal(0, 60, 0), response(64, 60, 0, 60)}),
          attention_case("fully masked rows and no keys", 1, 1, 64, 200, 130, {{0, 128, 0, 0, 0, 126, 1}})};
}

// More than one chunk of keys, for the order of sums.
inline AttentionCase long_case(int prompt, const std::vector<int>& responses, int heads, int kv_heads, int D) {
  int rows = prompt;
  for (int len : responses) rows += len;
  return attention_case(concat("prompt of ", prompt, ", ", responses.size(), " responses"), heads, kv_heads, D, rows,
                        rows, shared_prompt(prompt, responses));
}

}  // namespace rft::test
