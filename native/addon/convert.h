// Between JavaScript values and the engine's structs. Typed arrays are copied on the JavaScript thread, so a caller may
// reuse its buffers at once. Every mismatch throws a TypeError that names the field.
#pragma once
#include <napi.h>

#include <string>
#include <vector>

#include "engine/generate.h"
#include "engine/training.h"
#include "io/tensor_file.h"
#include "optim/optimizer.h"

namespace rft {

// A JavaScript object with the path that leads to it, for error messages.
class Field {
 public:
  Field(Napi::Value value, std::string path) : value_(value), path_(std::move(path)) {}
  Field operator[](const char* key) const;
  Field operator[](uint32_t index) const;

  bool is_null() const { return value_.IsNull() || value_.IsUndefined(); }
  const std::string& path() const { return path_; }
  Napi::Value value() const { return value_; }
  double number() const;
  int64_t integer() const;
  bool boolean() const;
  std::string text() const;
  uint32_t length() const;  // of an array
  std::vector<float> floats() const;
  std::vector<int32_t> ints() const;
  std::vector<uint8_t> bytes() const;
  std::vector<uint32_t> uints() const;
  std::vector<std::string> texts() const;
  std::vector<int64_t> integers() const;  // a plain array of numbers

 private:
  [[noreturn]] void wrong(const char* expected) const;
  template <class T>
  std::vector<T> typed(napi_typedarray_type type, const char* name) const;
  Napi::Value value_;
  std::string path_;
};

// How a pass over a model is run; absent fields have these defaults.
struct PassOptions {
  bool recompute = false;
  bool adapters = true;
  uint64_t dropout = 0;  // random stream; 0: nothing is dropped
};

ModelSpec model_spec(const Field& spec);
PassOptions pass_options(const Napi::Value& options);
Pack pack_input(const Field& pack);
HeadRows head_rows(const Field& head);
std::vector<TensorSource> tensor_sources(const Field& list);
std::vector<TensorSink> tensor_sinks(const Field& list);
std::vector<GenerateRequest> generate_requests(const Field& list);
GenerateOptions generate_options(const Field& options);
OptimizerOptions optimizer_options(const Field& options);

Napi::Value shape_to_js(Napi::Env env, const Shape& shape);
Napi::Value floats_to_js(Napi::Env env, const std::vector<float>& values);
Napi::Value bytes_to_js(Napi::Env env, const std::vector<uint8_t>& values);
Napi::Value ints_to_js(Napi::Env env, const std::vector<int32_t>& values);
Napi::Value score_to_js(Napi::Env env, const ScoreOutput& out);
Napi::Value generated_to_js(Napi::Env env, const std::vector<Generated>& all);

// Runs a synchronous body; native errors become JavaScript errors.
template <class Body>
auto guarded(Napi::Env env, Body body) {
  try {
    return body();
  } catch (const Napi::Error&) {
    throw;
  } catch (const std::exception& e) {
    throw Napi::Error::New(env, e.what());
  }
}

}  // namespace rft
