// Elementwise kernels against fp64: float and bf16, whole packs and ragged ends.
#include "harness.h"
#include "numbers.h"
#include "tensor/launch.h"

using namespace rft::simt;
using namespace rft::test;

namespace {

template <class T>
std::string add(size_t n) {
  const Floats a = random_floats(n, 1, 1), b = random_floats(n, 1, 2);
  std::vector<T> ta, tb;
  std::vector<double> want;
  for (size_t i = 0; i < n; ++i) {
    ta.push_back(T(a[i])), tb.push_back(T(b[i]));
    want.push_back(double(float(ta[i])) + double(float(tb[i])));
  }
  Buffer<T> da(ta), db(tb), dy(n);
  rft::cuda::add(da.get(), db.get(), dy.get(), int64_t(n), nullptr);
  if (kCheckedBuild && !dy.all_written()) return "not every output was written";
  return close(dy.host(), want, 1e-7, sizeof(T) == 2 ? 4e-3 : 1e-6);
}

}  // namespace

int main() {
  for (const size_t n : {size_t(1), size_t(8), size_t(257), size_t(2048)}) {
    expect_clean(rft::concat("add fp32 n=", n), [n] { return add<float>(n); });
    expect_clean(rft::concat("add bf16 n=", n), [n] { return add<bf16>(n); });
  }
  return failures != 0;
}
