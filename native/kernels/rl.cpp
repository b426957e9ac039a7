#include "kernels/rl.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "ops/gae/launch.h"
#include "ops/group_advantage/launch.h"
#include "ops/policy_loss/launch.h"
#include "ops/sequences.h"
#include "ops/value_loss/launch.h"
#include "ops/whiten/launch.h"
#include "tensor/dispatch.h"
#include "tensor/launch.h"
#include "tensor/packed_columns.h"

namespace rft::kernels {
namespace {

// Workspace of the device for `count` elements of T.
template <class T>
struct Scratch {
  Tensor memory;
  Scratch(const Ctx& ctx, int64_t count) : memory(ctx.workspace({count * int64_t(sizeof(T))}, Dtype::U8)) {}
  T* get() const { return static_cast<T*>(memory.raw()); }
};

// Rows by group, on the host: in `members`, those of group g from begins[g] to begins[g + 1].
struct Groups {
  std::vector<int32_t> members, begins;
};

Groups by_id(const std::vector<int32_t>& ids) {
  Groups out;
  out.members.resize(ids.size());
  std::iota(out.members.begin(), out.members.end(), 0);
  if (!std::is_sorted(ids.begin(), ids.end()))
    std::stable_sort(out.members.begin(), out.members.end(),
                     [&](int32_t a, int32_t b) { return ids[size_t(a)] < ids[size_t(b)]; });
  const auto id = [&](size_t i) { return ids[size_t(out.members[i])]; };
  for (size_t i = 0; i < ids.size(); ++i)
    if (i == 0 || id(i) != id(i - 1)) out.begins.push_back(int32_t(i));
  out.begins.push_back(int32_t(ids.size()));
  return out;
}

// Calls body(call, stream) with the groups of device rows on the device.
template <class Body>
void with_groups(const Ctx& ctx, int64_t rows, const ops::RewardColumns& in, float* advantages, const Body& body) {
  if (rows == 0) return;
  std::vector<int32_t> ids(static_cast<size_t>(rows));
  device::to_host(ids.data(), in.groups, ids.size() * sizeof(int32_t));
  const Groups groups = by_id(ids);
  const PackedColumns columns(ctx, groups.members, groups.begins);
  const Scratch<cuda::BatchMoments> batch(ctx, 1);
  cuda::on_stream(ctx, [&](auto stream) {
    body(cuda::GroupAdvantage{.rows = rows,
                              .in = in,
                              .members = columns.at(groups.members),
                              .begins = columns.at(groups.begins),
                              .groups = int64_t(groups.begins.size()) - 1,
                              .batch = batch.get(),
                              .advantages = advantages},
         stream);
  });
}

}  // namespace

void group_advantage(const Ctx& ctx, int64_t rows, const ops::RewardColumns& in, const ops::AdvantageRule& rule,
                     int ddof, float* advantages) {
  if (!ctx.cuda()) return ops::group_advantage(rows, in, rule, ddof, advantages);
  with_groups(ctx, rows, in, advantages,
              [&](const auto& call, auto stream) { cuda::group_advantage(call, rule, ddof, stream); });
}

void gdpo(const Ctx& ctx, int64_t K, int64_t rows, const float* rewards, const float* weights, const int32_t* groups,
          const ops::Normalised& rule, int ddof, float* advantages) {
  if (!ctx.cuda()) return ops::gdpo(K, rows, rewards, weights, groups, rule, ddof, advantages);
  const Tensor on_device = ctx.from(weights, {K});
  const Scratch<float> parts(ctx, K * rows);
  with_groups(ctx, rows, {rewards, groups, nullptr, nullptr}, advantages, [&](const auto& call, auto stream) {
    cuda::gdpo({K, rewards, static_cast<const float*>(on_device.raw()), parts.get()}, call, rule, ddof, stream);
  });
}

void gae(const Ctx& ctx, int64_t n, const ops::GaeColumns& in, double gamma, double lambda, float* advantages,
         float* returns) {
  if (ctx.cuda())
    return cuda::on_stream(ctx, [&](auto stream) { cuda::gae(in, gamma, lambda, advantages, returns, stream); });
  ops::check_sequences("gae sequences", in.sequences, in.sequence_count, n);
  ops::gae(in, gamma, lambda, advantages, returns);
}

void whiten(const Ctx& ctx, int64_t n, const float* x, const int32_t* counts, bool shift_mean, float* out) {
  if (!ctx.cuda()) return ops::whiten(n, x, counts, shift_mean, out);
  const Scratch<double> partial(ctx, 2 * cuda::whiten_tiles(n) + 3);
  cuda::on_stream(ctx, [&](auto stream) { cuda::whiten(n, x, counts, shift_mean, partial.get(), out, stream); });
}

void aggregation_weights(const Ctx& ctx, int64_t n, const ops::AggregationColumns& in, const ops::AggregationRule& rule,
                         float* weights) {
  if (!ctx.cuda()) {
    ops::check_sequences("aggregation_weights sequences", in.sequences, in.sequence_count, n);
    return ops::aggregation_weights(in, rule, weights);
  }
  const Scratch<double> lengths(ctx, in.sequence_count + 1);
  cuda::on_stream(ctx, [&](auto stream) { cuda::aggregation_weights(in, rule, lengths.get(), weights, stream); });
}

void policy_loss(const Ctx& ctx, int64_t n, const ops::PolicyLossColumns& in, const ops::PolicyLossParams& params,
                 const ops::PolicyLossResult& out) {
  if (!ctx.cuda()) return ops::policy_loss(n, in, params, out);
  ops::check_presence(in, params);
  const Scratch<double> kl_terms(ctx, in.ref_logp ? 2 * n : 0);
  const Scratch<int32_t> clipped(ctx, n);
  cuda::on_stream(ctx, [&](auto stream) {
    cuda::policy_loss({.n = n,
                       .in = in,
                       .kl_terms = kl_terms.get(),
                       .loss = out.loss,
                       .dlogp = out.dlogp,
                       .kl = out.kl,
                       .clipped = clipped.get()},
                      params, stream);
    cuda::to_bytes(clipped.get(), n, out.clipped, stream);
  });
}

void kl(const Ctx& ctx, int64_t n, const float* logp, const float* ref_logp, const ops::KlEstimator& estimator,
        float* value, float* slope) {
  if (!ctx.cuda()) return ops::kl(n, logp, ref_logp, estimator, value, slope);
  cuda::on_stream(ctx, [&](auto stream) { cuda::kl(n, logp, ref_logp, estimator, value, slope, stream); });
}

void value_loss(const Ctx& ctx, int64_t n, const ops::ValueLossColumns& in, double clip,
                const ops::ValueLossResult& out) {
  if (!ctx.cuda()) return ops::value_loss(n, in, clip, out);
  const Scratch<int32_t> clipped(ctx, n);
  cuda::on_stream(ctx, [&](auto stream) {
    cuda::value_loss(n, in, clip, {out.loss, out.dvalue, clipped.get()}, stream);
    cuda::to_bytes(clipped.get(), n, out.clipped, stream);
  });
}

}  // namespace rft::kernels
