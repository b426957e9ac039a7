// Cases of the ops, awkward shapes by default, with references in double that are written for reading.
#pragma once
#include "base/philox.h"
#include "harness.h"
#include "ops/ops.h"

namespace rft::test {

using Arrays = std::vector<Array>;
using Tensors = std::vector<Tensor>;

inline Case embed_case(int64_t V, int64_t C, std::vector<int32_t> ids) {
  std::vector<int64_t> unread;
  for (int32_t v = 0; v < V; ++v)
    if (std::find(ids.begin(), ids.end(), v) == ids.end()) unread.push_back(v);
  return {.op = "embed",
          .shape = concat("T=", ids.size(), " V=", V, " C=", C),
          .inputs = {batched(int_input("ids", ids)), with_unread(normal_input("w", {V, C}, 1), unread)},
          .run = [](Ctx& ctx, const Tensors& in) { return Tensors{ops::embed(ctx, in[0], in[1])}; },
          .reference =
              [=](const Arrays& in) {
    Array y;
    for (double id : in[0])
      for (int64_t c = 0; c < C; ++c) y.push_back(in[1][size_t(int64_t(id) * C + c)]);
    return Arrays{y};
          },
          .kept = Kept{{"ids"}}};
}

inline Case linear_case(int64_t T, int64_t K, int64_t N, bool with_bias) {
  Case c{.op = "linear",
         .shape = concat("T=", T, " K=", K, " N=", N, with_bias ? " with bias" : ""),
         .inputs = {batched(normal_input("x", {T, K}, 1)), normal_input("w", {N, K}, 2)},
         .run =
             [](Ctx& ctx, const Tensors& in) {
    return Tensors{ops::linear(ctx, in[0], in[1], in.size() > 2 ? in[2] : Tensor())};
         },
         .reference =
             [=](const Arrays& in) {
    Array y;
    for (int64_t t = 0; t < T; ++t)
      for (int64_t n = 0; n < N; ++n) {
        double sum = with_bias ? in[2][size_t(n)] : 0;
        for (int64_t k = 0; k < K; ++k) sum += in[0][size_t(t * K + k)] * in[1][size_t(n * K + k)];
        y.push_back(sum);
      }
    return Arrays{y};
         },
      .kept = Kept{{"x", "w"}}};
  if (with_bias) c.inputs.push_back(normal_input("bias", {N}, 3));
  return c;
}

// `groups` of C values in a row of x share w.
inline Case rms_norm_case(int64_t T, int64_t C, int64_t groups = 1, double scale = 1) {
  constexpr double eps = 1e-6;
  return {.op = "rms_norm",
          .shape = concat("T=", T, " C=", C, groups > 1 ? concat(" heads=", groups) : "",
                          scale != 1 ? concat(" scale=", scale) : ""),
          .inputs = {batched(normal_input("x", {T, groups * C}, 1, scale)), normal_input("w", {C}, 2, 0.3, 1)},
          .run = [=](Ctx& ctx, const Tensors& in) { return Tensors{ops::rms_norm(ctx, in[0], in[1], float(eps))}; },
          .reference =
              [=](const Arrays& in) {
    Array y;
    for (size_t r = 0; r < size_t(T * groups); ++r) {
      const double* x = in[0].data() + r * size_t(C);
      double squares = 0;
      for (int64_t c = 0; c < C; ++c) squares += x[c] * x[c];
      for (int64_t c = 0; c < C; ++c) y.push_back(x[c] / std::sqrt(squares / double(C) + eps) * in[1][size_t(c)]);
    }
    return Arrays{y};
          },
          .kept = Kept{{"x", "w"}, {T * groups * 4}}};
}

inline Case add_rms_norm_case(int64_t T, int64_t C) {
  constexpr double eps = 1e-6;
  const Case norm = rms_norm_case(T, C);
  return {.op = "add_rms_norm",
          .shape = concat("T=", T, " C=", C),
          .inputs = {batched(normal_input("x", {T, C}, 1)), batched(normal_input("residual", {T, C}, 3)),
                     normal_input("w", {C}, 2, 0.3, 1)},
          .run =
              [=](Ctx& ctx, const Tensors& in) {
    const auto [sum, normed] = ops::add_rms_norm(ctx, in[0], in[1], in[2], float(eps));
    return Tensors{sum, normed};
          },
          .reference =
              [=](const Arrays& in) {
    Array sum;
    for (size_t i = 0; i < in[0].size(); ++i) sum.push_back(in[0][i] + in[1][i]);
    return Arrays{sum, norm.reference({sum, in[2]})[0]};
          }};
}

inline Case layer_norm_case(int64_t T, int64_t C, double mean = 0) {
  constexpr double eps = 1e-5;
  return {.op = "layer_norm",
          .shape = concat("T=", T, " C=", C, mean != 0 ? concat(" mean=", mean) : ""),
          .inputs = {batched(normal_input("x", {T, C}, 1, 1, mean)), normal_input("w", {C}, 2, 0.3, 1),
                     normal_input("b", {C}, 3)},
          .run = [=](Ctx& ctx,
                     const Tensors& in) { return Tensors{ops::layer_norm(ctx, in[0], in[1], in[2], float(eps))}; },
          .reference =
              [=](const Arrays& in) {
    Array y;
    for (size_t r = 0; r < size_t(T); ++r) {
      const double* x = in[0].data() + r * size_t(C);
      double sum = 0, squares = 0;
      for (int64_t c = 0; c < C; ++c) sum += x[c];
      for (int64_t c = 0; c < C; ++c) squares += std::pow(x[c] - sum / double(C), 2);
      for (int64_t c = 0; c < C; ++c)
        y.push_back((x[c] - sum / double(C)) / std::sqrt(squares / double(C) + eps) * in[1][size_t(c)] +
                    in[2][size_t(c)]);
    }
    return Arrays{y};
          },
          .kept = Kept{{"x", "w"}, {T * 8}}};
}

inline Case rope_case(int64_t T, int64_t heads, int64_t half) {
  Floats cos, sin;
  for (double angle : Random(5).normals(T * half, 40)) {
    cos.push_back(float(std::cos(angle)));
    sin.push_back(float(std::sin(angle)));
  }
  return {.op = "rope",
          .shape = concat("T=", T, " H=", heads, " D=", 2 * half),
          .inputs = {batched(normal_input("x", {T, heads * 2 * half}, 1)),
                     batched(constant({"cos", {T, half}, cos, {}})), batched(constant({"sin", {T, half}, sin, {}}))},
          .run = [](Ctx& ctx, const Tensors& in) { return Tensors{ops::rope(ctx, in[0], in[1], in[2])}; },
          .reference =
              [=](const Arrays& in) {
    Array y(in[0].size());
    for (int64_t t = 0; t < T; ++t)
      for (int64_t h = 0; h < heads; ++h)
        for (int64_t i = 0; i < half; ++i) {
          const size_t low = size_t((t * heads + h) * 2 * half + i), high = low + size_t(half);
          const double c = in[1][size_t(t * half + i)], s = in[2][size_t(t * half + i)];
          y[low] = in[0][low] * c - in[0][high] * s;
          y[high] = in[0][high] * c + in[0][low] * s;
        }
    return Arrays{y};
          },
          .kept = Kept{{"cos", "sin"}}};
}

// An op of one or two equally shaped inputs that works on each element alone.
template <class Run, class Formula>
Case elementwise_case(const std::string& op, int64_t T, int64_t F, const std::vector<std::string>& names, double scale,
                      const Run& run, const Formula& formula, Kept kept) {
  Case c{.op = op,
         .shape = concat("T=", T, " F=", F, scale != 1 ? concat(" scale=", scale) : ""),
         .inputs = {},
         .run = [run](Ctx& ctx, const Tensors& in) { return Tensors{run(ctx, in)}; },
         .reference =
             [formula](const Arrays& in) {
    Array y;
    for (size_t i = 0; i < in[0].size(); ++i) y.push_back(formula(in[0][i], in.back()[i]));
    return Arrays{y};
         },
         .kept = kept};
  for (size_t i = 0; i < names.size(); ++i) c.inputs.push_back(batched(normal_input(names[i], {T, F}, i + 1, scale)));
  return c;
}

inline Case silu_mul_case(int64_t T, int64_t F, double scale = 1) {
  return elementwise_case(
      "silu_mul", T, F, {"gate", "up"}, scale,
      [](Ctx& ctx, const Tensors& in) { return ops::silu_mul(ctx, in[0], in[1]); },
      [](double gate, double up) { return gate / (1 + std::exp(-gate)) * up; }, {{"gate", "up"}});
}

inline double gelu_reference(double x, ops::Gelu kind) {
  if (kind == ops::Gelu::Erf) return 0.5 * x * std::erfc(-x * std::sqrt(0.5));
  if (kind == ops::Gelu::Quick) return x / (1 + std::exp(-1.702 * x));
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
}

inline Case gelu_case(ops::Gelu kind, int64_t T, int64_t F, double scale = 1) {
  const char* name = kind == ops::Gelu::Erf ? "gelu erf" : kind == ops::Gelu::Tanh ? "gelu tanh" : "gelu quick";
  return elementwise_case(
      name, T, F, {"x"}, scale, [=](Ctx& ctx, const Tensors& in) { return ops::gelu(ctx, in[0], kind); },
      [=](double x, double) { return gelu_reference(x, kind); }, {{"x"}});
}

inline Case add_case(int64_t T, int64_t F) {
  return elementwise_case(
      "add", T, F, {"a", "b"}, 1, [](Ctx& ctx, const Tensors& in) { return ops::add(ctx, in[0], in[1]); },
      [](double a, double b) { return a + b; }, {});
}

inline Case scale_case(int64_t T, int64_t F, float factor) {
  return elementwise_case(
      "scale", T, F, {"x"}, 1, [=](Ctx& ctx, const Tensors& in) { return ops::scale(ctx, in[0], factor); },
      [=](double x, double) { return double(factor) * x; }, {});
}

// Dropped places follow from the place in the batch, so it is no row-wise op: the input is not `batched`.
inline Case dropout_case(int64_t T, int64_t F, float p) {
  constexpr uint64_t seed = 7, stream = 11;
  return {.op = "dropout",
          .shape = concat("T=", T, " F=", F, " p=", p),
          .inputs = {normal_input("x", {T, F}, 1)},
          .run = [=](Ctx& ctx, const Tensors& in) { return Tensors{ops::dropout(ctx, in[0], p, seed, stream)}; },
          .reference =
              [=](const Arrays& in) {
    Array y;
    for (size_t i = 0; i < in[0].size(); ++i)
      y.push_back(philox_uniform(seed, stream, i) < double(p) ? 0.0 : in[0][i] / (1.0 - double(p)));
    return Arrays{y};
          },
          .kept = Kept{}};
}

inline Case split_columns_case(int64_t T, std::vector<int64_t> widths) {
  int64_t W = 0;
  std::string label = concat("T=", T, " widths=");
  for (int64_t w : widths) W += w, label += concat(w, " ");
  label.pop_back();
  return {.op = "split_columns",
          .shape = label,
          .inputs = {batched(normal_input("x", {T, W}, 1))},
          .run = [=](Ctx& ctx, const Tensors& in) { return ops::split_columns(ctx, in[0], widths); },
          .reference =
              [=](const Arrays& in) {
    Arrays parts;
    int64_t offset = 0;
    for (int64_t w : widths) {
      parts.emplace_back();
      for (int64_t t = 0; t < T; ++t)
        for (int64_t c = 0; c < w; ++c) parts.back().push_back(in[0][size_t(t * W + offset + c)]);
      offset += w;
    }
    return parts;
          },
          .kept = Kept{}};
}

inline Case gather_rows_case(int64_t T, int64_t C, std::vector<int32_t> rows) {
  std::vector<int64_t> unread;
  for (int32_t t = 0; t < T; ++t)
    if (std::find(rows.begin(), rows.end(), t) == rows.end()) unread.push_back(t);
  return {.op = "gather_rows",
          .shape = concat("T=", T, " C=", C, " N=", rows.size()),
          .inputs = {with_unread(normal_input("x", {T, C}, 1), unread), batched(int_input("rows", rows))},
          .run = [](Ctx& ctx, const Tensors& in) { return Tensors{ops::gather_rows(ctx, in[0], in[1])}; },
          .reference =
              [=](const Arrays& in) {
    Array y;
    for (double row : in[1])
      for (int64_t c = 0; c < C; ++c) y.push_back(in[0][size_t(int64_t(row) * C + c)]);
    return Arrays{y};
          },
          .kept = Kept{{"rows"}}};
}

inline Case scatter_rows_case(int64_t T, int64_t C, std::vector<int32_t> rows) {
  const int64_t N = int64_t(rows.size());
  return {.op = "scatter_rows",
          .shape = concat("T=", T, " C=", C, " N=", N),
          .inputs = {with_unread(normal_input("base", {T, C}, 1), {rows.begin(), rows.end()}), int_input("rows", rows),
                     normal_input("src", {N, C}, 2)},
          .run = [](Ctx& ctx, const Tensors& in) { return Tensors{ops::scatter_rows(ctx, in[0], in[1], in[2])}; },
          .reference =
              [=](const Arrays& in) {
    Array y = in[0];
    for (int64_t i = 0; i < N * C; ++i) y[size_t(int64_t(in[1][size_t(i / C)]) * C + i % C)] = in[2][size_t(i)];
    return Arrays{y};
          },
          .kept = Kept{{"rows"}}};
}

inline Case reshape_case(int64_t T, int64_t C, Shape shape) {
  return {.op = "reshape",
          .shape = concat(T, "x", C, " to ", to_string(shape)),
          .inputs = {normal_input("x", {T, C}, 1)},
          .run = [=](Ctx& ctx, const Tensors& in) { return Tensors{ops::reshape(ctx, in[0], shape)}; },
          .reference = [](const Arrays& in) { return Arrays{in[0]}; },
          .kept = Kept{}};
}

inline std::vector<int32_t> random_ids(int64_t n, int64_t below, uint64_t seed) {
  Random random(seed);
  std::vector<int32_t> ids(static_cast<size_t>(n));
  for (int32_t& id : ids) id = int32_t(random.below(below));
  return ids;
}

// The large shape of each op is cut into several parallel tasks.
inline std::vector<Case> op_cases() {
  using ops::Gelu;
  std::vector<Case> cases = {
      embed_case(5, 7, {4, 0, 4, 4, 2}),
      embed_case(1, 1, {0}),
      embed_case(97, 130, random_ids(300, 60, 1)),
      linear_case(1, 1, 1, true),
      linear_case(7, 33, 17, true),
      linear_case(5, 64, 48, false),
      linear_case(131, 65, 150, true),
      rms_norm_case(1, 2),
      rms_norm_case(5, 7),
      rms_norm_case(3, 16, 2),
      rms_norm_case(6, 33, 1, 1e-3),
      rms_norm_case(4, 17, 1, 1e4),
      rms_norm_case(200, 130),
      rms_norm_case(90, 64, 4),
      add_rms_norm_case(1, 1),
      add_rms_norm_case(5, 7),
      add_rms_norm_case(3, 40),
      add_rms_norm_case(2, 1032),
      layer_norm_case(5, 7),
      layer_norm_case(3, 16),
      layer_norm_case(6, 33, 3),
      layer_norm_case(200, 130),
      rope_case(1, 1, 1),
      rope_case(5, 2, 4),
      rope_case(9, 3, 3),
      rope_case(11, 1, 20),
      rope_case(150, 4, 32),
      silu_mul_case(1, 1),
      silu_mul_case(7, 33),
      silu_mul_case(5, 40, 20),
      silu_mul_case(150, 260),
      add_case(1, 1),
      add_case(7, 33),
      add_case(150, 260),
      scale_case(1, 1, 2),
      scale_case(7, 33, -0.25f),
      dropout_case(1, 3, 0),
      dropout_case(7, 33, 0.5f),
      dropout_case(150, 260, 0.1f),
      split_columns_case(1, {1}),
      split_columns_case(5, {3, 1, 7}),
      split_columns_case(200, {64, 33, 65}),
      gather_rows_case(6, 5, {3, 3, 0, 5, 3}),
      gather_rows_case(1, 1, {0}),
      gather_rows_case(150, 130, random_ids(280, 90, 2)),
      scatter_rows_case(6, 5, {4, 1}),
      scatter_rows_case(1, 3, {0}),
      scatter_rows_case(150, 130, {149, 0, 7, 70, 64, 63}),
      reshape_case(6, 4, {3, 8}),
  };
  for (Gelu kind : {Gelu::Erf, Gelu::Tanh, Gelu::Quick}) {
    cases.push_back(gelu_case(kind, 7, 33));
    cases.push_back(gelu_case(kind, 5, 40, 4));
    cases.push_back(gelu_case(kind, 150, 260));
  }
  return cases;
}

}  // namespace rft::test
