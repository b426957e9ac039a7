// attention_forward against fp64, bf16 and fp32, and what its bits may depend on.
#include "attention_run.h"
#include "has_wgmma.h"

using namespace rft::test;
using rft::simt::bf16;
using rft::simt::kCheckedBuild;

namespace {

template <class T>
std::string forward(const AttentionCase& c) {
  const AttentionInputs in = attention_inputs(c, kRounds<T>);
  const AttentionAnswer exact = attention_reference(c, in, keep, false);
  const AttentionAnswer rounded = kRounds<T> ? attention_reference(c, in, round_bf16, false) : exact;
  const ForwardRun<T> run = run_forward<T>(c, in);
  if (!run.written) return "not every output was written";
  if (rft::simt::stats().ldmatrix_conflicts != 0) return "bank conflicts";
  return judge("out", run.out, exact.out, rounded.out, c.q_width(), kRounds<T> ? 4e-3 : 1e-5) +
         judge_lse(run.lse, exact.lse);
}

// The rows of `c` that `rows` names, out of a run.
template <class T>
std::vector<T> pick(const AttentionCase& c, const std::vector<T>& out, int first, int count) {
  const size_t w = c.q_width();
  return {out.begin() + long(size_t(first) * w), out.begin() + long(size_t(first + count) * w)};
}

// The same prompt and response as two segments with a shared prompt among others, and as one sequence alone.
template <class T>
std::string shared_equals_alone(int prompt, const std::vector<int>& responses, int which) {
  const AttentionCase packed = long_case(prompt, responses, 2, 1, 16);
  const AttentionInputs in = attention_inputs(packed, kRounds<T>);
  const ForwardRun<T> all = run_forward<T>(packed, in);
  int begin = prompt;
  for (int r = 0; r < which; ++r) begin += responses[size_t(r)];
  const int len = responses[size_t(which)];

  const AttentionCase alone =
      attention_case("alone", 2, 1, 16, prompt + len, prompt + len, {causal(0, prompt + len, 0)});
  AttentionInputs own;
  const auto copy = [&](const Floats& from, Floats& to, size_t width) {
    to.assign(from.begin(), from.begin() + long(size_t(prompt) * width));
    to.insert(to.end(), from.begin() + long(size_t(begin) * width), from.begin() + long(size_t(begin + len) * width));
  };
  copy(in.q, own.q, packed.q_width());
  copy(in.k, own.k, packed.kv_width());
  copy(in.v, own.v, packed.kv_width());
  const ForwardRun<T> one = run_forward<T>(alone, own);
  if (!same_bits(pick(packed, all.out, 0, prompt), pick(alone, one.out, 0, prompt))) return "prompt rows differ";
  if (!same_bits(pick(packed, all.out, begin, len), pick(alone, one.out, prompt, len))) return "response rows differ";
  return "";
}

// Repeats and schedules give the same bits.
template <class T>
std::string repeats() {
  const AttentionCase c = long_case(90, {30, 5}, 2, 1, 16);
  const AttentionInputs in = attention_inputs(c, kRounds<T>);
  use(kSchedules[0]);
  const ForwardRun<T> first = run_forward<T>(c, in);
  for (const Schedule& s : kSchedules) {
    use(s);
    const ForwardRun<T> again = run_forward<T>(c, in);
    if (!same_bits(first.out, again.out) || !same_bits(first.lse, again.lse)) return s.name;
  }
  return "";
}

// wgmma: near the truth, and the bits of the portable kernel.
std::string sm90(const AttentionCase& c) {
  const AttentionInputs in = attention_inputs(c, true);
  const AttentionAnswer exact = attention_reference(c, in, keep, false),
                        rounded = attention_reference(c, in, round_bf16, false);
  const ForwardRun<bf16> run = run_forward<bf16>(c, in, Tier::Sm90), portable = run_forward<bf16>(c, in);
  if (!run.written) return "not every output was written";
  if (!same_bits(run.out, portable.out) || !same_bits(run.lse, portable.lse))
    return "bits differ from the portable kernel's";
  return judge("out", run.out, exact.out, rounded.out, c.q_width(), 4e-3) + judge_lse(run.lse, exact.lse);
}

void check_errors() {
  use(kSchedules[0]);
  const auto refuses = [](const char* name, const AttentionCase& c, const char* part) {
    std::string got = "nothing thrown";
    try {
      run_forward<float>(c, attention_inputs(c, false));
    } catch (const rft::Error& e) {
      got = e.what();
    }
    report(name, got.find(part) != std::string::npos ? "" : got);
  };
  refuses("head size 12 is refused", attention_case("", 1, 1, 12, 1, 1, {}),
          "attention_forward head size: expected a multiple of 8");
  refuses("head size 136 is refused", attention_case("", 1, 1, 136, 1, 1, {}), "attention_forward head size");
  refuses("3 heads of 2 are refused", attention_case("", 3, 2, 8, 1, 1, {}), "attention_forward heads");
}

}  // namespace

int main() {
  if (kCheckedBuild || !SIMT_EMULATED) {
    for (const AttentionCase& c : attention_cases()) {
      expect_clean("forward bf16, " + c.name, [&] { return forward<bf16>(c); });
      expect_clean("forward fp32, " + c.name, [&] { return forward<float>(c); });
    }
    for (const AttentionCase& c : has_wgmma() ? sm90_cases() : std::vector<AttentionCase>())
      expect_clean("forward sm_90a, " + c.name, [&] { return sm90(c); });
    report("forward bf16, the same bits in every schedule", repeats<bf16>());
    report("forward fp32, the same bits in every schedule", repeats<float>());
    check_errors();
  }
  if (!kCheckedBuild) {
    use(kSchedules[2]);
    for (const AttentionCase& c : {long_case(530, {60, 40}, 2, 1, 64), long_case(100, {40}, 14, 2, 128)}) {
      report("forward bf16, " + c.name, forward<bf16>(c));
      report("forward fp32, " + c.name, forward<float>(c));
    }
    for (const AttentionCase& c : {long_case(1040, {80}, 1, 1, 64), long_case(320, {30, 34}, 2, 1, 128)})
      if (has_wgmma()) report("forward sm_90a, " + c.name, sm90(c));
    // Both sides of a tile's and of a chunk's border.
    for (int prompt : {63, 64, 100, 500, 512, 520}) {
      const std::string name = rft::concat("a shared prompt of ", prompt, " gives the bits of a sequence alone, ");
      report(name + "bf16", shared_equals_alone<bf16>(prompt, {7, 20, 15}, 1));
      report(name + "fp32", shared_equals_alone<float>(prompt, {7, 20, 15}, 1));
    }
  }
  return failures != 0;
}
