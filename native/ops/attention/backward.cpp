// Gradients of attention. With p = e^(s - lse), delta = sum_d dO_d O_d and dS = p * (dO V^T - delta):
//   dV = p^T dO    dK = dS^T (scale q)    dQ = scale * dS K
// p is computed again tile by tile. A key row's gradient is one chain over the queries that see it, in segment order;
// a query row's is one chain over its keys in logical order. Whichever way the work is cut, those chains are the same.
#include <algorithm>
#include <atomic>

#include "ops/attention/panels.h"
#include "ops/attention/passes.h"
#include "ops/lanes.h"
#include "simd/gemm.h"
#include "simd/vmath.h"

namespace rft::ops::attention_detail {
namespace {

using simd::Trans;

std::atomic<BackwardCut> forced_cut{BackwardCut::Auto};

struct Backward {
  const Plan& plan;
  const Panels& panels;
  const float *q, *dout, *lse, *delta;  // delta (H, T)
  float *dq, *dk, *dv;                  // nullptr: not wanted

  int64_t columns_at_most() const;
  int64_t scratch_size() const;
};

// One query tile of one kv head, loaded for use against many key blocks.
class LoadedTile {
 public:
  LoadedTile(const Backward& pass, float* scratch);
  void load(const QueryTile& tile, int kv_head);
  // Adds block's share to dk, dv and to the tile's dQ. `column`: logical position of the block's first key.
  void visit(int block, int64_t column, bool keys, bool queries);
  void store_dq() const;
  int64_t visible_keys() const { return segment_->visible(tile_.first + tile_.rows - 1); }

 private:
  int64_t visible(int64_t r) const { return segment_->visible(tile_.first + r / pass_.plan.group()); }
  int64_t element(int64_t i) const {
    return ((segment_->q_begin + tile_.first + i) * pass_.plan.heads + kv_head_ * pass_.plan.group()) *
           pass_.plan.head_dim;
  }
  void probabilities(int block, int64_t column, int64_t n);
  void score_gradients(int block, int64_t column, int64_t n);

  const Backward& pass_;
  const SegmentPlan* segment_ = nullptr;
  QueryTile tile_{};
  int kv_head_ = 0;
  int64_t rows_ = 0, stride_;
  float *scaled_, *packed_scaled_;  // (rows, D): scale * q
  float *dout_, *packed_dout_;      // (rows, D)
  float *p_, *ds_;                  // (rows, stride)
  float *dq_, *lse_, *delta_;       // (rows, D), (rows), (rows)
};

int64_t Backward::columns_at_most() const {
  int64_t most = 0;
  for (auto& b : plan.blocks) most = std::max(most, b.len);
  return round_up(most, 16);
}

int64_t Backward::scratch_size() const {
  const int64_t rows = plan.tile_rows(), D = plan.head_dim;
  return 3 * round_up(rows * D, 16) + 2 * round_up(simd::packed_size(D, rows), 16) + 2 * rows * columns_at_most() +
         2 * round_up(rows, 16);
}

LoadedTile::LoadedTile(const Backward& pass, float* scratch) : pass_(pass), stride_(pass.columns_at_most()) {
  const int64_t rows = pass.plan.tile_rows(), D = pass.plan.head_dim;
  auto take = [&](int64_t floats) {
    float* block = scratch;
    scratch += round_up(floats, 16);
    return block;
  };
  scaled_ = take(rows * D);
  dout_ = take(rows * D);
  dq_ = take(rows * D);
  packed_scaled_ = take(simd::packed_size(D, rows));
  packed_dout_ = take(simd::packed_size(D, rows));
  p_ = take(rows * stride_);
  ds_ = take(rows * stride_);
  lse_ = take(rows);
  delta_ = take(rows);
}

void LoadedTile::load(const QueryTile& tile, int kv_head) {
  const Plan& plan = pass_.plan;
  const int64_t D = plan.head_dim, group = plan.group();
  tile_ = tile;
  kv_head_ = kv_head;
  segment_ = &plan.segments[size_t(tile.segment)];
  rows_ = tile.rows * group;
  for (int64_t i = 0; i < tile.rows; ++i) {
    simd::scale(plan.scale, pass_.q + element(i), scaled_ + i * group * D, group * D);
    std::copy_n(pass_.dout + element(i), group * D, dout_ + i * group * D);
  }
  for (int64_t r = 0; r < rows_; ++r) {
    const int64_t head = kv_head * group + r % group;
    const int64_t at = head * plan.query_rows + segment_->q_begin + tile.first + r / group;
    lse_[r] = pass_.lse[at];
    delta_[r] = pass_.delta[at];
  }
  if (pass_.dk) simd::pack_b_serial(Trans::No, D, rows_, scaled_, D, packed_scaled_);
  if (pass_.dv) simd::pack_b_serial(Trans::No, D, rows_, dout_, D, packed_dout_);
  std::fill_n(dq_, rows_ * D, 0.0f);
}

void LoadedTile::probabilities(int block, int64_t column, int64_t n) {
  const int64_t D = pass_.plan.head_dim;
  simd::gemm_packed_serial(Trans::No, rows_, n, D, scaled_, D, pass_.panels.k_transposed(kv_head_, block), 0.0f, p_,
                           stride_);
  for (int64_t r = 0; r < rows_; ++r) {
    float* row = p_ + r * stride_;
    const int64_t seen = std::clamp<int64_t>(visible(r) - column, 0, n);
    if (seen) simd::exp_sum(row, lse_[r], row, seen);
    std::fill(row + seen, row + n, 0.0f);
  }
}

void LoadedTile::score_gradients(int block, int64_t column, int64_t n) {
  const int64_t D = pass_.plan.head_dim;
  for (int64_t r = 0; r < rows_; ++r) std::fill_n(ds_ + r * stride_, n, -delta_[r]);
  simd::gemm_packed_serial(Trans::No, rows_, n, D, dout_, D, pass_.panels.v_transposed(kv_head_, block), 1.0f, ds_,
                           stride_);
  for (int64_t r = 0; r < rows_; ++r) {
    float* row = ds_ + r * stride_;
    const int64_t seen = std::clamp<int64_t>(visible(r) - column, 0, n);
    simd::mul(p_ + r * stride_, row, row, seen);
    std::fill(row + seen, row + n, 0.0f);
  }
}

void LoadedTile::visit(int block, int64_t column, bool keys, bool queries) {
  const Plan& plan = pass_.plan;
  const KeyBlock& b = plan.blocks[size_t(block)];
  const int64_t D = plan.head_dim, stride = plan.kv_heads * D;
  const int64_t n = std::min(b.len, visible_keys() - column);
  if (n <= 0) return;
  const int64_t at = b.begin * stride + kv_head_ * D;
  probabilities(block, column, n);
  if (keys && pass_.dv)
    simd::gemm_packed_serial(Trans::Yes, n, D, rows_, p_, stride_, packed_dout_, 1.0f, pass_.dv + at, stride);
  if (!(keys && pass_.dk) && !(queries && pass_.dq)) return;
  score_gradients(block, column, n);
  if (keys && pass_.dk)
    simd::gemm_packed_serial(Trans::Yes, n, D, rows_, ds_, stride_, packed_scaled_, 1.0f, pass_.dk + at, stride);
  if (queries && pass_.dq)
    product_with_prefix(rows_, D, n, b.len, ds_, stride_, pass_.panels.k(kv_head_, block), 1.0f, dq_, D);
}

void LoadedTile::store_dq() const {
  const int64_t D = pass_.plan.head_dim, group = pass_.plan.group();
  for (int64_t i = 0; i < tile_.rows; ++i)
    simd::scale(pass_.plan.scale, dq_ + i * group * D, pass_.dq + element(i), group * D);
}

// One task per (component, kv head): every pair of tile and block is visited once, for all three gradients.
void by_components(Ctx& ctx, const Backward& pass) {
  const Plan& plan = pass.plan;
  const int64_t tasks = int64_t(plan.components.size()) * plan.kv_heads;
  for_each_with_scratch(ctx, tasks, pass.scratch_size(), [&](int64_t task, float* scratch) {
    LoadedTile loaded(pass, scratch);
    for (int t : plan.components[size_t(task / plan.kv_heads)]) {
      const QueryTile& tile = plan.tiles[size_t(t)];
      loaded.load(tile, int(task % plan.kv_heads));
      int64_t column = 0;
      for (int b : plan.segments[size_t(tile.segment)].blocks) {
        loaded.visit(b, column, true, true);
        column += plan.blocks[size_t(b)].len;
      }
      if (pass.dq) loaded.store_dq();
    }
  });
}

// One task per (key block, kv head) for dk and dv, then one per (query tile, kv head) for dq: 7 products in place of 5,
// for when there are too few components to keep all threads busy.
void by_key_blocks(Ctx& ctx, const Backward& pass, bool keys, bool queries) {
  const Plan& plan = pass.plan;
  const int64_t heads = plan.kv_heads, block_tasks = int64_t(plan.blocks.size()) * heads;
  if (keys) {
    for_each_with_scratch(ctx, block_tasks, pass.scratch_size(), [&](int64_t task, float* scratch) {
      LoadedTile loaded(pass, scratch);
      const int block = int(task / heads);
      for (const QueryTile& tile : plan.tiles) {
        int64_t column = 0;
        for (int b : plan.segments[size_t(tile.segment)].blocks) {
          if (b == block) {
            loaded.load(tile, int(task % heads));
            loaded.visit(b, column, true, false);
          }
          column += plan.blocks[size_t(b)].len;
        }
      }
    });
  }
  if (!queries) return;
  const int64_t tiles = int64_t(plan.tiles.size());
  for_each_with_scratch(ctx, tiles * heads, pass.scratch_size(), [&](int64_t task, float* scratch) {
    LoadedTile loaded(pass, scratch);
    const QueryTile& tile = plan.tiles[size_t(tiles - 1 - task / heads)];
    loaded.load(tile, int(task % heads));
    int64_t column = 0;
    for (int b : plan.segments[size_t(tile.segment)].blocks) {
      loaded.visit(b, column, false, true);
      column += plan.blocks[size_t(b)].len;
    }
    loaded.store_dq();
  });
}

// Are there too few components for the threads? The other cut does 7/5 of the work.
bool prefers_key_blocks(const Plan& plan) {
  if (forced_cut != BackwardCut::Auto) return forced_cut == BackwardCut::KeyBlocks;
  const int64_t tasks = int64_t(plan.components.size()) * plan.kv_heads, threads = num_threads();
  const int64_t rounds = (tasks + threads - 1) / threads;
  return 5 * rounds * threads > 7 * tasks && int64_t(plan.blocks.size()) * plan.kv_heads > tasks;
}

// delta (H, T) = sum_d dO O.
void fill_delta(const Plan& plan, const float* dout, const float* out, float* delta) {
  const int64_t H = plan.heads, D = plan.head_dim, T = plan.query_rows;
  parallel_ranges(T, 64, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t)
      for (int64_t h = 0; h < H; ++h) delta[h * T + t] = simd::dot(dout + (t * H + h) * D, out + (t * H + h) * D, D);
  });
}

}  // namespace

void set_backward_cut_for_test(BackwardCut cut) { forced_cut = cut; }

void backward(Ctx& ctx, const Plan& plan, const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& out,
              const Tensor& lse, const Tensor& dout, const Tensor& dq, const Tensor& dk, const Tensor& dv) {
  const Panels panels(ctx, plan, Panels::Use::Backward, k, v);
  const Tensor delta = ctx.workspace({plan.heads, plan.query_rows});
  auto data = [](const Tensor& t) { return t ? t.f32() : nullptr; };
  const Backward pass{plan, panels, data(q), data(dout), data(lse), data(delta), data(dq), data(dk), data(dv)};
  if (!ctx.meta()) {
    fill_delta(plan, dout.f32(), out.f32(), delta.f32());
    if (dk) dk.zero();
    if (dv) dv.zero();
    for (int64_t row : plan.uncovered)
      if (dq) std::fill_n(dq.row(row), dq.columns(), 0.0f);
  }
  if (prefers_key_blocks(plan)) by_key_blocks(ctx, pass, dk || dv, bool(dq));
  else by_components(ctx, pass);
}

}  // namespace rft::ops::attention_detail
