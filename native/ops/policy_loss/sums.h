// What metrics need of a policy loss: sums over each completion, in double, so that no column leaves the device.
#pragma once
#include <cstdint>

#include "ops/policy_loss/formula.h"

namespace rft::ops {

// (N) each. Flag: uint8_t on the CPU, int32_t on CUDA.
template <class Flag>
struct SummedColumns {
  const float *loss, *kl;  // what policy_loss gave
  const Flag* clipped;
  const float* weights;
  const uint8_t* keep;           // nullptr = all
  const float* entropy_weights;  // nullptr = none
  const float *entropy, *logp;   // of the forward pass
  const float* old_logp;         // nullptr: on-policy
  const float* sampled_logp;     // nullptr: no difference is reported
  const int32_t* sequences;      // (sequence_count + 1) offsets of the completions
  int64_t sequence_count;
};

struct PolicyLossSums {
  double loss;            // weight x loss
  double bonus;           // entropy weight x entropy
  double kl;              // the estimate against the reference
  double entropy;         // of rows that have a policy loss
  double difference;      // |logp - sampled|
  double difference_max;  // NaN when one of them is
  double log_ratio;       // clamp(logp - old, -20, 20) of rows of weight != 0
  int32_t entropy_rows;
  int32_t low, high;  // rows clipped at that bound

  template <class Flag>
  RFT_HOST_DEVICE void add(const SummedColumns<Flag>& in, int64_t i) {
    loss += double(in.weights[i]) * double(in.loss[i]);
    if (in.entropy_weights != nullptr) bonus += double(in.entropy_weights[i]) * double(in.entropy[i]);
    kl += double(in.kl[i]);
    if (in.weights[i] > 0.0f && (in.keep == nullptr || in.keep[i] != 0)) {
      entropy += double(in.entropy[i]);
      ++entropy_rows;
    }
    if (in.sampled_logp != nullptr) {
      const double signed_difference = double(in.logp[i]) - double(in.sampled_logp[i]);
      const double size = signed_difference < 0.0 ? -signed_difference : signed_difference;
      difference += size;
      difference_max = larger(difference_max, size);
    }
    if (in.old_logp != nullptr && in.weights[i] != 0.0f)
      log_ratio += clamp(double(in.logp[i]) - double(in.old_logp[i]), -kMaxLogRatio, kMaxLogRatio);
    low += in.clipped[i] == 1;
    high += in.clipped[i] == 2;
  }
  RFT_HOST_DEVICE void add(const PolicyLossSums& other) {
    loss += other.loss;
    bonus += other.bonus;
    kl += other.kl;
    entropy += other.entropy;
    difference += other.difference;
    difference_max = larger(difference_max, other.difference_max);
    log_ratio += other.log_ratio;
    entropy_rows += other.entropy_rows;
    low += other.low;
    high += other.high;
  }
  // NaN if either is.
  RFT_HOST_DEVICE static double larger(double a, double b) { return b > a || b != b ? b : a; }
};

// sums (sequence_count): one entry a completion, its rows in order.
void policy_loss_sums(const SummedColumns<uint8_t>& in, PolicyLossSums* sums);

}  // namespace rft::ops
