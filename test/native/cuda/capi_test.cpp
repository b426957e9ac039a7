// The C interface on the CUDA device: every function with device pointers on a stream of the caller's own, against the
// same call on the CPU.
#include <cmath>
#include <functional>
#include <list>
#include <string>

#include "base/error.h"
#include "capi/rft_rl.h"
#include "check.h"
#include "device/device.h"
#include "schedules.h"

using rft::concat;
using rft::test::Floats;
using rft::test::random_floats;
using rft::test::report;

namespace {

using Bytes = std::vector<uint8_t>;
using Ints = std::vector<int32_t>;

// A context and the memory of its device.
class Side {
 public:
  explicit Side(const char* device) : context_(rft_context_create(device, nullptr)) {  // the default stream
    if (context_ == nullptr) throw std::runtime_error(rft_last_error());
    cuda_ = std::string(device) == "cuda";
  }
  ~Side() {
    rft_context_destroy(context_);
    for (void* memory : device_) rft::device::release(memory);
  }
  rft_context* context() const { return context_; }

  template <class T>
  T* put(const std::vector<T>& values) {
    const size_t bytes = values.size() * sizeof(T);
    void* to = cuda_ ? rft::device::allocate(std::max<size_t>(bytes, 1)) : host_.emplace_back(bytes + 1).data();
    if (cuda_) device_.push_back(to);
    const rft::device::OnStream on(nullptr);
    if (cuda_) rft::device::to_device(to, values.data(), bytes);
    else std::memcpy(to, values.data(), bytes);
    return static_cast<T*>(to);
  }
  template <class T>
  std::vector<T> get(const T* from, size_t n) const {
    std::vector<T> out(n);
    const rft::device::OnStream on(nullptr);
    if (cuda_) rft::device::to_host(out.data(), from, n * sizeof(T));
    else std::memcpy(out.data(), from, n * sizeof(T));
    return out;
  }
  float* room(size_t n) { return put(Floats(n, std::nanf(""))); }

 private:
  rft_context* context_;
  bool cuda_ = false;
  std::list<std::vector<char>> host_;
  std::vector<void*> device_;
};

// Runs the call on both sides; it gives its outputs as floats, or throws.
void both(const std::string& name, const std::function<std::vector<Floats>(Side&)>& call, double tolerance = 1e-6) {
  std::string detail;
  try {
    Side cpu("cpu"), cuda("cuda");
    const auto wanted = call(cpu), got = call(cuda);
    for (size_t k = 0; k < wanted.size() && detail.empty(); ++k)
      for (size_t i = 0; i < wanted[k].size() && detail.empty(); ++i) {
        const double w = wanted[k][i], g = got[k][i];
        if (!(std::abs(g - w) <= tolerance * std::max(1.0, std::abs(w))))
          detail = concat("output ", k, " element ", i, " is ", g, ", on the CPU ", w);
      }
  } catch (const std::exception& e) {
    detail = e.what();
  }
  report(name, detail);
}

void ok(int status) {
  if (status != 0) throw std::runtime_error(rft_last_error());
}

const float kNan = std::nanf("");
constexpr int64_t kRows = 90;

// Interleaved groups of several sizes, rows without a reward, ties.
struct Rewards {
  Floats rewards = random_floats(kRows), baselines = random_floats(kRows);
  Ints groups, lengths;
  Rewards() {
    for (int32_t i = 0; i < int32_t(kRows); ++i) {
      groups.push_back(i < 40 ? 5 : (i * 7) % 11 - 3);
      lengths.push_back(1 + (i * 5) % 13);
      if (i % 4 == 1) rewards[size_t(i)] = 1;
      if (i % 9 == 0) rewards[size_t(i)] = kNan;
      if (i % 17 == 0) baselines[size_t(i)] = kNan;
    }
    for (int32_t& id : groups)
      if (id == 4) id = 90;  // one more
    groups[3] = 1000;        // alone
  }
};

void advantages(const std::string& in) {
  const Rewards r;
  for (int kind = RFT_ADVANTAGE_GROUP; kind <= RFT_ADVANTAGE_REMAX; ++kind)
    for (int scale = RFT_SCALE_GROUP; scale <= (kind == RFT_ADVANTAGE_GROUP ? RFT_SCALE_NONE : 0); ++scale)
      for (const int32_t biased : {0, 1})
        both(concat("group_advantage ", kind, " scale ", scale, biased ? " biased" : "", in), [&](Side& s) {
          const rft_reward_columns columns{kRows, s.put(r.rewards), s.put(r.groups), s.put(r.lengths),
                                           s.put(r.baselines)};
          const rft_advantage_rule rule{rft_advantage_kind(kind), rft_scale(scale), 1e-4, biased};
          float* out = s.room(kRows);
          ok(rft_group_advantage(s.context(), &columns, &rule, out));
          return std::vector<Floats>{s.get(out, kRows)};
        });
  Floats two = r.rewards;
  for (const float x : random_floats(kRows)) two.push_back(x);
  both("gdpo" + in, [&](Side& s) {
    const Floats weights{1, 0.5f};
    const rft_advantage_rule rule{RFT_ADVANTAGE_GROUP, RFT_SCALE_GROUP, 1e-4, 0};
    float* out = s.room(kRows);
    ok(rft_gdpo(s.context(), 2, kRows, s.put(two), weights.data(), s.put(r.groups), &rule, out));
    return std::vector<Floats>{s.get(out, kRows)};
  });
}

const Ints kSequences{0, 40, 40, 41, 90};

void columns(const std::string& in) {
  const Floats x = random_floats(9000), rewards = random_floats(kRows), values = random_floats(kRows);
  Ints counts;
  Bytes mask;
  for (size_t i = 0; i < x.size(); ++i) counts.push_back(int32_t(i % 4)), mask.push_back(i % 6 != 2);
  for (const int32_t keep : {0, 1})
    for (const bool counted : {false, true})
      both(concat("whiten", keep ? ", mean kept" : "", counted ? ", counted" : "", in), [&](Side& s) {
        float* out = s.room(x.size());
        ok(rft_whiten(s.context(), int64_t(x.size()), s.put(x), counted ? s.put(counts) : nullptr, keep, out));
        return std::vector<Floats>{s.get(out, x.size())};
      });
  both("gae" + in, [&](Side& s) {
    const rft_gae_columns columns{kRows, s.put(rewards), s.put(values), s.put(mask), s.put(kSequences), 4};
    float *advantages = s.room(kRows), *returns = s.room(kRows);
    ok(rft_gae(s.context(), &columns, 0.97, 0.9, advantages, returns));
    return std::vector<Floats>{s.get(advantages, kRows), s.get(returns, kRows)};
  });
  for (int mode = RFT_TOKEN_MEAN; mode <= RFT_FIXED_LENGTH; ++mode)
    both(concat("aggregation_weights ", mode, in), [&](Side& s) {
      const rft_aggregation_rule rule{rft_aggregation(mode), 0, 0, 500, 2, 3, 64};
      float* weights = s.room(kRows);
      ok(rft_aggregation_weights(s.context(), kRows, s.put(mask), s.put(kSequences), 4, &rule, weights));
      return std::vector<Floats>{s.get(weights, kRows)};
    });
}

rft_loss constants(int kind) {
  rft_loss loss{};
  loss.kind = rft_loss_kind(kind);
  if (kind <= RFT_LOSS_GSPO_TOKEN) loss.of.clip = {0.2, 0.28, 3, 1.5};
  if (kind == RFT_LOSS_CISPO) loss.of.bounds = {0, 1.2};
  if (kind == RFT_LOSS_SAPO) loss.of.sapo = {1, 1.05};
  if (kind == RFT_LOSS_GMPO) loss.of.bounds = {0.4, 0.4};
  if (kind == RFT_LOSS_VESPO) loss.of.vespo = {2, 3, 3, 2};
  if (kind == RFT_LOSS_KL_COV) loss.of.cov_coef = 0.3;
  return loss;
}

void losses(const std::string& in) {
  Floats logp = random_floats(kRows), old, ref, advantages = random_floats(kRows), weights(kRows, 0.02f);
  Bytes marks;
  for (size_t i = 0; i < size_t(kRows); ++i) {
    old.push_back(logp[i] + 0.3f * std::sin(float(i)));
    ref.push_back(logp[i] - 0.4f * std::cos(float(i)));
    marks.push_back(i % 5 != 0);
    if (i % 7 == 0) weights[i] = 0;
  }
  for (int kind = RFT_LOSS_CLIP; kind <= RFT_LOSS_KL_COV; ++kind)
    for (const bool more : {false, true})
      both(concat("policy_loss ", kind, more ? " with everything" : "", in), [&](Side& s) {
        rft_policy_columns c{};
        c.n = kRows, c.logp = s.put(logp), c.advantages = s.put(advantages), c.weights = s.put(weights);
        c.sequences = s.put(kSequences), c.sequence_count = 4;
        rft_policy_options o{};
        o.loss = constants(kind);
        if (more) {
          c.old_logp = s.put(old), c.ref_logp = s.put(ref), c.importance = s.put(Floats(kRows, 0.9f));
          c.sampled_logp = c.old_logp, c.keep = s.put(marks), c.selected = c.keep;
          o.kl_coef = 0.1, o.off_policy_mask = 1;
        }
        const rft_policy_result out{s.room(kRows), s.room(kRows), s.room(kRows), s.put(Bytes(kRows, 99))};
        ok(rft_policy_loss(s.context(), &c, &o, &out));
        const Bytes flags = s.get(out.clipped, kRows);
        return std::vector<Floats>{s.get(out.loss, kRows), s.get(out.dlogp, kRows), s.get(out.kl, kRows),
                                   Floats(flags.begin(), flags.end())};
      });
  for (int kind = RFT_KL_K3; kind <= RFT_KL_K3_K2; ++kind)
    both(concat("kl ", kind, in), [&](Side& s) {
      float *value = s.room(kRows), *slope = s.room(kRows);
      ok(rft_kl(s.context(), kRows, s.put(logp), s.put(ref), rft_kl_estimator(kind), value, slope));
      return std::vector<Floats>{s.get(value, kRows), s.get(slope, kRows)};
    });
  both("value_loss" + in, [&](Side& s) {
    const rft_value_columns c{kRows, s.put(logp), s.put(ref), s.put(weights), s.put(old)};
    const rft_value_result out{s.room(kRows), s.room(kRows), s.put(Bytes(kRows, 99))};
    ok(rft_value_loss(s.context(), &c, 0.2, &out));
    const Bytes flags = s.get(out.clipped, kRows);
    return std::vector<Floats>{s.get(out.loss, kRows), s.get(out.dvalue, kRows), Floats(flags.begin(), flags.end())};
  });
}

rft_tensor tensor(void* data, std::initializer_list<int64_t> shape, bool gradient = false) {
  rft_tensor t{data, RFT_F32, int32_t(shape.size()), {}, gradient};
  std::copy(shape.begin(), shape.end(), t.shape);
  return t;
}

// The kernels of rft.h: forward, a backward that adds, an optimizer's step.
void tensors(const std::string& in) {
  const Floats x = random_floats(6 * 32), w = random_floats(32), dy = random_floats(6 * 32);
  both(
      "rms_norm" + in,
      [&](Side& s) {
    float *y = s.room(x.size()), *dx = s.put(Floats(x.size(), 1.0f)), *dw = s.put(Floats(w.size(), 0.0f));
    rft_tensor tx = tensor(s.put(x), {6, 32}, true), tw = tensor(s.put(w), {32}, true), ty = tensor(y, {6, 32}),
               tdy = tensor(s.put(dy), {6, 32}), tdx = tensor(dx, {6, 32}), tdw = tensor(dw, {32});
    rft_call* call = nullptr;
    ok(rft_rms_norm(s.context(), &tx, &tw, 1e-6f, &ty, &call));
    const rft_tensor* outer[] = {&tdy};
    rft_tensor* inner[] = {&tdx, &tdw};
    ok(rft_backward(call, outer, inner));
    rft_call_destroy(call);
    return std::vector<Floats>{s.get(y, x.size()), s.get(dx, x.size()), s.get(dw, w.size())};
      },
      1e-5);
  const Ints targets{3, 0, 6, 1, 2, 5};
  both(
      "token_logp" + in,
      [&](Side& s) {
    const Floats head(w.begin(), w.end());
    Floats rows;
    for (int i = 0; i < 7; ++i) rows.insert(rows.end(), head.begin() + i, head.begin() + i + 16);
    float *logp = s.room(6), *entropy = s.room(6), *dx = s.put(Floats(96, 0.0f));
    rft_tensor tx = tensor(s.put(Floats(x.begin(), x.begin() + 96)), {6, 16}, true), tw = tensor(s.put(rows), {7, 16}),
               tl = tensor(logp, {6}), te = tensor(entropy, {6}), tdl = tensor(s.put(Floats(6, 0.5f)), {6}),
               tdx = tensor(dx, {6, 16});
    rft_tensor ids{s.put(targets), RFT_I32, 1, {6}, 0};
    rft_call* call = nullptr;
    ok(rft_token_logp(s.context(), &tx, &tw, &ids, 0.8f, &tl, &te, &call));
    const rft_tensor* outer[] = {&tdl, nullptr};
    rft_tensor* inner[] = {&tdx, nullptr, nullptr};
    ok(rft_backward(call, outer, inner));
    rft_call_destroy(call);
    return std::vector<Floats>{s.get(logp, 6), s.get(entropy, 6), s.get(dx, 96)};
      },
      1e-5);
  both("adamw" + in, [&](Side& s) {
    float *p = s.put(w), *m = s.put(Floats(32, 0.1f)), *v = s.put(Floats(32, 0.2f));
    rft_tensor tp = tensor(p, {32}), tg = tensor(s.put(Floats(x.begin(), x.begin() + 32)), {32}), tm = tensor(m, {32}),
               tv = tensor(v, {32});
    ok(rft_adamw(s.context(), &tp, &tg, &tm, &tv, 3, 0.01, 0.9, 0.99, 1e-8, 0.1, 0.5f));
    return std::vector<Floats>{s.get(p, 32), s.get(m, 32), s.get(v, 32)};
  });
}

// Work is queued on the stream that the context was made with, and nowhere else.
void streams() {
  const auto engine = rft::device::stream();
  int mark = 0;
  {
    const rft::device::OnStream on(reinterpret_cast<rft::device::Stream>(&mark));
    const bool own = rft::device::stream() == reinterpret_cast<rft::device::Stream>(&mark);
    report("a thread's stream is the one given", own ? "" : "another");
  }
  report("and afterwards the engine's", rft::device::stream() == engine ? "" : "another");
}

}  // namespace

int main() {
  for (const auto& schedule : rft::test::kSchedules) {
    rft::test::use(schedule);
    const std::string in = concat(", ", schedule.name);
    advantages(in);
    columns(in);
    losses(in);
    tensors(in);
  }
  streams();
  return rft::test::failures ? 1 : 0;
}
