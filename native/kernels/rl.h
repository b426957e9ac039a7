// The kernels of reinforcement learning on raw columns, which are on the device of `ctx`: what the C interface and
// rft/kernels call. See the ops for shapes and mathematics.
//
// Offsets of completions are checked on the CPU; on CUDA they are trusted, since reading them would wait for the
// stream.
#pragma once
#include "ops/gae/gae.h"
#include "ops/group_advantage/group_advantage.h"
#include "ops/policy_loss/aggregation.h"
#include "ops/policy_loss/policy_loss.h"
#include "ops/value_loss/value_loss.h"
#include "ops/whiten/whiten.h"
#include "tensor/ctx.h"

namespace rft::kernels {

// On CUDA the group ids are sorted by the host, so the call waits for the stream.
void group_advantage(const Ctx& ctx, int64_t rows, const ops::RewardColumns& in, const ops::AdvantageRule& rule,
                     int ddof, float* advantages);
// weights (K) are on the host. As above.
void gdpo(const Ctx& ctx, int64_t K, int64_t rows, const float* rewards, const float* weights, const int32_t* groups,
          const ops::Normalised& rule, int ddof, float* advantages);
void gae(const Ctx& ctx, int64_t n, const ops::GaeColumns& in, double gamma, double lambda, float* advantages,
         float* returns);
void whiten(const Ctx& ctx, int64_t n, const float* x, const int32_t* counts, bool shift_mean, float* out);
void aggregation_weights(const Ctx& ctx, int64_t n, const ops::AggregationColumns& in, const ops::AggregationRule& rule,
                         float* weights);
void policy_loss(const Ctx& ctx, int64_t n, const ops::PolicyLossColumns& in, const ops::PolicyLossParams& params,
                 const ops::PolicyLossResult& out);
void kl(const Ctx& ctx, int64_t n, const float* logp, const float* ref_logp, const ops::KlEstimator& estimator,
        float* value, float* slope);
void value_loss(const Ctx& ctx, int64_t n, const ops::ValueLossColumns& in, double clip,
                const ops::ValueLossResult& out);

}  // namespace rft::kernels
