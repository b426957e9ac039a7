// Runs prompts through the model once: their keys and values, and the hidden state that predicts the first token.
#pragma once
#include <vector>

#include "engine/generate.h"
#include "engine/kv_cache.h"

namespace rft {

struct Prefilled {
  std::vector<PromptKv> kv;  // one per request
  Tensor last_hidden;        // (requests, C) after the final norm
};

Prefilled prefill(Model& model, Ctx& ctx, const std::vector<const GenerateRequest*>& requests, bool keep_vision_tape);

}  // namespace rft
