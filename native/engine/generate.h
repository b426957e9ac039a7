// Generation: prompts are computed once, their samples decode together with continuous batching.
//
// A sample depends on (weights, prompt, seed, stream, options) only: every op is batch-invariant and the random numbers
// are counter-based, so neither the batch nor the order of admission changes a bit of it.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/stop_matcher.h"
#include "model/model.h"
#include "ops/sample/sample.h"

namespace rft {

struct GenerateRequest {
  std::vector<int32_t> tokens;     // (T)
  std::vector<int32_t> positions;  // (3, T)
  std::optional<VisionInput> vision;
  int32_t next_position = 0;  // of the first generated token, on all three axes
  int32_t samples = 1;
  uint64_t stream = 0;  // random stream of sample 0; sample i uses stream + i
};

struct GenerateOptions {
  int64_t max_new_tokens = 0;
  ops::SampleOptions sampling;
  uint64_t seed = 0;
  std::vector<int32_t> stop_tokens;       // end a completion; the token is kept
  std::vector<int32_t> forbidden_tokens;  // never sampled
  std::vector<std::string> stop_strings;
  TokenBytes token_bytes;         // needed for stop strings
  int64_t max_sequences = 0;      // decoded at once; 0: chosen here
  int64_t kv_budget = 0;          // bytes of keys and values alive at once; 0: no limit. One sequence always runs.
  bool bf16_weights = false;      // round the decoder's matrices to bf16: faster, and another policy than the trainer's
  bool partial = false;           // when aborted, return what there is (Finish::Aborted) instead of throwing
  bool keep_vision_tape = false;  // a training pass on the same images follows
};

enum class Finish { Eos, Stop, Length, Aborted };

struct Generated {
  int32_t request = 0, sample = 0;
  std::vector<int32_t> tokens;
  std::vector<float> logp, entropy;  // of the untruncated distribution at the sampling temperature
  Finish finish = Finish::Length;
};

struct GenerateProgress {
  int64_t finished, total, tokens;
};

// Results are ordered by (request, sample); after an abort with `partial` those that had started. On META only memory
// is counted: every completion then has max_new_tokens zeros. Progress is reported after every decode step.
std::vector<Generated> generate(Model& model, Ctx ctx, const std::vector<GenerateRequest>& requests,
                                const GenerateOptions& options, const std::function<void(GenerateProgress)>& progress);

}  // namespace rft
