// What a model is made of. The engine knows these features; families (which config means which features) live in
// TypeScript.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

namespace rft {

struct DecoderSpec {
  int64_t vocab, hidden, layers, heads, kv_heads, head_dim, ffn;
  float rms_eps;
  double rope_theta;
  bool qkv_bias;   // bias on q, k, v
  bool qk_norm;    // RMSNorm over each head of q and k
  bool tied_head;  // the head shares the embedding
  // Rotary pairs driven by the t, h, w positions; without it the t positions drive all of them.
  std::optional<std::array<int, 3>> mrope_section;
};

struct VisionSpec {
  int64_t patch_dim, hidden, layers, heads, ffn;
  float norm_eps;
  double rope_theta;
  int64_t merge;        // merge x merge patches become one language token
  int64_t patch_size;   // pixels
  int64_t window_size;  // pixels; 0 = every block sees the whole image
  std::vector<int> full_blocks;
  int64_t out_hidden;
};

struct ModelSpec {
  DecoderSpec decoder;
  std::optional<VisionSpec> vision;
};

}  // namespace rft
