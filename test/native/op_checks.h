// Everything that is checked of an op, given its case. check_case(case) prints one line per check.
#pragma once
#include <algorithm>

#include "harness.h"

namespace rft::test {

inline std::vector<Array> to_double(const Case& c) {
  std::vector<Array> out;
  for (const Input& in : c.inputs)
    out.push_back(in.is_int ? Array(in.ints.begin(), in.ints.end()) : Array(in.values.begin(), in.values.end()));
  return out;
}

inline std::vector<Floats> random_cotangents(const std::vector<Array>& outputs) {
  std::vector<Floats> out;
  for (size_t i = 0; i < outputs.size(); ++i) out.push_back(Random(77 + i).normals(int64_t(outputs[i].size())));
  return out;
}

inline int64_t output_width(const Case& c, const Array& output) {
  if (c.output_width) return c.output_width;
  for (const Input& in : c.inputs)
    if (in.batched && in.shape[0]) return int64_t(output.size()) / in.shape[0];
  return 1;
}

inline std::string check_forward(const Case& c, const Result& result, const std::vector<Array>& wanted) {
  if (result.outputs.size() != wanted.size())
    return concat(result.outputs.size(), " outputs, expected ", wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i) {
    const auto detail =
        compare(concat("output ", i), result.outputs[i], wanted[i], output_width(c, wanted[i]), c.tolerance);
    if (!detail.empty()) return detail;
  }
  return "";
}

// Central differences of the reference in double, for the scalar sum of cotangent x output. Every coordinate of a
// small input, 48 of a large one.
inline std::string check_gradients(const Case& c, const Result& result, const std::vector<Floats>& cotangents) {
  std::vector<Array> inputs = to_double(c);
  const auto objective = [&] {
    const std::vector<Array> outputs = c.reference(inputs);
    double sum = 0;
    for (size_t o = 0; o < outputs.size(); ++o)
      for (size_t i = 0; i < outputs[o].size(); ++i) sum += outputs[o][i] * double(cotangents[o][i]);
    return sum;
  };
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (!c.inputs[i].trained) continue;
    const bool all = inputs[i].size() <= 700;
    Random random(i + 1);
    Array wanted;
    Floats got;
    for (size_t k = 0; k < (all ? inputs[i].size() : 48); ++k) {
      const size_t at = all ? k : size_t(random.below(int64_t(inputs[i].size())));
      const double x = inputs[i][at], h = 1e-5 * std::max(1.0, std::abs(x));
      inputs[i][at] = x + h;
      const double above = objective();
      inputs[i][at] = x - h;
      wanted.push_back((above - objective()) / (2 * h));
      inputs[i][at] = x;
      if (result.gradients[i].size() != inputs[i].size()) return "no gradient of " + c.inputs[i].name;
      got.push_back(result.gradients[i][at]);
    }
    const auto detail = compare("gradient of " + c.inputs[i].name, got, wanted,
                                all ? c.inputs[i].width() : int64_t(wanted.size()), c.gradient_tolerance);
    if (!detail.empty()) return detail;
  }
  return result.broken;
}

// Gradients add to what is there, and memory that another tensor shares is left alone.
inline std::string check_accumulation(const Case& c, const Result& plain, RunOptions options) {
  for (const Input& in : c.inputs) options.seeds.push_back(Random(in.name[0]).normals(in.count()));
  const Result result = run_case(c, options);
  for (size_t i = 0; i < plain.gradients.size(); ++i) {
    Array wanted;
    for (size_t k = 0; k < plain.gradients[i].size(); ++k)
      wanted.push_back(double(plain.gradients[i][k]) + double(options.seeds[i][k]));
    const auto detail =
        compare("gradient of " + c.inputs[i].name, result.gradients[i], wanted, c.inputs[i].width(), 2e-6);
    if (!detail.empty()) return detail;
  }
  return result.broken;
}

// Each input trained alone gets the same gradient, and nothing else gets one.
inline std::string check_subsets(const Case& c, const Result& all, RunOptions options) {
  for (size_t i = 0; i < c.inputs.size(); ++i) {
    if (!c.inputs[i].trained) continue;
    options.trained = std::vector<bool>(c.inputs.size());
    (*options.trained)[i] = true;
    const Result result = run_case(c, options);
    for (size_t k = 0; k < c.inputs.size(); ++k) {
      const auto detail =
          compare_bits(concat("gradient of ", c.inputs[k].name, " when only ", c.inputs[i].name, " is trained"),
                       result.gradients[k], k == i ? all.gradients[k] : Floats());
      if (!detail.empty()) return detail;
    }
  }
  options.trained = std::vector<bool>(c.inputs.size());
  for (const Floats& g : run_case(c, options).gradients)
    if (!g.empty()) return "a gradient although nothing is trained";
  return "";
}

// The META run allocates what the real run allocates.
inline std::string check_meta(const Case& c, const Result& real, const RunOptions& options) {
  const Result meta = run_case(c, std::make_shared<Pool>(Device::Meta, run_device), options);
  if (meta.memory.peak != real.memory.peak)
    return concat("peak ", meta.memory.peak, " bytes, on the device ", real.memory.peak);
  return meta.memory.at_peak == real.memory.at_peak ? "" : "the peak is made up of other purposes than on the device";
}

// What stays alive when only the tape is left.
inline std::string check_kept(const Case& c) {
  auto pool = std::make_shared<Pool>(Device::Meta), expected = std::make_shared<Pool>(Device::Meta);
  Tape tape;
  {
    Ctx ctx = make_ctx(pool, &tape);
    c.run(ctx, upload(ctx, c, {}));
  }
  std::vector<Tensor> kept;
  for (const std::string& name : c.kept->inputs)
    for (const Input& in : c.inputs)
      if (in.name == name) kept.emplace_back(expected, in.shape, Dtype::F32, Purpose::Activations);
  for (int64_t bytes : c.kept->bytes) kept.emplace_back(expected, Shape{bytes}, Dtype::U8, Purpose::Activations);
  const int64_t got = pool->report().total, wanted = expected->report().total;
  return got == wanted ? "" : concat(got, " bytes, expected ", wanted);
}

// Leaves free blocks full of NaN in the pool, of every size up to that of the largest tensor.
inline void poison(const std::shared_ptr<Pool>& pool, int64_t largest) {
  std::vector<Tensor> blocks;
  for (int64_t bytes = 64, step = 64; bytes <= 2 * largest + 64; bytes += step) {
    for (int i = 0; i < 6; ++i) {
      blocks.emplace_back(pool, Shape{bytes}, Dtype::U8, Purpose::Workspace);
      std::memset(blocks.back().raw(), 0xFF, size_t(bytes));
    }
    if (bytes >= 4096 && (bytes & (bytes - 1)) == 0) step = bytes / 8;
  }
}

// Every element that is read was written, whatever the memory held before.
inline std::string check_poison(const Case& c, const Result& plain, const RunOptions& options) {
  auto pool = std::make_shared<Pool>(Device::Cpu);
  int64_t largest = 0;
  for (const Input& in : c.inputs) largest = std::max(largest, in.count() * 4);
  for (const Floats& out : plain.outputs) largest = std::max(largest, int64_t(out.size()) * 4);
  poison(pool, largest);
  return compare_bits(c, run_case(c, pool, options), plain);
}

inline std::string check_recompute(const Case& c, RunOptions options) {
  for (size_t i = 1; i < options.cotangents.size(); ++i) options.cotangents[i].clear();
  Result plain = run_case(c, options);
  plain.outputs.resize(1);
  options.recompute = true;
  return compare_bits(c, run_case(c, options), plain);
}

inline std::string check_threads(const Case& c, const Result& plain, const RunOptions& options) {
  const int before = num_threads();
  std::string detail;
  for (int n : {1, 2, 3}) {
    set_num_threads(n);
    if (detail.empty()) detail = compare_bits(c, run_case(c, options), plain);
  }
  set_num_threads(before);
  return detail;
}

inline Floats slice(const Floats& x, int64_t rows, int64_t begin, int64_t end) {
  const int64_t width = rows ? int64_t(x.size()) / rows : 0;
  return Floats(x.begin() + begin * width, x.begin() + end * width);
}

// Rows [begin, end) of the batch alone: the same bits as in the batch.
inline std::string check_rows(const Case& c, const Result& all, const RunOptions& options, int64_t rows, int64_t begin,
                              int64_t end) {
  Case part = c;
  for (Input& in : part.inputs)
    if (in.batched) {
      if (in.is_int) in.ints = {in.ints.begin() + begin, in.ints.begin() + end};
      else in.values = slice(in.values, rows, begin, end);
      in.shape[0] = end - begin;
    }
  RunOptions part_options;
  for (const Floats& g : options.cotangents) part_options.cotangents.push_back(slice(g, rows, begin, end));
  const Result got = run_case(part, part_options);
  for (size_t i = 0; i < all.outputs.size(); ++i) {
    const auto detail = compare_bits(concat("output ", i, " of rows ", begin, " to ", end), got.outputs[i],
                                     slice(all.outputs[i], rows, begin, end));
    if (!detail.empty()) return detail;
  }
  for (size_t i = 0; i < c.inputs.size(); ++i) {
    if (!c.inputs[i].batched || !c.inputs[i].trained) continue;
    const auto detail = compare_bits(concat("gradient of ", c.inputs[i].name, " of rows ", begin, " to ", end),
                                     got.gradients[i], slice(all.gradients[i], rows, begin, end));
    if (!detail.empty()) return detail;
  }
  return "";
}

inline std::string check_batch(const Case& c, const Result& all, const RunOptions& options) {
  int64_t rows = 0;
  for (const Input& in : c.inputs)
    if (in.batched) rows = in.shape[0];
  std::vector<std::pair<int64_t, int64_t>> ranges = {
      {0, 1}, {rows / 2, rows / 2 + 1}, {rows - 1, rows}, {rows / 3, rows}};
  for (auto [begin, end] : ranges) {
    const auto detail = check_rows(c, all, options, rows, begin, end);
    if (!detail.empty()) return detail;
  }
  return "";
}

// NaN in rows that nothing depends on changes nothing.
inline std::string check_unread(const Case& c, const Result& plain, const RunOptions& options) {
  Case spoiled = c;
  for (Input& in : spoiled.inputs)
    for (int64_t row : in.unread) std::fill_n(in.values.begin() + row * in.width(), in.width(), std::nanf(""));
  return compare_bits(c, run_case(spoiled, options), plain);
}

inline void check_case(const Case& c) {
  const auto check = [&](const char* what, const auto& body) { verify(concat(c.op, " ", c.shape, " ", what), body); };
  const std::vector<Array> wanted = c.reference(to_double(c));
  RunOptions options;
  options.cotangents = random_cotangents(wanted);
  Result plain;
  check("forward", [&] {
    plain = run_case(c, options);
    return check_forward(c, plain, wanted);
  });
  if (plain.gradients.empty()) return;
  check("gradients", [&] { return check_gradients(c, plain, options.cotangents); });
  check("gradients add up", [&] { return check_accumulation(c, plain, options); });
  check("trained inputs", [&] { return check_subsets(c, plain, options); });
  check("META memory", [&] { return check_meta(c, plain, options); });
  if (c.kept) check("kept for backward", [&] { return check_kept(c); });
  check("poisoned memory", [&] { return check_poison(c, plain, options); });
  check("recompute", [&] { return check_recompute(c, options); });
  check("1, 2, 3 threads", [&] { return check_threads(c, plain, options); });
  if (std::any_of(c.inputs.begin(), c.inputs.end(), [](const Input& in) { return in.batched && in.shape[0]; }))
    check("rows alone", [&] { return check_batch(c, plain, options); });
  if (std::any_of(c.inputs.begin(), c.inputs.end(), [](const Input& in) { return !in.unread.empty(); }))
    check("NaN in unread rows", [&] { return check_unread(c, plain, options); });
}

}  // namespace rft::test
