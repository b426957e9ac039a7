#include <cmath>
#include <cstring>

#include "addon/convert.h"

namespace rft {

Field Field::operator[](const char* key) const {
  if (!value_.IsObject()) wrong("an object");
  return {value_.As<Napi::Object>().Get(key), path_ + "." + key};
}

Field Field::operator[](uint32_t index) const {
  if (!value_.IsArray()) wrong("an array");
  return {value_.As<Napi::Array>().Get(index), path_ + "[" + std::to_string(index) + "]"};
}

void Field::wrong(const char* expected) const {
  const std::string got = value_.IsUndefined() ? "undefined" : value_.IsNull() ? "null" : value_.ToString().Utf8Value();
  throw Napi::TypeError::New(value_.Env(), path_ + ": expected " + expected + " but received " + got.substr(0, 80));
}

double Field::number() const {
  if (!value_.IsNumber()) wrong("a number");
  return value_.As<Napi::Number>().DoubleValue();
}

int64_t Field::integer() const {
  const double n = value_.IsNumber() ? number() : NAN;
  if (!(std::floor(n) == n && std::fabs(n) <= 9007199254740991.0)) wrong("an integer");
  return int64_t(n);
}

bool Field::boolean() const {
  if (!value_.IsBoolean()) wrong("true or false");
  return value_.As<Napi::Boolean>().Value();
}

std::string Field::text() const {
  if (!value_.IsString()) wrong("a string");
  return value_.As<Napi::String>().Utf8Value();
}

uint32_t Field::length() const {
  if (!value_.IsArray()) wrong("an array");
  return value_.As<Napi::Array>().Length();
}

template <class T>
std::vector<T> Field::typed(napi_typedarray_type type, const char* name) const {
  if (!value_.IsTypedArray() || value_.As<Napi::TypedArray>().TypedArrayType() != type) wrong(name);
  const auto array = value_.As<Napi::TypedArrayOf<T>>();
  return std::vector<T>(array.Data(), array.Data() + array.ElementLength());
}

std::vector<float> Field::floats() const { return typed<float>(napi_float32_array, "a Float32Array"); }
std::vector<int32_t> Field::ints() const { return typed<int32_t>(napi_int32_array, "an Int32Array"); }
std::vector<uint8_t> Field::bytes() const { return typed<uint8_t>(napi_uint8_array, "a Uint8Array"); }
std::vector<uint32_t> Field::uints() const { return typed<uint32_t>(napi_uint32_array, "a Uint32Array"); }

std::vector<std::string> Field::texts() const {
  std::vector<std::string> out;
  for (uint32_t i = 0; i < length(); ++i) out.push_back((*this)[i].text());
  return out;
}

std::vector<int64_t> Field::integers() const {
  std::vector<int64_t> out;
  for (uint32_t i = 0; i < length(); ++i) out.push_back((*this)[i].integer());
  return out;
}

}  // namespace rft
