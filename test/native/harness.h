// One description of an op (inputs, how to call it, its reference in double) drives every check of it: see op_checks.h.
// The same cases are the rows of the benchmark.
#pragma once
#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <numbers>
#include <optional>
#include <string>
#include <vector>

#include "base/parallel_for.h"
#include "tensor/ctx.h"
#include "tensor/values.h"

namespace rft::test {

// ------------------------------------------------------------------ results

inline int failures = 0;

// Prints `ok <name>` or `FAIL <name>: <detail>`; an empty detail is a pass. Names hold no colon.
inline void report(const std::string& name, const std::string& detail) {
  failures += !detail.empty();
  if (detail.empty()) std::printf("ok %s\n", name.c_str());
  else std::printf("FAIL %s: %s\n", name.c_str(), detail.c_str());
  std::fflush(stdout);
}

template <class Body>  // body() returns the detail; an exception is a failure
void verify(const std::string& name, const Body& body) {
  std::string detail;
  try {
    detail = body();
  } catch (const std::exception& e) {
    detail = concat("threw ", e.what());
  }
  report(name, detail);
}

// Passes when body throws rft::Error with every one of `parts` in its text.
template <class Body>
void verify_error(const std::string& name, const std::vector<std::string>& parts, const Body& body) {
  verify(name, [&]() -> std::string {
    try {
      body();
    } catch (const Error& e) {
      for (const std::string& part : parts)
        if (std::string(e.what()).find(part) == std::string::npos) return concat("no '", part, "' in '", e.what(), "'");
      return "";
    }
    return "expected an error but none was thrown";
  });
}

// ------------------------------------------------------------------ random numbers

// SplitMix64: the same numbers on every platform.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t bits() {
    uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  double uniform() { return (double(bits() >> 11) + 0.5) * 0x1p-53; }  // in (0, 1)
  int64_t below(int64_t n) { return int64_t(bits() % uint64_t(n)); }
  double normal() { return std::sqrt(-2 * std::log(uniform())) * std::cos(2 * std::numbers::pi * uniform()); }
  std::vector<float> normals(int64_t n, double scale = 1, double mean = 0) {
    std::vector<float> out(static_cast<size_t>(n));
    for (float& x : out) x = float(mean + scale * normal());
    return out;
  }

 private:
  uint64_t state_;
};

// ------------------------------------------------------------------ cases

using Array = std::vector<double>;
using Floats = std::vector<float>;

struct Input {
  std::string name;
  Shape shape;
  Floats values;                     // F32
  std::vector<int32_t> ints;         // or I32
  bool is_int = false;               // which of the two
  bool trained = true;               // has a gradient
  bool batched = false;              // row r of every output depends on row r of these, and on unbatched inputs
  std::vector<int64_t> unread = {};  // rows that no output depends on

  int64_t count() const { return element_count(shape); }
  // Of a row; a vector is one row.
  int64_t width() const { return shape.size() > 1 && shape[0] ? count() / shape[0] : count(); }
};

inline Input normal_input(const std::string& name, Shape shape, uint64_t seed, double scale = 1, double mean = 0) {
  return {name, shape, Random(seed).normals(element_count(shape), scale, mean), {}};
}
inline Input int_input(const std::string& name, std::vector<int32_t> ints) {
  return {name, {int64_t(ints.size())}, {}, ints, true, false};
}
inline Input batched(Input input) {
  input.batched = true;
  return input;
}
inline Input constant(Input input) {
  input.trained = false;
  return input;
}
inline Input with_unread(Input input, std::vector<int64_t> rows) {
  input.unread = std::move(rows);
  return input;
}

// What the tape may keep: these inputs and blocks of these many bytes.
struct Kept {
  std::vector<std::string> inputs;
  std::vector<int64_t> bytes = {};
};

struct Case {
  std::string op;
  std::string shape;
  std::vector<Input> inputs;
  std::function<std::vector<Tensor>(Ctx&, const std::vector<Tensor>&)> run;
  std::function<std::vector<Array>(const std::vector<Array>&)> reference;  // I32 inputs come as doubles too
  std::optional<Kept> kept = {};
  double tolerance = 2e-6;  // relative, forward
  double gradient_tolerance = 1e-5;
  int64_t output_width = 0;  // of a row of the outputs; 0: from the rows of the batched inputs
};

// ------------------------------------------------------------------ running a case

struct RunOptions {
  std::vector<Floats> cotangents;            // per output; empty: no backward; an empty one: nothing flows back
  std::optional<std::vector<bool>> trained;  // per input; default: as the case says
  std::vector<Floats> seeds;                 // gradients there before backward; empty: none
  bool recompute = false;                    // first output only
};

struct Result {
  std::vector<Floats> outputs;
  std::vector<Floats> gradients;  // per input; empty: there is none
  MemoryReport memory;
  std::string broken;  // a rule of the tape that was violated
};

inline Ctx make_ctx(std::shared_ptr<Pool> pool, Tape* tape = nullptr) {
  Ctx ctx;
  ctx.pool = std::move(pool);
  ctx.tape = tape;
  return ctx;
}

// Where cases run and how their numbers are stored: test/native/cuda sets both.
inline Device run_device = Device::Cpu;
inline Dtype storage = Dtype::F32;

// Parameters are weights, whose gradients are F32; tables and other constants are F32 whatever the storage is.
inline Tensor upload(const Ctx& ctx, const Input& in) {
  if (in.is_int) return ctx.from(in.ints.data(), in.shape);
  const bool parameter = in.name == "w" || in.name == "b" || in.name == "bias";
  Tensor t(ctx.pool, in.shape, in.trained ? storage : Dtype::F32, parameter ? Purpose::Weights : ctx.purpose);
  write_floats(t, 0, t.count(), in.values.data());
  return t;
}

inline std::vector<Tensor> upload(const Ctx& ctx, const Case& c, const RunOptions& options) {
  std::vector<Tensor> tensors;
  for (size_t i = 0; i < c.inputs.size(); ++i) {
    const Input& in = c.inputs[i];
    tensors.push_back(run_device == Device::Cuda ? upload(ctx, in)
                      : in.is_int                ? ctx.from(in.ints.data(), in.shape)
                                                 : ctx.from(in.values.data(), in.shape));
    tensors.back().set_requires_grad(options.trained ? (*options.trained)[i] : in.trained);
  }
  return tensors;
}

inline Floats download(const Tensor& t) { return t && t.device() != Device::Meta ? to_floats(t) : Floats(); }

// Of the element type that a gradient of x has.
inline Tensor upload_like(const Ctx& ctx, const Floats& values, const Tensor& x) {
  const Tensor t = ctx.empty(x.shape(), x.purpose() == Purpose::Weights ? Dtype::F32 : x.dtype());
  write_floats(t, 0, t.count(), values.data());
  return t;
}

// Forward, then backward with the given cotangents, in `pool`.
inline Result run_case(const Case& c, const std::shared_ptr<Pool>& pool, const RunOptions& options = {}) {
  Tape tape;
  Ctx ctx = make_ctx(pool, &tape);
  Result result;
  std::vector<Tensor> inputs = upload(ctx, c, options), seeds;
  for (size_t i = 0; i < options.seeds.size(); ++i)
    if (inputs[i].requires_grad()) {
      seeds.push_back(upload_like(ctx, options.seeds[i], inputs[i]));
      inputs[i].set_grad(seeds.back());
    } else {
      seeds.push_back({});
    }
  const auto first = [&c](Ctx& x, const std::vector<Tensor>& in) { return c.run(x, in)[0]; };
  std::vector<Tensor> outputs = options.recompute ? std::vector{recompute(ctx, inputs, first)} : c.run(ctx, inputs);
  for (const Tensor& t : outputs) result.outputs.push_back(download(t));
  for (size_t i = 0; i < outputs.size() && i < options.cotangents.size(); ++i)
    if (!options.cotangents[i].empty() && outputs[i].requires_grad())
      outputs[i].set_grad(upload_like(ctx, options.cotangents[i], outputs[i]));
  outputs.clear();
  tape.backward(ctx);
  for (size_t i = 0; i < inputs.size(); ++i) {
    result.gradients.push_back(download(inputs[i].grad()));
    if (inputs[i].grad() && !inputs[i].requires_grad())
      result.broken = c.inputs[i].name + " is not trained but has a gradient";
    if (i < seeds.size() && download(seeds[i]) != (seeds[i] ? options.seeds[i] : Floats()))
      result.broken = c.inputs[i].name + ": a gradient that is shared with another tensor changed";
  }
  result.memory = pool->report();
  return result;
}

inline Result run_case(const Case& c, const RunOptions& options = {}) {
  return run_case(c, std::make_shared<Pool>(run_device), options);
}

// ------------------------------------------------------------------ comparing

inline double norm(const double* x, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; ++i) sum += x[i] * x[i];
  return std::sqrt(sum);
}

// Relative norm of the difference, over the tensor and for the worst row (a single bad row disappears in a global
// norm). A row is measured against its own norm, or a thousandth of the typical row when it is smaller than that.
inline std::string compare(const std::string& what, const Floats& got, const Array& wanted, int64_t width,
                           double tolerance) {
  if (got.size() != wanted.size()) return concat(what, " has ", got.size(), " elements, expected ", wanted.size());
  Array difference(got.size());
  for (size_t i = 0; i < got.size(); ++i) {
    if (std::isfinite(got[i]) != std::isfinite(wanted[i]))
      return concat(what, "[", i, "] is ", got[i], ", expected ", wanted[i]);
    difference[i] = double(got[i]) - wanted[i];
  }
  const size_t w = size_t(std::max<int64_t>(1, width)), rows = wanted.size() / w;
  const double total = norm(wanted.data(), wanted.size());
  const double r = norm(difference.data(), difference.size());
  if (r > tolerance * total) return concat(what, " has relative error ", r / total, ", expected ", tolerance);
  const double floor = 1e-3 * total / std::sqrt(double(std::max<size_t>(1, rows)));
  for (size_t row = 0; row < rows; ++row) {
    const double own = std::max(floor, norm(wanted.data() + row * w, w));
    const double error = norm(difference.data() + row * w, w);
    if (error > 4 * tolerance * own) return concat(what, " row ", row, " has relative error ", error / own);
  }
  return "";
}

inline bool same_bits(const Floats& a, const Floats& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

inline std::string compare_bits(const std::string& what, const Floats& got, const Floats& wanted) {
  if (same_bits(got, wanted)) return "";
  if (got.size() != wanted.size()) return concat(what, " has ", got.size(), " elements, expected ", wanted.size());
  for (size_t i = 0; i < got.size(); ++i)
    if (std::memcmp(&got[i], &wanted[i], sizeof(float)) != 0)
      return concat(what, "[", i, "] is ", got[i], ", expected the bits of ", wanted[i]);
  return "";
}

inline std::string compare_bits(const Case& c, const Result& got, const Result& wanted) {
  std::string detail = got.broken;
  for (size_t i = 0; i < wanted.outputs.size() && detail.empty(); ++i)
    detail = compare_bits(concat("output ", i), got.outputs[i], wanted.outputs[i]);
  for (size_t i = 0; i < wanted.gradients.size() && detail.empty(); ++i)
    detail = compare_bits("gradient of " + c.inputs[i].name, got.gradients[i], wanted.gradients[i]);
  return detail;
}

// Runs body with 1, 2 and 3 threads; its results must have the same bits.
template <class Body>
std::string same_for_all_threads(const Body& body) {
  const int before = num_threads();
  std::vector<Floats> results;
  for (int n : {1, 2, 3}) {
    set_num_threads(n);
    results.push_back(body());
  }
  set_num_threads(before);
  const auto detail = compare_bits("2 threads", results[1], results[0]);
  return detail.empty() ? compare_bits("3 threads", results[2], results[0]) : detail;
}

}  // namespace rft::test
