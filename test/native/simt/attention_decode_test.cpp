// attention_decode: the bits of the training pass for the same rows, whatever the batch and wherever the keys lie.
#include <memory>

#include "attention_run.h"

using namespace rft::test;
using rft::cuda::CachedSequence;
using rft::cuda::DecodeGroup;
using rft::cuda::DecodeTile;
using rft::simt::bf16;
using rft::simt::Buffer;
using rft::simt::kCheckedBuild;

namespace {

// A prompt and its responses, packed as for training; the decode has a slab for the prompt and a slot per response.
struct Rollout {
  int prompt;
  std::vector<int> responses;
};

int total_rows(const std::vector<Rollout>& rollouts) {
  int rows = 0;
  for (const Rollout& r : rollouts) {
    rows += r.prompt;
    for (int len : r.responses) rows += len;
  }
  return rows;
}

AttentionCase training_case(const std::vector<Rollout>& rollouts, int heads, int kv_heads, int D) {
  std::vector<Segment> segments;
  int at = 0;
  for (const Rollout& r : rollouts) {
    const int begin = at;
    if (r.prompt) segments.push_back(causal(begin, r.prompt, begin));
    at += r.prompt;
    for (int len : r.responses) {
      if (len) segments.push_back(response(at, len, begin, r.prompt));
      at += len;
    }
  }
  return attention_case("training", heads, kv_heads, D, total_rows(rollouts), total_rows(rollouts), segments);
}

template <class T>
struct DecodeRun {
  std::vector<T> out;
  bool written;
};

// Caches of prompts and responses, filled from the rows of k and v but for each response's last row.
template <class T>
class Caches {
 public:
  Caches(const AttentionCase& c, const AttentionInputs& in, const std::vector<Rollout>& rollouts) : case_(c), in_(in) {
    size_t at = 0;
    for (const Rollout& r : rollouts) {
      const auto [prompt_k, prompt_v] = cache(at, r.prompt, r.prompt);
      at += size_t(r.prompt);
      for (const int len : r.responses) {
        const auto [own_k, own_v] = cache(at, std::max(0, len - 1), len + 3);
        sequences.push_back({prompt_k, prompt_v, own_k, own_v, r.prompt, len, len + 3});
        at += size_t(len);
      }
    }
  }
  std::vector<CachedSequence<T>> sequences;

 private:
  std::pair<T*, T*> cache(size_t first_row, int len, int capacity) {
    const size_t w = case_.kv_width();
    const auto rows = [&](const Floats& x) {
      return Floats(x.begin() + long(first_row * w), x.begin() + long((first_row + size_t(len)) * w));
    };
    const Buffer<T> k(stored<T>(rows(in_.k))), v(stored<T>(rows(in_.v)));
    memory_.push_back(std::make_unique<Buffer<T>>(size_t(capacity) * w));
    memory_.push_back(std::make_unique<Buffer<T>>(size_t(capacity) * w));
    T *to_k = memory_[memory_.size() - 2]->get(), *to_v = memory_.back()->get();
    rft::cuda::fill_kv_cache<T>(case_.sizes, {k.get(), v.get(), to_k, to_v, len, capacity}, nullptr);
    return {to_k, to_v};
  }
  const AttentionCase& case_;
  const AttentionInputs& in_;
  std::vector<std::unique_ptr<Buffer<T>>> memory_;
};

// Query, key and value of every response's last row; 1 where there is none.
struct LastRows {
  Floats q, k, v;
};
LastRows last_rows(const AttentionCase& c, const AttentionInputs& in, const std::vector<Rollout>& rollouts) {
  LastRows last;
  size_t at = 0;
  const auto add = [&](Floats& to, const Floats& from, size_t width, int len) {
    for (size_t x = 0; x < width; ++x) to.push_back(len ? from[(at - 1) * width + x] : 1.0f);
  };
  for (const Rollout& r : rollouts) {
    at += size_t(r.prompt);
    for (const int len : r.responses) {
      at += size_t(len);
      add(last.q, in.q, c.q_width(), len);
      add(last.k, in.k, c.kv_width(), len);
      add(last.v, in.v, c.kv_width(), len);
    }
  }
  return last;
}

// One step for all responses. Groups of at most `most` sequences share their prompt's chunks.
template <class T>
DecodeRun<T> decode(const AttentionCase& c, const AttentionInputs& in, const std::vector<Rollout>& rollouts, int most) {
  Caches<T> caches(c, in, rollouts);
  const LastRows last = last_rows(c, in, rollouts);
  std::vector<DecodeGroup> groups;
  int64_t most_keys = 0;
  bool all_have_keys = true;
  for (const Rollout& r : rollouts)
    for (size_t i = 0; i < r.responses.size(); ++i) {
      if (i % size_t(most) == 0) groups.push_back({0, r.prompt});
      ++groups.back().sequences;
      most_keys = std::max<int64_t>(most_keys, r.prompt + r.responses[i]);
      all_have_keys = all_have_keys && r.responses[i] > 0;
    }
  rft::cuda::AttentionSizes sizes = c.sizes;
  sizes.query_rows = int64_t(caches.sequences.size());
  const std::vector<DecodeTile> tiles = rft::cuda::decode_tiles(groups, c.group());
  const Buffer<CachedSequence<T>> sequences(caches.sequences);
  const Buffer<DecodeTile> device_tiles(tiles);
  const Buffer<T> q(stored<T>(last.q)), k(stored<T>(last.k)), v(stored<T>(last.v)), out(last.q.size());
  const Buffer<float> workspace(rft::cuda::decode_workspace_floats(sizes, most_keys));
  if (all_have_keys) rft::cuda::append_kv_cache<T>(sizes, sequences.get(), k.get(), v.get(), nullptr);
  rft::cuda::attention_decode<T>(
      sizes,
      {q.get(), out.get(), sequences.get(), device_tiles.get(), int64_t(tiles.size()), most_keys, workspace.get()},
      nullptr);
  return {out.host(), !kCheckedBuild || out.all_written()};
}

// Every response's last row: bit for bit the training pass, and near the truth.
template <class T>
std::string decode_equals_training(const std::vector<Rollout>& rollouts, int heads, int kv_heads, int D,
                                   int most = 64) {
  const AttentionCase c = training_case(rollouts, heads, kv_heads, D);
  const AttentionInputs in = attention_inputs(c, kRounds<T>);
  const ForwardRun<T> training = run_forward<T>(c, in);
  const DecodeRun<T> run = decode<T>(c, in, rollouts, most);
  if (!run.written) return "not every output was written";
  std::vector<T> want;
  size_t at = 0;
  for (const Rollout& r : rollouts) {
    at += size_t(r.prompt);
    for (int len : r.responses) {
      at += size_t(len);
      for (size_t x = 0; x < c.q_width(); ++x) want.push_back(len ? training.out[(at - 1) * c.q_width() + x] : T(0.0f));
    }
  }
  return same_bits(run.out, want) ? "" : "bits differ";
}

template <class T>
void check_tiny(const char* storage) {
  const auto name = [&](const char* what) { return rft::concat("decode ", storage, ", ", what); };
  expect_clean(name("one sequence of one key"), [] { return decode_equals_training<T>({{0, {1}}}, 1, 1, 8); });
  expect_clean(name("7 to 1, prompts of 5 and 70"), [] {
    return decode_equals_training<T>({{5, {3, 1}}, {70, {2}}}, 7, 1, 16);
  });
  expect_clean(name("4 to 2, no prompt"), [] { return decode_equals_training<T>({{0, {65, 9}}}, 4, 2, 32); });
}

template <class T>
void check_chunks(const char* storage, const std::vector<int>& prompts) {
  const auto name = [&](const auto&... what) { return rft::concat("decode ", storage, " = training, ", what...); };
  for (int prompt : prompts)
    report(name("prompt of ", prompt), decode_equals_training<T>({{prompt, {1, 12, 40}}}, 2, 1, 16));
  report(name("more rows than a tile"),
         decode_equals_training<T>({{514, {3, 2, 5, 1, 4, 6, 2, 7, 3, 8, 1}}}, 7, 1, 16));
  report(name("head size 80, own keys past a chunk"), decode_equals_training<T>({{30, {500}}}, 1, 1, 80));
}

// Devices with 99 KB of shared memory take smaller blocks for head size 128: the same bits.
template <class T>
std::string little_memory() {
  const std::vector<Rollout> rollouts{{40, {3, 30}}};
  const AttentionCase c = training_case(rollouts, 7, 1, 128);
  const AttentionInputs in = attention_inputs(c, kRounds<T>);
  const ForwardRun<T> forward = run_forward<T>(c, in);
  const DecodeRun<T> step = decode<T>(c, in, rollouts, 64);
  const BackwardRun<T> backward = run_backward<T>(c, in);
  rft::simt::config().max_dynamic_shared = 99 * 1024;
  const ForwardRun<T> small_forward = run_forward<T>(c, in);
  const DecodeRun<T> small_step = decode<T>(c, in, rollouts, 64);
  const BackwardRun<T> small_backward = run_backward<T>(c, in);
  if (!small_forward.written || !small_step.written || !small_backward.written) return "not every output was written";
  if (!same_bits(backward.dq, small_backward.dq) || !same_bits(backward.dk, small_backward.dk) ||
      !same_bits(backward.dv, small_backward.dv))
    return "backward differs";
  if (!same_bits(forward.out, small_forward.out) || !same_bits(forward.lse, small_forward.lse))
    return "forward differs";
  return same_bits(step.out, small_step.out) ? "" : "decode differs";
}

// A sequence's bits alone and in a batch.
template <class T>
std::string alone_equals_batch() {
  const std::vector<Rollout> batch{{513, {5, 20}}, {64, {7}}};
  const AttentionCase c = training_case(batch, 2, 1, 16);
  const AttentionInputs in = attention_inputs(c, kRounds<T>);
  const DecodeRun<T> all = decode<T>(c, in, batch, 64);
  const std::vector<Rollout> first{{513, {5}}};
  const DecodeRun<T> one = decode<T>(c, in, first, 1);
  return same_bits(one.out, std::vector<T>(all.out.begin(), all.out.begin() + long(one.out.size()))) ? ""
                                                                                                     : "bits differ";
}

}  // namespace

int main() {
  if (kCheckedBuild || !SIMT_EMULATED) {
    check_tiny<bf16>("bf16");
    check_tiny<float>("fp32");
    expect_clean("decode bf16, a prompt's whole chunk", [] {
      return decode_equals_training<bf16>({{515, {2, 1}}}, 2, 1, 16);
    });
    expect_clean("decode bf16, sequences without keys", [] {
      return decode_equals_training<bf16>({{0, {0, 0}}}, 2, 1, 16);
    });
    expect_clean("decode bf16, 66 heads of one kv head", [] {
      return decode_equals_training<bf16>({{3, {2}}}, 66, 1, 8);
    });
  }
  if (kCheckedBuild) {
    expect_clean("bf16, head size 128 with little shared memory", [] { return little_memory<bf16>(); });
    expect_clean("fp32, head size 128 with little shared memory", [] { return little_memory<float>(); });
  }
  if (!kCheckedBuild) {
    use(kSchedules[2]);
    check_chunks<bf16>("bf16", {500, 511, 512, 513, 1030});
    check_chunks<float>("fp32", {512});
    report("decode bf16 = training, head size 128, two kv heads",
           decode_equals_training<bf16>({{520, {9, 70}}}, 14, 2, 128));
    report("decode bf16 = training, groups of two",
           decode_equals_training<bf16>({{514, {3, 2, 5}}, {3, {2}}}, 7, 1, 16, 2));
    report("decode bf16, alone = in a batch", alone_equals_batch<bf16>());
    report("decode fp32, alone = in a batch", alone_equals_batch<float>());
  }
  return failures != 0;
}
