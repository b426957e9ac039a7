#include "engine/device_decoder.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "ops/attention/launch.h"
#include "ops/gemm/product.h"
#include "ops/sample/launch.h"
#include "ops/token_logp/launch.h"
#include "tensor/dispatch.h"
#include "tensor/values.h"

namespace rft {

namespace {

constexpr int64_t kSmallestBatch = 4;

int64_t padded(int64_t batch) { return std::max<int64_t>(kSmallestBatch, int64_t(std::bit_ceil(uint64_t(batch)))); }

Tensor words(const Ctx& ctx, int64_t n) { return ctx.workspace({n}, Dtype::I32); }
Tensor bytes_for(const Ctx& ctx, size_t bytes) { return ctx.workspace({int64_t(bytes)}, Dtype::U8); }

void upload_bytes(const void* from, size_t bytes, const Tensor& to) {
  expect(bytes <= to.bytes(), "decode", concat(to.bytes(), " bytes at most"), bytes);
  if (bytes && to.device() == Device::Cuda) device::to_device(to.raw(), from, bytes);
}

}  // namespace

// A step's shape and what it reads and writes, at fixed places.
struct DeviceDecoder::Inputs {
  int64_t batch = 0, tiles = 0;
  Tensor tokens, u, drawn;  // (B) each; drawn (3, B): token, logp, entropy
  RopeTable rope;           // (B, D/2)
  Tensor sequences;         // (layers, B) cuda::CachedSequence
  Tensor tile_list, workspace;
};

DeviceDecoder::DeviceDecoder(Model& model, const Ctx& ctx, const ops::SampleOptions& sampling,
                             const std::vector<uint8_t>& forbidden, int64_t slots, int64_t capacity,
                             int64_t longest_prompt)
    : model_(model),
      ctx_(ctx),
      step_ctx_(ctx),
      sampling_(sampling),
      slots_(slots),
      capacity_(capacity),
      most_keys_(longest_prompt + capacity) {
  step_ctx_.pool = std::make_shared<Pool>(ctx.pool);
  const DecoderSpec& s = model.spec().decoder;
  const Dtype dtype = model.decoder().head_weight().dtype();
  const Shape shape{slots * capacity + padded(slots), s.kv_heads * s.head_dim};  // in rows
  for (int64_t l = 0; l < s.layers; ++l) {
    keys_.emplace_back(ctx.pool, shape, dtype, Purpose::KvCache);
    values_.emplace_back(ctx.pool, shape, dtype, Purpose::KvCache);
  }
  if (std::count(forbidden.begin(), forbidden.end(), 0) < int64_t(forbidden.size())) {
    forbidden_ = bytes_for(ctx, forbidden.size());
    upload(forbidden.data(), forbidden_);
  }
}

DeviceDecoder::~DeviceDecoder() = default;

void DeviceDecoder::forget_steps() {
  graphs_.clear();
  inputs_.reset();
  step_ctx_.pool->trim();
}

DeviceDecoder::Inputs& DeviceDecoder::inputs_for(int64_t batch) {
  if (inputs_ && inputs_->batch == batch) return *inputs_;
  forget_steps();
  auto& in = inputs_ = std::make_unique<Inputs>();
  const DecoderSpec& s = model_.spec().decoder;
  in->batch = batch;
  in->tokens = words(ctx_, batch);
  in->u = bytes_for(ctx_, size_t(batch) * sizeof(double));
  in->drawn = words(ctx_, 3 * batch);
  in->rope = {ctx_.workspace({batch, s.head_dim / 2}), ctx_.workspace({batch, s.head_dim / 2})};
  in->sequences = bytes_for(ctx_, size_t(s.layers * batch) * sizeof(cuda::CachedSequence<float>));
  const int64_t group = s.heads / s.kv_heads;
  in->tile_list = bytes_for(ctx_, size_t(2 * batch * (group / 64 + 2)) * sizeof(cuda::DecodeTile));
  in->workspace = ctx_.workspace({cuda::decode_workspace_floats(attention_sizes(s, batch), most_keys_)});
  return *in;
}

// Sequences beyond the rows are padding: each sees one key, its own, which it writes behind the slots.
void DeviceDecoder::upload_rows(Inputs& in, const std::vector<DecodeRow>& rows) {
  const DecoderSpec& s = model_.spec().decoder;
  std::vector<int32_t> tokens(size_t(in.batch), 0), positions(size_t(3 * in.batch), 0);
  std::vector<double> u(size_t(in.batch), 0.5);
  std::vector<cuda::DecodeGroup> groups;
  const PromptKv* last = nullptr;
  for (size_t i = 0; i < rows.size(); ++i) {
    const DecodeRow& row = rows[i];
    tokens[i] = row.token;
    for (size_t axis = 0; axis < 3; ++axis) positions[axis * size_t(in.batch) + i] = row.position;
    u[i] = row.u;
    if (row.prompt == last) ++groups.back().sequences;
    else groups.push_back({1, int32_t(row.prompt->length())});
    last = row.prompt;
  }
  if (in.batch > int64_t(rows.size())) groups.push_back({int32_t(in.batch - int64_t(rows.size())), 0});
  upload(tokens.data(), in.tokens);
  upload(u.data(), in.u);
  const RopeTable rope = text_rope(ctx_, positions.data(), in.batch, s.head_dim, s.rope_theta, s.mrope_section);
  copy_values(rope.cos, in.rope.cos);
  copy_values(rope.sin, in.rope.sin);
  cuda::by_dtype(keys_[0], [&]<class T>(T*) {
    std::vector<cuda::CachedSequence<T>> all;
    for (int l = 0; l < int(s.layers); ++l)
      for (int64_t i = 0; i < in.batch; ++i) {
        const DecodeRow* row = i < int64_t(rows.size()) ? &rows[size_t(i)] : nullptr;  // or padding
        const int64_t at = (row ? row->slot * capacity_ : slots_ * capacity_ + i) * s.kv_heads * s.head_dim;
        all.push_back({.prompt_k = row ? row->prompt->keys(l).as<T>() : nullptr,
                       .prompt_v = row ? row->prompt->values(l).as<T>() : nullptr,
                       .own_k = cuda::at<T>(keys_[size_t(l)], at),
                       .own_v = cuda::at<T>(values_[size_t(l)], at),
                       .prompt_len = row ? int32_t(row->prompt->length()) : 0,
                       .own_len = row ? int32_t(row->length) : 1,
                       .own_capacity = row ? int32_t(capacity_) : 1});
      }
    upload_bytes(all.data(), all.size() * sizeof(all[0]), in.sequences);
    const std::vector<cuda::DecodeTile> tiles = cuda::decode_tiles(groups, int(s.heads / s.kv_heads));
    in.tiles = int64_t(tiles.size());
    upload_bytes(tiles.data(), tiles.size() * sizeof(tiles[0]), in.tile_list);
  });
}

void DeviceDecoder::run(Inputs& in) {
  const DecoderSpec& s = model_.spec().decoder;
  const Attend attend = [&](Ctx& c, int layer, const Tensor& q, const Tensor& k, const Tensor& v) {
    const Tensor out = c.empty(q.shape(), q.dtype());
    cuda::by_dtype(q, [&]<class T>(T*) {
      const cuda::AttentionSizes sizes = attention_sizes(s, in.batch);
      const auto* sequences =
          reinterpret_cast<const cuda::CachedSequence<T>*>(in.sequences.as<uint8_t>()) + layer * in.batch;
      cuda::append_kv_cache(sizes, sequences, k.as<T>(), v.as<T>(), cuda::stream());
      const cuda::DecodeCall<T> call{.q = q.as<T>(),
                                     .out = out.as<T>(),
                                     .sequences = sequences,
                                     .tiles = reinterpret_cast<const cuda::DecodeTile*>(in.tile_list.as<uint8_t>()),
                                     .tile_count = in.tiles,
                                     .most_keys = most_keys_,
                                     .workspace = in.workspace.as<float>()};
      cuda::attention_decode(sizes, call, cuda::stream());
    });
    return out;
  };
  Tensor x = model_.decoder().embed(step_ctx_, in.tokens);
  x = model_.decoder().layers(step_ctx_, x, in.rope, attend, {});
  draw_rows(step_ctx_, model_.decoder().final_norm(step_ctx_, x), in.u, in.drawn);
}

// Logits by the head's own product, then the token, then its log-prob in the order that token_logp has.
void DeviceDecoder::draw_rows(Ctx& ctx, const Tensor& hidden, const Tensor& u, const Tensor& drawn) {
  const Tensor& w = model_.decoder().head_weight();
  const int64_t B = hidden.rows(), V = w.dim(0), C = w.dim(1), ldz = (V + 7) / 8 * 8;
  const float temperature = sampling_.greedy || sampling_.temperature <= 0.0f ? 1.0f : sampling_.temperature;
  const Tensor logits = ctx.workspace({B, ldz}), weights = ctx.workspace({B, V}), stats = ctx.workspace({B, 3});
  cuda::by_dtype(hidden, [&]<class T>(T*) {
    const T* no_bias = nullptr;
    cuda::forward_product({cuda::Form::NT, B, V, C, C, C, ldz}, hidden.as<T>(), w.as<T>(), no_bias, logits.as<float>(),
                          cuda::stream());
    int32_t* tokens = drawn.as<int32_t>();
    cuda::sample_rows({.logits = logits.as<float>(),
                       .rows = B,
                       .V = V,
                       .ldz = ldz,
                       .temperature = temperature,
                       .greedy = sampling_.greedy || sampling_.temperature <= 0.0f,
                       .top_k = sampling_.top_k,
                       .top_p = sampling_.top_p,
                       .min_p = sampling_.min_p,
                       .forbidden = forbidden_ ? forbidden_.as<uint8_t>() : nullptr,
                       .u = reinterpret_cast<const double*>(u.as<uint8_t>()),
                       .weights = weights.as<float>(),
                       .tokens = tokens},
                      cuda::stream());
    auto* row_stats = reinterpret_cast<cuda::RowStats*>(stats.as<float>());
    const cuda::StoredLogits shape{B, V, ldz, temperature};
    cuda::row_stats(shape, logits.as<float>(), row_stats, cuda::stream());
    float* logp = reinterpret_cast<float*>(tokens + B);
    cuda::stored_logp(shape, logits.as<float>(), tokens, row_stats, logp, logp + B, cuda::stream());
  });
}

std::vector<Drawn> DeviceDecoder::read(const Tensor& drawn, size_t count) const {
  std::vector<int32_t> raw(static_cast<size_t>(drawn.count()));
  if (drawn.device() == Device::Cuda) device::to_host(raw.data(), drawn.raw(), drawn.bytes());
  const size_t batch = raw.size() / 3;
  std::vector<Drawn> out(count);
  for (size_t i = 0; i < count; ++i) {
    expect(raw[i] >= 0, "sample logits", "a token that can be drawn", "only NaN, -inf or forbidden ones");
    out[i].token = raw[i];
    std::memcpy(&out[i].logp, &raw[batch + i], 4);
    std::memcpy(&out[i].entropy, &raw[2 * batch + i], 4);
  }
  return out;
}

std::vector<Drawn> DeviceDecoder::step(const std::vector<DecodeRow>& rows) {
  expect(int64_t(rows.size()) <= slots_, "decode", concat(slots_, " rows at most"), rows.size());
  Inputs& in = inputs_for(padded(int64_t(rows.size())));
  upload_rows(in, rows);
  auto& graph = graphs_[in.tiles];
  if (ctx_.meta()) {
    run(in);
  } else if (graph) {
    graph->launch();
  } else {  // the first time as it is, which takes all memory from the device that the recording then finds in the pool
    run(in);
    graph = std::make_unique<device::Graph>([&] { run(in); });
  }
  return read(in.drawn, rows.size());
}

std::vector<Drawn> DeviceDecoder::draw(const Tensor& hidden, const std::vector<double>& u) {
  const Tensor device_u = bytes_for(ctx_, u.size() * sizeof(double)), drawn = words(ctx_, 3 * int64_t(u.size()));
  upload(u.data(), device_u);
  draw_rows(ctx_, hidden, device_u, drawn);
  return read(drawn, u.size());
}

}  // namespace rft
