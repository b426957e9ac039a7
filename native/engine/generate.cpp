#include "engine/generate.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <deque>
#include <memory>

#include "base/parallel_for.h"
#include "base/philox.h"
#include "engine/device_decoder.h"
#include "engine/kv_cache.h"
#include "engine/prefill.h"
#include "ops/token_logp/head_stats.h"
#include "tensor/values.h"

namespace rft {

namespace {

constexpr int64_t kDefaultSequences = 256;
constexpr int64_t kPrefillTokens = 1024;  // of several prompts computed together: efficient, and near the caches

struct Sequence {
  Generated out;
  std::shared_ptr<const PromptKv> prompt;
  std::vector<float> first_hidden;  // (C) state that predicts the first token
  int32_t next_position = 0;
  uint64_t stream = 0;
  int64_t slot = -1;
  std::string tail;  // end of the text so far, for stop strings
  bool done = false;
};

class Generation {
 public:
  Generation(Model& model, Ctx& ctx, const std::vector<GenerateRequest>& requests, const GenerateOptions& options)
      : model_(model), ctx_(ctx), requests_(requests), options_(options), stops_(options.stop_strings) {
    for (const auto& r : requests) total_ += r.samples;
    const int64_t limit = options.max_sequences ? options.max_sequences : kDefaultSequences;
    slots_ = std::min({limit, total_, affordable_slots()});
    prompt_budget_ = options.kv_budget ? options.kv_budget - slots_ * bytes_of(options.max_new_tokens) : INT64_MAX;
    for (int64_t s = slots_; s-- > 0;) free_slots_.push_back(s);
    forbidden_.assign(size_t(model.spec().decoder.vocab), 0);
    for (int32_t t : options.forbidden_tokens)
      if (t >= 0 && size_t(t) < forbidden_.size()) forbidden_[size_t(t)] = 1;
    if (ctx.cuda())
      device_.emplace(model, ctx, options.sampling, forbidden_, slots_, options.max_new_tokens, longest_prompt());
    else cache_.emplace(ctx, model.spec().decoder, slots_, options.max_new_tokens);
  }

  std::vector<Generated> run(const std::function<void(GenerateProgress)>& progress) {
    try {
      while (finished_ < total_) {
        ctx_.check_abort();
        admit();
        decode_step();
        retire();
        if (progress) progress({finished_, total_, tokens_});
      }
    } catch (const Aborted&) {
      if (!options_.partial) throw;
      give_up();
    }
    std::sort(results_.begin(), results_.end(), [](const Generated& a, const Generated& b) {
      return std::pair(a.request, a.sample) < std::pair(b.request, b.sample);
    });
    return std::move(results_);
  }

 private:
  // Keys and values of so many tokens, over all layers.
  int64_t bytes_of(int64_t tokens) const {
    const DecoderSpec& spec = model_.spec().decoder;
    return ctx_.cuda() ? kv_bytes_on_cuda(spec, tokens, model_.decoder().head_weight().dtype())
                       : kv_bytes(spec, tokens);
  }

  int64_t longest_prompt() const {
    size_t longest = 0;
    for (const auto& r : requests_) longest = std::max(longest, r.tokens.size());
    return int64_t(longest);
  }

  // Slots beside the longest prompt within the budget; at least one.
  int64_t affordable_slots() const {
    if (!options_.kv_budget) return INT64_MAX;
    const int64_t left = options_.kv_budget - bytes_of(longest_prompt());
    return std::max<int64_t>(1, left / bytes_of(options_.max_new_tokens));
  }

  // Fills free slots; prompts are computed when their first sample is due. A fresh sequence draws its first token from
  // the prompt's last hidden state.
  void admit() {
    while (!free_slots_.empty() && (!ready_.empty() || next_request_ < requests_.size())) {
      if (ready_.empty() && !prefill_next()) return;
      std::vector<Sequence*> fresh;
      while (!free_slots_.empty() && !ready_.empty()) {
        active_.push_back(std::move(ready_.front()));
        ready_.pop_front();
        active_.back()->slot = free_slots_.back();
        free_slots_.pop_back();
        fresh.push_back(active_.back().get());
      }
      const int64_t c = model_.spec().decoder.hidden;
      Tensor h = ctx_.empty({int64_t(fresh.size()), c}, model_.decoder().head_weight().dtype());
      for (size_t i = 0; i < fresh.size(); ++i) write_floats(h, int64_t(i) * c, c, fresh[i]->first_hidden.data());
      draw(h, fresh);
      retire();
    }
  }

  // Computes the next prompts that slots, memory and one forward pass have room for. False when memory has none now.
  bool prefill_next() {
    std::vector<const GenerateRequest*> batch;
    int64_t tokens = 0, samples = 0, bytes = 0;
    const size_t first = next_request_;
    while (next_request_ < requests_.size() && samples < int64_t(free_slots_.size())) {
      const auto& r = requests_[next_request_];
      const int64_t length = int64_t(r.tokens.size());
      if (!batch.empty() && tokens + length > kPrefillTokens) break;
      const bool alone = batch.empty() && active_.empty();
      if (!alone && prompt_bytes_ + bytes + bytes_of(length) > prompt_budget_) break;
      batch.push_back(&r);
      bytes += bytes_of(length);
      tokens += length;
      samples += r.samples;
      ++next_request_;
    }
    if (batch.empty()) return false;
    Prefilled done = prefill(model_, ctx_, batch, options_.keep_vision_tape);
    for (size_t i = 0; i < batch.size(); ++i) {
      prompt_bytes_ += done.kv[i].bytes();
      std::shared_ptr<const PromptKv> prompt(new PromptKv(std::move(done.kv[i])), [this](const PromptKv* kv) {
        prompt_bytes_ -= kv->bytes();
        delete kv;
      });
      const int64_t width = done.last_hidden.columns();
      std::vector<float> hidden(static_cast<size_t>(width));
      read_floats(done.last_hidden, int64_t(i) * width, width, hidden.data());
      for (int32_t s = 0; s < batch[i]->samples; ++s) {
        auto seq = std::make_unique<Sequence>();
        seq->out.request = int32_t(first + i);
        seq->out.sample = s;
        seq->prompt = prompt;
        seq->first_hidden = hidden;
        seq->next_position = batch[i]->next_position;
        seq->stream = batch[i]->stream + uint64_t(s);
        ready_.push_back(std::move(seq));
      }
    }
    return true;
  }

  // One more token for every running sequence.
  void decode_step() {
    if (active_.empty()) return;
    if (device_) return decode_step_on_cuda();
    const DecoderSpec& spec = model_.spec().decoder;
    const int64_t b = int64_t(active_.size());
    std::vector<int32_t> tokens, positions;
    for (const auto& s : active_) tokens.push_back(s->out.tokens.back());
    for (int axis = 0; axis < 3; ++axis)
      for (const auto& s : active_) positions.push_back(s->next_position + int32_t(s->out.tokens.size()) - 1);
    const float scale = 1.0f / std::sqrt(float(spec.head_dim));
    const Attend attend = [&](Ctx& c, int layer, const Tensor& q, const Tensor& k, const Tensor& v) {
      Tensor out = c.empty(q.shape());
      if (c.meta()) return out;
      std::vector<ops::CachedRow> rows;
      for (int64_t i = 0; i < b; ++i) {
        const Sequence& s = *active_[size_t(i)];
        const int64_t length = int64_t(s.out.tokens.size());
        cache_->write(layer, s.slot, length - 1, k.row(i), v.row(i));
        rows.push_back(cache_->row(layer, s.slot, length, *s.prompt));
      }
      ops::cached_attention(q.f32(), out.f32(), rows, int(spec.heads), int(spec.kv_heads), int(spec.head_dim), scale);
      return out;
    };
    Tensor x = model_.decoder().embed(ctx_, ctx_.from(tokens.data(), {b}));
    const RopeTable rope = text_rope(ctx_, positions.data(), b, spec.head_dim, spec.rope_theta, spec.mrope_section);
    x = model_.decoder().layers(ctx_, x, rope, attend, {});
    std::vector<Sequence*> rows;
    for (const auto& s : active_) rows.push_back(s.get());
    draw(model_.decoder().final_norm(ctx_, x), rows);
  }

  double uniform(const Sequence& s) const { return philox_uniform(options_.seed, s.stream, s.out.tokens.size()); }

  void decode_step_on_cuda() {
    std::vector<DecodeRow> rows;
    for (const auto& s : active_) {
      const int32_t length = int32_t(s->out.tokens.size());
      rows.push_back(
          {s->out.tokens.back(), s->next_position + length - 1, s->slot, length, s->prompt.get(), uniform(*s)});
    }
    const std::vector<Drawn> drawn = device_->step(rows);
    for (size_t i = 0; i < drawn.size(); ++i) accept(*active_[i], drawn[i]);
  }

  void accept(Sequence& s, const Drawn& drawn) {
    record(s, drawn.token, drawn.logp, drawn.entropy);
    if (!ctx_.meta()) check_finished(s, drawn.token);
    ++tokens_;
  }

  // Samples the next token of each sequence from its hidden state; log-prob and entropy as the trainer computes them.
  void draw(const Tensor& hidden, const std::vector<Sequence*>& sequences) {
    if (device_) {
      std::vector<double> u;
      for (const Sequence* s : sequences) u.push_back(uniform(*s));
      const std::vector<Drawn> drawn = device_->draw(hidden, u);
      for (size_t i = 0; i < drawn.size(); ++i) accept(*sequences[i], drawn[i]);
      return;
    }
    Tensor logits = project(ctx_, hidden, model_.decoder().head());
    const int64_t v = logits.columns();
    const auto& sampling = options_.sampling;
    const float temperature = sampling.greedy ? 1.0f : sampling.temperature;
    parallel_for(int64_t(sequences.size()), [&](int64_t i) {
      Sequence& s = *sequences[size_t(i)];
      if (ctx_.meta()) return record(s, 0, 0.0f, 0.0f);
      float* z = logits.row(i);
      ops::apply_temperature(z, v, temperature);
      const ops::HeadStats stats = ops::head_stats(z, v);
      const double u = uniform(s);
      thread_local std::vector<float> row;  // sampling overwrites its logits
      row.assign(z, z + v);
      const int32_t token = ops::sample_row(row.data(), v, sampling, u, forbidden_.data());
      record(s, token, stats.logp(z[token]), stats.entropy);
      check_finished(s, token);
    });
    tokens_ += int64_t(sequences.size());
  }

  void record(Sequence& s, int32_t token, float logp, float entropy) const {
    s.out.tokens.push_back(token);
    s.out.logp.push_back(logp);
    s.out.entropy.push_back(entropy);
    // On META every decode step after the first allocates the same: the rest of the completion is filled in.
    if (ctx_.meta() && s.out.tokens.size() == 2) {
      s.out.tokens.resize(size_t(options_.max_new_tokens));
      s.out.logp.resize(s.out.tokens.size());
      s.out.entropy.resize(s.out.tokens.size());
    }
    s.done = int64_t(s.out.tokens.size()) >= options_.max_new_tokens;
  }

  void check_finished(Sequence& s, int32_t token) const {
    const auto& stop = options_.stop_tokens;
    if (std::find(stop.begin(), stop.end(), token) != stop.end()) {
      s.out.finish = Finish::Eos;
      s.done = true;
    } else if (stops_.push(s.tail, options_.token_bytes, token)) {
      s.out.finish = Finish::Stop;
      s.done = true;
    }
  }

  // Ended sequences free their slots at once.
  void retire() {
    for (auto& s : active_) {
      if (!s->done) continue;
      free_slots_.push_back(s->slot);
      results_.push_back(std::move(s->out));
      ++finished_;
      s.reset();
    }
    std::erase(active_, nullptr);
  }

  // After an abort: what has started is returned as far as it came.
  void give_up() {
    for (auto& s : active_) {
      if (!s || s->out.tokens.empty()) continue;
      if (!s->done) s->out.finish = Finish::Aborted;
      results_.push_back(std::move(s->out));
    }
    active_.clear();
  }

  Model& model_;
  Ctx& ctx_;
  const std::vector<GenerateRequest>& requests_;
  const GenerateOptions& options_;
  StopMatcher stops_;
  std::vector<uint8_t> forbidden_;
  int64_t prompt_bytes_ = 0, prompt_budget_ = 0;  // of prompts alive; the last sequence of a prompt frees it
  std::optional<SlotCache> cache_;                // one of these two
  std::optional<DeviceDecoder> device_;           // on CUDA
  std::vector<int64_t> free_slots_;
  std::deque<std::unique_ptr<Sequence>> ready_;  // prompt computed, waiting for a slot
  std::vector<std::unique_ptr<Sequence>> active_;
  std::vector<Generated> results_;
  size_t next_request_ = 0;
  int64_t slots_ = 0, total_ = 0, finished_ = 0, tokens_ = 0;
};

void check_requests(const ModelSpec& spec, const std::vector<GenerateRequest>& requests,
                    const GenerateOptions& options) {
  expect(options.max_new_tokens > 0, "generate maxNewTokens", "a positive number", options.max_new_tokens);
  expect(options.stop_strings.empty() || !options.token_bytes.offsets.empty(), "generate stopStrings",
         "tokenBytes beside them", "none");
  for (size_t i = 0; i < requests.size(); ++i) {
    const auto& r = requests[i];
    Pack pack{r.tokens, r.positions, {}, r.vision};
    check_pack(spec, pack);
    expect(r.samples > 0, concat("generate requests[", i, "].samples"), "a positive number", r.samples);
  }
}

}  // namespace

std::vector<Generated> generate(Model& model, Ctx ctx, const std::vector<GenerateRequest>& requests,
                                const GenerateOptions& options, const std::function<void(GenerateProgress)>& progress) {
  check_requests(model.spec(), requests, options);
  model.decoder().pack(ctx, options.bf16_weights ? Dtype::BF16 : Dtype::F32);
  struct Unpack {
    Decoder& decoder;
    ~Unpack() { decoder.unpack(); }
  } unpack{model.decoder()};
  return Generation(model, ctx, requests, options).run(progress);
}

}  // namespace rft
