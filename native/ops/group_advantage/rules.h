// How rewards of one group become advantages: one struct per rule, mathematics only (see group_advantage.cpp for what
// is around them). A group is its valued rows; `row` is a row's place among them.
//
//   Normalised   (r - mean) / (std + eps)     GRPO; Dr.GRPO with none; Lite-PPO with batch
//   LeaveOneOut  r - mean of the others       RLOO; a single row keeps its reward
//   LengthMean   r - sum T r / sum T          OPO
//   Gpg          alpha (r - mean)             GPG; alpha = rows / rows with a reward, over the batch
//   PassAtK      the best row gets (best - second) / (std + eps), all others 0
//   Baseline     r - baseline                 ReMax
#pragma once
#include "base/host_device.h"

namespace rft::ops {

enum class AdvantageScale { Group, Batch, None };

// Moments of a group, and of the batch it belongs to.
struct GroupStats {
  double count, mean, std;
  double length_mean;   // sum T r / sum T
  double best, second;  // largest rewards; second = best in a tie
  double batch_std;
  double batch_alpha;  // rows / rows whose reward is not 0
};

struct RowValue {
  double reward;
  double baseline;
  bool is_best;  // the first row with the group's largest reward
};

struct Normalised {
  AdvantageScale scale;
  double eps;
  RFT_HOST_DEVICE double operator()(const RowValue& row, const GroupStats& g) const {
    const double above = row.reward - g.mean;
    if (above == 0.0 || scale == AdvantageScale::None) return above;
    return above / ((scale == AdvantageScale::Group ? g.std : g.batch_std) + eps);
  }
};

struct LeaveOneOut {
  RFT_HOST_DEVICE double operator()(const RowValue& row, const GroupStats& g) const {
    return g.count > 1 ? (row.reward - g.mean) * (g.count / (g.count - 1)) : row.reward;
  }
};

struct LengthMean {
  RFT_HOST_DEVICE double operator()(const RowValue& row, const GroupStats& g) const {
    return row.reward - g.length_mean;
  }
};

struct Gpg {
  RFT_HOST_DEVICE double operator()(const RowValue& row, const GroupStats& g) const {
    return g.batch_alpha * (row.reward - g.mean);
  }
};

struct PassAtK {
  double eps;
  RFT_HOST_DEVICE double operator()(const RowValue& row, const GroupStats& g) const {
    return row.is_best && g.count > 1 && g.best != g.second ? (g.best - g.second) / (g.std + eps) : 0.0;
  }
};

struct Baseline {
  RFT_HOST_DEVICE double operator()(const RowValue& row, const GroupStats&) const { return row.reward - row.baseline; }
};

}  // namespace rft::ops
