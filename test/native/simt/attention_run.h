// Runs the attention launches in the emulator: host values in, host values out.
#pragma once
#include <cstring>

#include "attention_cases.h"
#include "harness.h"

namespace rft::test {

template <class T>
std::vector<T> stored(const Floats& x) {
  return std::vector<T>(x.begin(), x.end());
}
template <>
inline Bf16s stored<simt::bf16>(const Floats& x) {
  return to_bf16(x);
}

template <class T>
constexpr bool kRounds = sizeof(T) == 2;

// A plan in device memory.
struct UploadedPlan {
  cuda::DevicePlan plan;
  simt::Buffer<int32_t> words;
  explicit UploadedPlan(const AttentionCase& c)
      : plan(cuda::make_device_plan(c.sizes.query_rows, c.sizes.key_rows, c.segments, c.group())),
        words(plan.words()) {}
  cuda::PlanView view() const { return plan.view(words.get()); }
};

template <class T>
struct ForwardRun {
  std::vector<T> out;
  Floats lse;
  bool written;
};

enum class Tier { Portable, Sm90 };

template <class T>
ForwardRun<T> run_forward(const AttentionCase& c, const AttentionInputs& in, Tier tier = Tier::Portable) {
  const UploadedPlan plan(c);
  const simt::Buffer<T> q(stored<T>(in.q)), k(stored<T>(in.k)), v(stored<T>(in.v)), out(c.q_count());
  const simt::Buffer<float> lse(c.lse_count());
  if constexpr (sizeof(T) == 2)
    if (tier == Tier::Sm90)
      cuda::attention_forward_sm90(c.sizes, plan.view(), q.get(), k.get(), v.get(), out.get(), lse.get(), nullptr);
  if (tier == Tier::Portable)
    cuda::attention_forward(c.sizes, plan.view(), q.get(), k.get(), v.get(), out.get(), lse.get(), nullptr);
  return {out.host(), lse.host(), !simt::kCheckedBuild || (out.all_written() && lse.all_written())};
}

template <class T>
struct BackwardRun {
  std::vector<T> dq, dk, dv;
  bool written;
};

// From the kernel's own forward pass.
template <class T>
BackwardRun<T> run_backward(const AttentionCase& c, const AttentionInputs& in) {
  const UploadedPlan plan(c);
  const simt::Buffer<T> q(stored<T>(in.q)), k(stored<T>(in.k)), v(stored<T>(in.v)), dout(stored<T>(in.dout));
  const simt::Buffer<T> out(c.q_count()), dq(c.q_count()), dk(c.kv_count()), dv(c.kv_count());
  const simt::Buffer<float> lse(c.lse_count()), delta(c.lse_count());
  cuda::attention_forward(c.sizes, plan.view(), q.get(), k.get(), v.get(), out.get(), lse.get(), nullptr);
  cuda::attention_backward<T>(
      c.sizes, plan.view(),
      {q.get(), k.get(), v.get(), out.get(), dout.get(), lse.get(), delta.get(), dq.get(), dk.get(), dv.get()},
      nullptr);
  return {dq.host(), dk.host(), dv.host(),
          !simt::kCheckedBuild || (dq.all_written() && dk.all_written() && dv.all_written())};
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

}  // namespace rft::test
