// policy_loss and its sums on CUDA. Maths: policy_loss.cpp; the formulas are the CPU's text.
#pragma once
#include "ops/policy_loss/aggregation.h"
#include "ops/policy_loss/policy_loss.h"
#include "ops/policy_loss/sums.h"
#include "simt/handles.h"

namespace rft::cuda {

// Columns and results are on the device; nothing of them is checked here (see ops::check_policy_loss).
struct PolicyLoss {
  int64_t n;
  ops::PolicyLossColumns in;
  double* kl_terms;  // workspace (n, 2) beside ref_logp
  float *loss, *dlogp, *kl;
  int32_t* clipped;
};
void policy_loss(const PolicyLoss& call, const ops::PolicyLossParams& params, simt::Stream);

void kl(int64_t n, const float* logp, const float* ref_logp, const ops::KlEstimator& estimator, float* value,
        float* slope, simt::Stream);

// lengths: workspace (sequence_count + 1).
void aggregation_weights(const ops::AggregationColumns& in, const ops::AggregationRule& rule, double* lengths,
                         float* weights, simt::Stream);

// sums (sequence_count): one entry a completion.
void policy_loss_sums(const ops::SummedColumns<int32_t>& in, ops::PolicyLossSums* sums, simt::Stream);

}  // namespace rft::cuda
