// attention_backward against fp64 gradients, bf16 and fp32; the same bits in every run; nothing left over from an
// earlier call in the same memory.
#include "attention_run.h"

using namespace rft::test;
using rft::simt::bf16;
using rft::simt::Buffer;
using rft::simt::kCheckedBuild;

namespace {

template <class T>
std::string backward(const AttentionCase& c) {
  const AttentionInputs in = attention_inputs(c, kRounds<T>);
  const AttentionAnswer exact = attention_reference(c, in, keep, true);
  const AttentionAnswer rounded = kRounds<T> ? attention_reference(c, in, round_bf16, true) : exact;
  const BackwardRun<T> run = run_backward<T>(c, in);
  if (!run.written) return "not every gradient was written";
  if (rft::simt::stats().ldmatrix_conflicts != 0) return "bank conflicts";
  const double limit = kRounds<T> ? 8e-3 : 1e-5;
  return judge("dq", run.dq, exact.dq, rounded.dq, c.q_width(), limit) +
         judge("dk", run.dk, exact.dk, rounded.dk, c.kv_width(), limit) +
         judge("dv", run.dv, exact.dv, rounded.dv, c.kv_width(), limit);
}

template <class T>
std::string repeats() {
  const AttentionCase c = attention_case("", 4, 2, 16, 50, 50, shared_prompt(33, {7, 10}));
  const AttentionInputs in = attention_inputs(c, kRounds<T>);
  use(kSchedules[0]);
  const BackwardRun<T> first = run_backward<T>(c, in);
  const int runs = SIMT_EMULATED ? 1 : 1000;  // on a GPU blocks race for real
  for (const Schedule& s : kSchedules) {
    use(s);
    for (int i = 0; i < runs; ++i) {
      const BackwardRun<T> again = run_backward<T>(c, in);
      if (!same_bits(first.dq, again.dq) || !same_bits(first.dk, again.dk) || !same_bits(first.dv, again.dv))
        return rft::concat(s.name, ", run ", i);
    }
  }
  return "";
}

// One set of buffers, large enough for all cases, filled with NaN at first and never again.
template <class T>
struct Arena {
  Buffer<T> q, k, v, dout, out, dq, dk, dv;
  Buffer<float> lse, delta;
  explicit Arena(size_t n) : q(n), k(n), v(n), dout(n), out(n), dq(n), dk(n), dv(n), lse(n), delta(n) {}
};

template <class T>
std::string reuses_memory() {
  const Arena<T> a(8192);
  for (const AttentionCase& c : {attention_case("", 1, 1, 32, 70, 70, {causal(0, 70, 0)}),
                                 attention_case("", 4, 2, 16, 37, 41, {causal(1, 17, 3), causal(20, 13, 25)}),
                                 attention_case("", 2, 1, 64, 5, 9, {{0, 5, 0, 4, 4, 5, 1}}),
                                 attention_case("", 2, 2, 16, 66, 66, {window(0, 64), window(64, 2)})}) {
    const AttentionInputs in = attention_inputs(c, kRounds<T>);
    const UploadedPlan plan(c);
    a.q.fill(stored<T>(in.q));
    a.k.fill(stored<T>(in.k));
    a.v.fill(stored<T>(in.v));
    a.dout.fill(stored<T>(in.dout));
    rft::cuda::attention_forward(c.sizes, plan.view(), a.q.get(), a.k.get(), a.v.get(), a.out.get(), a.lse.get(),
                                 nullptr);
    rft::cuda::attention_backward<T>(c.sizes, plan.view(),
                                     {a.q.get(), a.k.get(), a.v.get(), a.out.get(), a.dout.get(), a.lse.get(),
                                      a.delta.get(), a.dq.get(), a.dk.get(), a.dv.get()},
                                     nullptr);
    const BackwardRun<T> fresh = run_backward<T>(c, in);
    const auto same = [](const Buffer<T>& reused, const std::vector<T>& want) {
      std::vector<T> got = reused.host();
      got.resize(want.size());
      return same_bits(got, want);
    };
    if (!same(a.dq, fresh.dq) || !same(a.dk, fresh.dk) || !same(a.dv, fresh.dv)) return "bits differ";
  }
  return "";
}

// A gradient that is not wanted is not touched, and the others do not change.
std::string only_values() {
  const AttentionCase c = attention_case("", 2, 1, 16, 20, 20, {causal(0, 20, 0)});
  const AttentionInputs in = attention_inputs(c, true);
  const BackwardRun<bf16> all = run_backward<bf16>(c, in);
  const UploadedPlan plan(c);
  const Buffer<bf16> q(to_bf16(in.q)), k(to_bf16(in.k)), v(to_bf16(in.v)), dout(to_bf16(in.dout));
  const Buffer<bf16> out(c.q_count()), dv(c.kv_count());
  const Buffer<float> lse(c.lse_count()), delta(c.lse_count());
  rft::cuda::attention_forward(c.sizes, plan.view(), q.get(), k.get(), v.get(), out.get(), lse.get(), nullptr);
  rft::cuda::attention_backward<bf16>(
      c.sizes, plan.view(),
      {q.get(), k.get(), v.get(), out.get(), dout.get(), lse.get(), delta.get(), nullptr, nullptr, dv.get()}, nullptr);
  return same_bits(dv.host(), all.dv) ? "" : "bits differ";
}

}  // namespace

int main() {
  if (kCheckedBuild || !SIMT_EMULATED) {
    for (const AttentionCase& c : attention_cases()) {
      expect_clean("backward bf16, " + c.name, [&] { return backward<bf16>(c); });
      expect_clean("backward fp32, " + c.name, [&] { return backward<float>(c); });
    }
    report("backward bf16, the same bits in every schedule and run", repeats<bf16>());
    report("backward fp32, the same bits in every schedule and run", repeats<float>());
    expect_clean("backward bf16, dv alone", [] { return only_values(); });
  }
  if (!kCheckedBuild) {
    use(kSchedules[2]);
    for (const AttentionCase& c : {long_case(150, {60, 40}, 2, 1, 64), long_case(70, {40}, 14, 2, 128)}) {
      report("backward bf16, " + c.name, backward<bf16>(c));
      report("backward fp32, " + c.name, backward<float>(c));
    }
    report("backward bf16, several calls in the same memory", reuses_memory<bf16>());
    report("backward fp32, several calls in the same memory", reuses_memory<float>());
  }
  return failures != 0;
}
