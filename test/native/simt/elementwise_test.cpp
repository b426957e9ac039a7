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

// Shares of 1 must copy: a reference that is synchronised periodically is the policy to the bit.
template <class T>
std::string mix(size_t n, float share) {
  const Floats a = random_floats(n, 1, 3), b = random_floats(n, 1, 4);
  std::vector<T> other, own;
  std::vector<double> want;
  for (size_t i = 0; i < n; ++i) {
    other.push_back(T(a[i])), own.push_back(T(b[i]));
    want.push_back(double(share) * double(float(other[i])) + (1.0 - double(share)) * double(float(own[i])));
  }
  Buffer<T> d_other(other), d_own(own);
  rft::cuda::mix(d_other.get(), share, d_own.get(), int64_t(n), nullptr);
  const auto got = d_own.host();
  for (size_t i = 0; share == 1 && i < n; ++i)
    if (float(got[i]) != float(other[i])) return rft::concat("element ", i, " is not the other's");
  return close(got, want, 1e-7, sizeof(T) == 2 ? 4e-3 : 1e-6);
}

}  // namespace

int main() {
  for (const size_t n : {size_t(1), size_t(8), size_t(257), size_t(2048)}) {
    expect_clean(rft::concat("add fp32 n=", n), [n] { return add<float>(n); });
    expect_clean(rft::concat("add bf16 n=", n), [n] { return add<bf16>(n); });
    for (const float share : {0.25f, 1.0f}) {
      expect_clean(rft::concat("mix fp32 n=", n, " share=", share), [=] { return mix<float>(n, share); });
      expect_clean(rft::concat("mix bf16 n=", n, " share=", share), [=] { return mix<bf16>(n, share); });
    }
  }
  return failures != 0;
}
