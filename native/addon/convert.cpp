#include "addon/convert.h"

#include <cstring>

namespace rft {

namespace {

DecoderSpec decoder_spec(const Field& d) {
  DecoderSpec s{};
  s.vocab = d["vocab"].integer();
  s.hidden = d["hidden"].integer();
  s.layers = d["layers"].integer();
  s.heads = d["heads"].integer();
  s.kv_heads = d["kvHeads"].integer();
  s.head_dim = d["headDim"].integer();
  s.ffn = d["ffn"].integer();
  s.rms_eps = float(d["rmsEps"].number());
  s.rope_theta = d["ropeTheta"].number();
  s.qkv_bias = d["qkvBias"].boolean();
  s.qk_norm = d["qkNorm"].boolean();
  s.tied_head = d["tiedHead"].boolean();
  if (!d["mropeSection"].is_null()) {
    const auto section = d["mropeSection"].integers();
    expect(section.size() == 3, d["mropeSection"].path(), "3 numbers", section.size());
    s.mrope_section = {int(section[0]), int(section[1]), int(section[2])};
  }
  for (int64_t n : {s.vocab, s.hidden, s.layers, s.heads, s.kv_heads, s.head_dim, s.ffn})
    expect(n > 0, d.path(), "positive sizes", n);
  expect(s.heads % s.kv_heads == 0, d.path() + ".heads", concat("a multiple of kvHeads ", s.kv_heads), s.heads);
  expect(s.head_dim % 2 == 0, d.path() + ".headDim", "an even number", s.head_dim);
  return s;
}

LoraSpec lora_spec(const Field& l) {
  LoraSpec s;
  const Field targets = l["targets"];
  for (uint32_t i = 0; i < targets.length(); ++i) {
    const Field t = targets[i];
    s.targets.push_back({t["linear"].text(), t["rank"].integer(), float(t["scale"].number())});
  }
  s.dropout = float(l["dropout"].number());
  return s;
}

VisionSpec vision_spec(const Field& v) {
  VisionSpec s{};
  s.patch_dim = v["patchDim"].integer();
  s.hidden = v["hidden"].integer();
  s.layers = v["layers"].integer();
  s.heads = v["heads"].integer();
  s.ffn = v["ffn"].integer();
  s.norm_eps = float(v["normEps"].number());
  s.rope_theta = v["ropeTheta"].number();
  s.merge = v["merge"].integer();
  s.patch_size = v["patchSize"].integer();
  s.window_size = v["windowSize"].is_null() ? 0 : v["windowSize"].integer();
  for (int64_t b : v["fullBlocks"].integers()) s.full_blocks.push_back(int(b));
  s.out_hidden = v["outHidden"].integer();
  for (int64_t n : {s.patch_dim, s.hidden, s.layers, s.heads, s.ffn, s.merge, s.patch_size, s.out_hidden})
    expect(n > 0, v.path(), "positive sizes", n);
  expect(s.hidden % s.heads == 0 && s.hidden / s.heads % 4 == 0, v.path() + ".hidden",
         concat("heads (", s.heads, ") of a size divisible by 4"), s.hidden);
  return s;
}

VisionInput vision_input(const Field& v) {
  const auto patches = std::make_shared<const std::vector<float>>(v["patches"].floats());
  return {v["keys"].texts(), {patches}, v["grids"].ints(), v["rows"].ints(), v["features"].ints()};
}

StorageDtype storage_dtype(const Field& f) {
  const std::string name = f.text();
  if (name == "F32") return StorageDtype::F32;
  if (name == "BF16") return StorageDtype::BF16;
  if (name == "F16") return StorageDtype::F16;
  if (name == "U8") return StorageDtype::U8;
  fail(f.path(), "F32, BF16, F16 or U8", name);
}

// True for bf16.
bool weight_format(const Field& f) {
  const std::string name = f.text();
  if (name == "fp32") return false;
  if (name == "bf16") return true;
  fail(f.path(), "fp32 or bf16", name);
}

ops::StateFormat state_format(const Field& f) {
  const std::string name = f.text();
  if (name == "f32") return ops::StateFormat::F32;
  if (name == "bf16") return ops::StateFormat::BF16;
  if (name == "8bit") return ops::StateFormat::Bits8;
  fail(f.path(), "f32, bf16 or 8bit", name);
}

bool is_bf16(const Field& f) {
  const std::string name = f.text();
  if (name == "f32") return false;
  if (name == "bf16") return true;
  fail(f.path(), "f32 or bf16", name);
}

const char* finish_name(Finish finish) {
  switch (finish) {
    case Finish::Eos: return "eos";
    case Finish::Stop: return "stop";
    case Finish::Length: return "length";
    default: return "aborted";
  }
}

template <class T>
Napi::Value typed_to_js(Napi::Env env, const T* data, size_t n) {
  auto out = Napi::TypedArrayOf<T>::New(env, n);
  if (n) std::memcpy(out.Data(), data, n * sizeof(T));
  return out;
}

}  // namespace

ModelSpec model_spec(const Field& spec) {
  ModelSpec s{decoder_spec(spec["decoder"]), {}, {}};
  if (!spec["vision"].is_null()) s.vision = vision_spec(spec["vision"]);
  if (!spec["lora"].is_null()) s.lora = lora_spec(spec["lora"]);
  if (!spec["valueHead"].is_null()) s.value_head = spec["valueHead"].boolean();
  return s;
}

PassOptions pass_options(const Napi::Value& options) {
  PassOptions out;
  if (!options.IsObject()) return out;
  const Field o(options, "options");
  if (!o["recompute"].is_null()) out.recompute = o["recompute"].boolean();
  if (!o["adapters"].is_null()) out.adapters = o["adapters"].boolean();
  if (!o["dropout"].is_null()) out.dropout = uint64_t(o["dropout"].integer());
  return out;
}

Pack pack_input(const Field& p) {
  Pack pack;
  pack.tokens = p["tokens"].ints();
  pack.positions = p["positionIds"].ints();
  const auto flat = p["segments"].ints();
  expect(flat.size() % 7 == 0, p["segments"].path(), "a multiple of 7 values (S x 7)", flat.size());
  for (size_t i = 0; i < flat.size(); i += 7)
    pack.segments.push_back({flat[i], flat[i + 1], flat[i + 2], flat[i + 3], flat[i + 4], flat[i + 5], flat[i + 6]});
  if (!p["vision"].is_null()) pack.vision = vision_input(p["vision"]);
  return pack;
}

HeadRows head_rows(const Field& h) { return {h["rows"].ints(), h["targets"].ints(), float(h["temperature"].number())}; }

std::vector<TensorSource> tensor_sources(const Field& list) {
  std::vector<TensorSource> out;
  for (uint32_t i = 0; i < list.length(); ++i) {
    const Field f = list[i];
    out.push_back(
        {f["name"].text(), f["file"].text(), f["offset"].integer(), storage_dtype(f["dtype"]), f["shape"].integers()});
  }
  return out;
}

std::vector<TensorSink> tensor_sinks(const Field& list) {
  std::vector<TensorSink> out;
  for (uint32_t i = 0; i < list.length(); ++i) out.push_back({list[i]["name"].text(), storage_dtype(list[i]["dtype"])});
  return out;
}

std::vector<GenerateRequest> generate_requests(const Field& list) {
  std::vector<GenerateRequest> out;
  for (uint32_t i = 0; i < list.length(); ++i) {
    const Field f = list[i];
    GenerateRequest r;
    r.tokens = f["tokens"].ints();
    r.positions = f["positionIds"].ints();
    if (!f["vision"].is_null()) r.vision = vision_input(f["vision"]);
    r.next_position = int32_t(f["nextPosition"].integer());
    r.samples = int32_t(f["samples"].integer());
    r.stream = uint64_t(f["stream"].integer());
    out.push_back(std::move(r));
  }
  return out;
}

GenerateOptions generate_options(const Field& o) {
  GenerateOptions out;
  out.max_new_tokens = o["maxNewTokens"].integer();
  const double temperature = o["temperature"].number();
  out.sampling.temperature = float(temperature);
  out.sampling.greedy = temperature == 0;
  out.sampling.top_k = int32_t(o["topK"].integer());
  out.sampling.top_p = float(o["topP"].number());
  out.sampling.min_p = float(o["minP"].number());
  out.seed = uint64_t(o["seed"].integer());
  out.stop_tokens = o["stopTokens"].ints();
  out.forbidden_tokens = o["forbiddenTokens"].ints();
  if (!o["stopStrings"].is_null()) out.stop_strings = o["stopStrings"].texts();
  if (!o["tokenBytes"].is_null())
    out.token_bytes = {o["tokenBytes"]["bytes"].bytes(), o["tokenBytes"]["offsets"].uints()};
  if (!o["keepVision"].is_null()) out.keep_vision_tape = o["keepVision"].boolean();
  if (!o["weights"].is_null()) out.bf16_weights = weight_format(o["weights"]);
  if (!o["kvBudget"].is_null()) out.kv_budget = o["kvBudget"].integer();
  if (!o["partial"].is_null()) out.partial = o["partial"].boolean();
  if (!o["maxSequences"].is_null()) out.max_sequences = o["maxSequences"].integer();
  expect(temperature >= 0, o["temperature"].path(), "0 (greedy) or a positive number", temperature);
  return out;
}

OptimizerOptions optimizer_options(const Field& o) {
  OptimizerOptions out;
  out.adamw.beta1 = float(o["beta1"].number());
  out.adamw.beta2 = float(o["beta2"].number());
  out.adamw.eps = float(o["eps"].number());
  out.adamw.weight_decay = float(o["weightDecay"].number());
  out.no_decay = o["noDecay"].texts();
  if (!o["headLrFactor"].is_null()) out.head_lr_factor = float(o["headLrFactor"].number());
  if (!o["state"].is_null()) out.state = state_format(o["state"]);
  if (!o["gradDtype"].is_null()) out.gradients = is_bf16(o["gradDtype"]) ? Dtype::BF16 : Dtype::F32;
  if (!o["offload"].is_null() && o["offload"].boolean()) out.offload_piece = kOffloadPiece;
  if (!o["stochasticRounding"].is_null()) out.stochastic_rounding = o["stochasticRounding"].boolean();
  if (!o["seed"].is_null()) out.adamw.seed = uint64_t(o["seed"].integer());
  return out;
}

Napi::Value shape_to_js(Napi::Env env, const Shape& shape) {
  auto out = Napi::Array::New(env, shape.size());
  for (size_t i = 0; i < shape.size(); ++i) out.Set(uint32_t(i), double(shape[i]));
  return out;
}

Napi::Value floats_to_js(Napi::Env env, const std::vector<float>& values) {
  return typed_to_js(env, values.data(), values.size());
}

Napi::Value bytes_to_js(Napi::Env env, const std::vector<uint8_t>& values) {
  return typed_to_js(env, values.data(), values.size());
}

Napi::Value ints_to_js(Napi::Env env, const std::vector<int32_t>& values) {
  return typed_to_js(env, values.data(), values.size());
}

Napi::Value score_to_js(Napi::Env env, const ScoreOutput& out) {
  auto o = Napi::Object::New(env);
  o.Set("logp", floats_to_js(env, out.logp));
  o.Set("entropy", floats_to_js(env, out.entropy));
  if (!out.values.empty()) o.Set("values", floats_to_js(env, out.values));
  return o;
}

Napi::Value generated_to_js(Napi::Env env, const std::vector<Generated>& all) {
  auto list = Napi::Array::New(env, all.size());
  for (size_t i = 0; i < all.size(); ++i) {
    const Generated& g = all[i];
    auto o = Napi::Object::New(env);
    o.Set("request", g.request);
    o.Set("sample", g.sample);
    o.Set("tokens", ints_to_js(env, g.tokens));
    o.Set("logp", floats_to_js(env, g.logp));
    o.Set("entropy", floats_to_js(env, g.entropy));
    o.Set("finish", finish_name(g.finish));
    list.Set(uint32_t(i), o);
  }
  return list;
}

}  // namespace rft
