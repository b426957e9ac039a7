#include "engine/loss.h"

#include "ops/policy_loss/launch.h"
#include "ops/value_loss/launch.h"
#include "tensor/dispatch.h"
#include "tensor/packed_columns.h"
#include "tensor/values.h"

namespace rft {
namespace {

template <class T>
void expect_length(const std::vector<T>& column, int64_t n, bool required, const char* where) {
  if (column.empty() && !required) return;
  expect(int64_t(column.size()) == n, where, concat(n, " values in every column"), column.size());
}

template <class T>
const T* on_host(const std::vector<T>& column) {
  return column.empty() ? nullptr : column.data();
}

// column: a vector's memory, on the host or on the device.
template <class Column>
ops::PolicyLossColumns columns_of(const PolicyLossInput& in, const std::vector<int32_t>& sequences, const float* logp,
                                  const Column& column) {
  return {.logp = logp,
          .advantages = column(in.advantages),
          .weights = column(in.weights),
          .old_logp = column(in.old_logp),
          .ref_logp = column(in.ref_logp),
          .kl_coef = column(in.kl_coef),
          .importance = column(in.importance),
          .sampled_logp = column(in.sampled_logp),
          .keep = column(in.keep),
          .selected = column(in.selected),
          .sequences = column(sequences),
          .sequence_count = int64_t(sequences.size()) - 1};
}

void check(const PolicyLossInput& in, int64_t n) {
  for (const auto* column : {&in.advantages, &in.weights}) expect_length(*column, n, true, "policy_loss");
  for (const auto* column :
       {&in.old_logp, &in.ref_logp, &in.kl_coef, &in.importance, &in.sampled_logp, &in.entropy_weights})
    expect_length(*column, n, false, "policy_loss");
  for (const auto* column : {&in.keep, &in.selected}) expect_length(*column, n, false, "policy_loss");
  const auto columns = columns_of(in, in.sequences, nullptr, [](const auto& column) { return on_host(column); });
  ops::check_policy_loss(n, columns, in.params);
}

// A tensor's F32 memory, wherever it is; nullptr on META.
float* floats(const Tensor& t) { return static_cast<float*>(t.raw()); }

// x itself, or its numbers in F32.
Tensor in_f32(const Ctx& ctx, const Tensor& x) {
  if (x.dtype() == Dtype::F32) return x;
  const Tensor out = ctx.empty(x.shape());
  copy_values(x, out);
  return out;
}

// The sums of some rows, which are read when the device gets there.
template <class Sums>
struct Pending {
  Tensor memory;
  int64_t count = 0;

  Pending() = default;
  Pending(const Ctx& ctx, int64_t n) : memory(ctx.workspace({n * int64_t(sizeof(Sums))}, Dtype::U8)), count(n) {}
  Sums* data() const { return static_cast<Sums*>(memory.raw()); }
  std::vector<Sums> read() const {
    std::vector<Sums> out(static_cast<size_t>(count));
    download(memory, out.data());
    return out;
  }
};
using PolicySums = Pending<ops::PolicyLossSums>;
using ValueSums = Pending<ops::ValueLossSums>;

PolicySums policy_gradient(const Ctx& ctx, const PendingBackward& pass, const PolicyLossInput& in,
                           GradientTensors& seeds) {
  const int64_t n = pass.logp.count();
  check(in, n);
  const std::vector<int32_t> sequences = in.sequences.empty() ? std::vector{0, int32_t(n)} : in.sequences;
  const PackedColumns packed(ctx, in.advantages, in.weights, in.old_logp, in.ref_logp, in.kl_coef, in.importance,
                             in.sampled_logp, in.keep, in.selected, sequences);
  seeds.dlogp = ctx.empty({n});
  if (!in.entropy_weights.empty()) seeds.dentropy = ctx.from(in.entropy_weights.data(), {n});
  const float* entropy_weights = seeds.dentropy ? floats(seeds.dentropy) : nullptr;
  const Tensor loss = ctx.workspace({n}), kl = ctx.workspace({n}), clipped = ctx.workspace({n}, Dtype::I32);
  const Tensor kl_terms = ctx.workspace({in.ref_logp.empty() ? 0 : n * 2 * int64_t(sizeof(double))}, Dtype::U8);
  const PolicySums sums(ctx, int64_t(sequences.size()) - 1);
  const auto columns =
      columns_of(in, sequences, floats(pass.logp), [&](const auto& column) { return packed.at(column); });
  const auto summed = [&]<class Flag>(const Flag* flags) {
    return ops::SummedColumns<Flag>{.loss = floats(loss),
                                    .kl = floats(kl),
                                    .clipped = flags,
                                    .weights = columns.weights,
                                    .keep = columns.keep,
                                    .entropy_weights = entropy_weights,
                                    .entropy = floats(pass.entropy),
                                    .logp = columns.logp,
                                    .old_logp = columns.old_logp,
                                    .sampled_logp = columns.sampled_logp,
                                    .sequences = columns.sequences,
                                    .sequence_count = columns.sequence_count};
  };
  if (ctx.meta()) return sums;
  if (ctx.cuda()) {
    cuda::on_stream(ctx, [&](auto stream) {
      const cuda::PolicyLoss call{.n = n,
                                  .in = columns,
                                  .kl_terms = static_cast<double*>(kl_terms.raw()),
                                  .loss = floats(loss),
                                  .dlogp = floats(seeds.dlogp),
                                  .kl = floats(kl),
                                  .clipped = clipped.as<int32_t>()};
      cuda::policy_loss(call, in.params, stream);
      cuda::policy_loss_sums(summed(call.clipped), sums.data(), stream);
    });
  } else {
    auto* flags = static_cast<uint8_t*>(clipped.raw());  // bytes here, words on the device
    ops::policy_loss(n, columns, in.params, {floats(loss), floats(seeds.dlogp), floats(kl), flags});
    ops::policy_loss_sums(summed(flags), sums.data());
  }
  return sums;
}

ValueSums value_gradient(const Ctx& ctx, const PendingBackward& pass, const ValueLossInput& in,
                         GradientTensors& seeds) {
  const int64_t n = pass.values.count();
  for (const auto* column : {&in.returns, &in.weights}) expect_length(*column, n, true, "value_loss");
  expect_length(in.old_values, n, false, "value_loss");
  const PackedColumns packed(ctx, in.returns, in.old_values, in.weights);
  const Tensor values = in_f32(ctx, pass.values);
  seeds.dvalues = ctx.empty(pass.values.shape());
  const Tensor loss = ctx.workspace({n}), clipped = ctx.workspace({n}, Dtype::I32);
  const ValueSums sums(ctx, ops::value_tiles(n));
  const ops::ValueLossColumns columns{floats(values), packed.at(in.returns), packed.at(in.old_values),
                                      packed.at(in.weights)};
  if (ctx.meta()) return sums;
  if (ctx.cuda()) {
    cuda::on_stream(ctx, [&](auto stream) {
      const cuda::ValueLossResult out{floats(loss), floats(seeds.dvalues), clipped.as<int32_t>()};
      cuda::value_loss(n, columns, in.clip, out, stream);
      cuda::value_loss_sums(n, columns.weights, out, sums.data(), stream);
    });
  } else {
    const ops::ValueLossResult out{floats(loss), floats(seeds.dvalues), static_cast<uint8_t*>(clipped.raw())};
    ops::value_loss(n, columns, in.clip, out);
    ops::value_loss_sums(n, columns.weights, out, sums.data());
  }
  return sums;
}

PolicyLossReport report(const std::vector<ops::PolicyLossSums>& completions) {
  PolicyLossReport out;
  for (const ops::PolicyLossSums& own : completions) {
    out.total.add(own);
    out.log_ratio.push_back(float(own.log_ratio));
    out.low.push_back(own.low);
    out.high.push_back(own.high);
  }
  return out;
}

}  // namespace

LossOutput forward_backward(Model& model, Ctx ctx, const Pack& pack, const HeadRows& head, bool recompute_blocks,
                            const LossInput& loss) {
  const Heads heads{.logp = !loss.value || loss.policy, .values = loss.value.has_value()};
  PendingBackward pass = record(model, ctx, pack, head, recompute_blocks, heads);
  GradientTensors seeds;
  PolicySums policy;
  ValueSums value;
  if (loss.policy) policy = policy_gradient(ctx, pass, *loss.policy, seeds);
  if (loss.value) value = value_gradient(ctx, pass, *loss.value, seeds);
  const bool own = !loss.policy && !loss.value;
  if (own) seeds = to_tensors(ctx, pass, loss.gradients);
  backward(ctx, pass, seeds);
  LossOutput out;
  if (own) out.score = output_of(pass);
  if (loss.policy) out.policy = report(policy.read());
  if (loss.value) {
    out.value.emplace();
    for (const ops::ValueLossSums& tile : value.read()) out.value->add(tile);
  }
  return out;
}

}  // namespace rft
