// The tiny models that tests of the engine on the device share.
#pragma once
#include "model/spec.h"

namespace rft::test {

inline ModelSpec tiny_text_spec() {
  ModelSpec spec{};
  spec.decoder = {.vocab = 61,
                  .hidden = 32,
                  .layers = 2,
                  .heads = 4,
                  .kv_heads = 2,
                  .head_dim = 16,
                  .ffn = 40,
                  .rms_eps = 1e-6f,
                  .rope_theta = 10000,
                  .qkv_bias = true,
                  .qk_norm = false,
                  .tied_head = true,
                  .mrope_section = {}};
  return spec;
}

}  // namespace rft::test
