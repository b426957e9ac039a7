// The instructions of sm_80: cp.async, ldmatrix and mma.sync in correct kernels against fp64, and with planted bugs.
#include "harness.h"
#include "numbers.h"
#include "tensor_core_kernels.cuh"

using namespace rft::simt;
using namespace rft::test;

namespace {

std::vector<double> product(const Bf16s& a, const Bf16s& b, int M, int N, int K) {
  std::vector<double> c;
  for (int i = 0; i < M; ++i)
    for (int j = 0; j < N; ++j) {
      double sum = 0;
      for (int k = 0; k < K; ++k) sum += double(float(a[size_t(i * K + k)])) * double(float(b[size_t(j * K + k)]));
      c.push_back(sum);
    }
  return c;
}

std::string gemm(int M, int N, int K, Bug bug) {
  const Bf16s a = to_bf16(random_floats(size_t(M * K), 1, 1)), b = to_bf16(random_floats(size_t(N * K), 1, 2));
  Buffer<bf16> da(a), db(b);
  Buffer<float> dc(size_t(M) * size_t(N));
  const dim3 grid(unsigned(N + kTile - 1) / kTile, unsigned(M + kTile - 1) / kTile);
  launch(Launch{"mma_gemm", grid, dim3(128)}, mma_gemm, da.get(), db.get(), dc.get(), M, N, K, bug);
  if (kCheckedBuild && !dc.all_written()) return "not every output was written";
  if (stats().ldmatrix_conflicts != 0) return rft::concat(stats().ldmatrix_conflicts, " bank conflicts");
  return close(dc.host(), product(a, b, M, N, K), 1e-4, 1e-5);
}

void check_gemm() {
  expect_clean("mma gemm 64 x 64 x 64", [] { return gemm(64, 64, 64, Bug::None); });
  expect_clean("mma gemm 70 x 130 x 72", [] { return gemm(70, 130, 72, Bug::None); });
  expect_clean("mma gemm 1 x 1 x 8", [] { return gemm(1, 1, 8, Bug::None); });
  expect_report("mma gemm, missing barrier", "race", [] { gemm(64, 64, 96, Bug::NoBarrier); });
  expect_report("mma gemm, missing wait", "race", [] { gemm(64, 64, 96, Bug::NoWait); });
  expect_report("mma gemm, row past the end", "bounds", [] { gemm(63, 60, 32, Bug::ReadsPastTheEnd); });
  expect_report("mma gemm, misaligned copy", "misaligned", [] { gemm(64, 64, 32, Bug::Misaligned); });
  expect_report("mma by half a warp", "divergence", [] { gemm(64, 64, 32, Bug::HalfWarp); });
  use(kSchedules[0]);
  report("mma gemm, swapped fragment halves give wrong numbers",
         gemm(64, 64, 64, Bug::SwappedHalves).empty() ? "the result is right" : "");
}

// Element 2c, 2c + 1 of a row of matrix m in lane 4 row + c; transposed, row and column change places.
uint32_t want_ldmatrix(unsigned lane, unsigned m, bool trans) {
  const unsigned outer = lane / 4, inner = lane % 4 * 2;
  const auto value = [&](unsigned h) {
    return trans ? m * 64 + (inner + h) * 8 + outer : m * 64 + outer * 8 + inner + h;
  };
  return value(0) | value(1) << 16;
}

void check_layouts() {
  expect_clean("ldmatrix of one, two and four matrices", [] {
    Buffer<uint32_t> out(32 * 14);
    launch(Launch{"ldmatrix_layouts", dim3(1), dim3(32)}, ldmatrix_layouts, out.get());
    const unsigned matrix[7] = {0, 0, 1, 0, 1, 2, 3};
    return compare(out, [&](int i) { return want_ldmatrix(unsigned(i) / 14, matrix[i % 14 % 7], i % 14 >= 7); });
  });
}

std::string copies(int missing, bool wait) {
  Buffer<float> in(std::vector<float>(128 - size_t(missing) / 4, 1.0f)), out(32);
  launch(Launch{"copy_sizes", dim3(1), dim3(32)}, copy_sizes, in.get(), out.get(), missing, wait);
  const int floats = missing / 4;
  return compare(out,
                 [&](int i) { return i < 31 ? 7.0f : float((floats < 1) + std::max(0, 2 - floats) + 4 - floats); });
}

void check_copies() {
  expect_clean("cp.async of 4, 8 and 16 bytes", [] { return copies(0, true); });
  expect_clean("cp.async with 4 bytes of zeros", [] { return copies(4, true); });
  expect_clean("cp.async with 12 bytes of zeros", [] { return copies(12, true); });
  expect_report_if_checked("cp.async, one group waited for of two", "race", [] { copies(0, false); });
  expect_report("cp.async that nobody waits for", "async", [] {
    Buffer<float4> in(std::vector<float4>(32, {1, 2, 3, 4}));
    launch(Launch{"forget_copy", dim3(1), dim3(32)}, forget_copy, in.get());
  });
}

}  // namespace

int main() {
  check_gemm();
  check_layouts();
  check_copies();
  return failures != 0;
}
