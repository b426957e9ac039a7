// Columns of one call of a stand-alone kernel: typed arrays, read and written in place while JavaScript waits, or
// device buffers. The first one says which; results are of the same kind.
#pragma once
#include <napi.h>

#include "addon/convert.h"
#include "addon/device_buffer.h"
#include "tensor/ctx.h"

namespace rft {

template <class T>
struct Column {
  const T* data = nullptr;
  int64_t size = 0;
};

template <class T>
struct OutColumn {
  Napi::Value value;
  T* data;
};

class Columns {
 public:
  explicit Columns(Napi::Env env) : env_(env) {}

  template <class T>
  Column<T> any(const Field& f);  // of any length
  template <class T>
  const T* of(const Field& f, int64_t n);  // of n values
  template <class T>
  const T* optional(const Field& f, int64_t n) {  // nullptr where it is absent
    return f.is_null() ? nullptr : of<T>(f, n);
  }
  template <class T>
  OutColumn<T> out(int64_t n);
  // Where the kernel runs.
  Ctx ctx() const;

 private:
  enum class Place { Unknown, Host, Device };
  void settle(const Field& f, Place place);
  Napi::Env env_;
  Place place_ = Place::Unknown;
};

}  // namespace rft
