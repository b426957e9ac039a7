// What a model is made of. The engine knows these features; families (which config means which features) live in
// TypeScript.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
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

// Low-rank adapters (LoRA) on some of the linears: y += scale (dropout(x) a^T) b^T.
struct LoraSpec {
  struct Target {
    std::string linear;  // e.g. decoder.layers.0.q
    int64_t rank;
    float scale;
  };
  std::vector<Target> targets;
  float dropout = 0.0f;  // share of x that a training pass drops
};

struct ModelSpec {
  DecoderSpec decoder;
  std::optional<VisionSpec> vision;
  std::optional<LoraSpec> lora;
  bool value_head = false;  // a number per token beside the language head: the critic of PPO
};

}  // namespace rft
