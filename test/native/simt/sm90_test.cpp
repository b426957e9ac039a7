// The instructions of sm_90a: mbarrier, TMA, wgmma and setmaxnreg in correct kernels against fp64, and with planted
// bugs.
#include "harness.h"
#include "numbers.h"
#include "simt/tensor_map.h"
#include "sm90_kernels.cuh"

using namespace rft::simt;
using namespace rft::test;

namespace {

// a (m, k) b, b (n, k) or (k, n)
std::vector<double> product(const Bf16s& a, const Bf16s& b, int m, int n, int k, bool trans_b) {
  std::vector<double> c;
  for (int i = 0; i < m; ++i)
    for (int j = 0; j < n; ++j) {
      double sum = 0;
      for (int x = 0; x < k; ++x)
        sum += double(float(a[size_t(i * k + x)])) * double(float(b[size_t(trans_b ? x * n + j : j * k + x)]));
      c.push_back(sum);
    }
  return c;
}

template <bool TransB>
std::string gemm(int m, int n, int k, Bug bug = Bug::None) {
  const Bf16s a = to_bf16(random_floats(size_t(m * k), 1, 1)), b = to_bf16(random_floats(size_t(n * k), 1, 2));
  Buffer<bf16> da(a), db(b);
  Buffer<float> dc(size_t(m) * size_t(n));
  const TensorMap map_a = tensor_map_2d(da.get(), m, k, k, kM, kK);
  const TensorMap map_b = TransB ? tensor_map_2d(db.get(), k, n, n, kK, 64) : tensor_map_2d(db.get(), n, k, k, kN, kK);
  const Launch l{"wgmma_gemm", dim3(unsigned(n + kN - 1) / kN, unsigned(m + kM - 1) / kM), dim3(384),
                 sizeof(GemmShared)};
  launch(l, wgmma_gemm<TransB>, map_a, map_b, dc.get(), m, n, k, bug);
  if (kCheckedBuild && !dc.all_written()) return "not every output was written";
  return close(dc.host(), product(a, b, m, n, k, TransB), 1e-4, 1e-5);
}

template <int N>
std::string stored(Bug bug = Bug::None) {
  const Bf16s a = to_bf16(random_floats(64 * 16, 1, 3)), b = to_bf16(random_floats(N * 16, 1, 4));
  Buffer<bf16> da(a), db(b);
  Buffer<float> dc(64 * N);
  const Launch l{"stored_operands", dim3(1), dim3(128), (64 + N) * 128};
  launch(l, stored_operands<N>, da.get(), db.get(), dc.get(), bug);
  return close(dc.host(), product(a, b, 64, N, 16, false), 1e-4, 1e-5);
}

std::string attention(int rows, Bug bug = Bug::None) {
  const Bf16s q = to_bf16(random_floats(size_t(rows) * 128, 1, 5)), k = to_bf16(random_floats(128 * 128, 1, 6)),
              v = to_bf16(random_floats(128 * 128, 1, 7));
  Buffer<bf16> dq(q), dk(k), dv(v), out(size_t(rows) * 128);
  const auto map = [](const Buffer<bf16>& x, int n, uint32_t box_rows) {
    return tensor_map_2d(x.get(), uint64_t(n), 128, 128, box_rows, 64);
  };
  launch(Launch{"attention_core", dim3(unsigned(rows + 63) / 64), dim3(128), sizeof(CoreShared)}, attention_core,
         map(dq, rows, 64), map(dk, 128, 128), map(dv, 128, 128), map(out, rows, 64), bug);
  if (kCheckedBuild && !out.all_written()) return "not every output was written";
  std::vector<double> scores = product(q, k, rows, 128, 128, false);
  Floats p;
  for (const double s : scores) p.push_back(float(s / 8));
  return close(out.host(), product(to_bf16(p), v, rows, 128, 128, true), 0.05, 0.01);
}

template <int N>
void check_stored(const char* name) {
  expect_clean(name, [] { return stored<N>(); });
}

}  // namespace

int main() {
  expect_clean("wgmma gemm 128 x 128 x 256", [] { return gemm<false>(128, 128, 256); });
  expect_clean("wgmma gemm 72 x 136 x 200, b transposed", [] { return gemm<true>(72, 136, 200); });
  check_stored<64>("wgmma of 64 columns from stored operands");
  check_stored<128>("wgmma of 128 columns from stored operands");
  check_stored<256>("wgmma of 256 columns from stored operands");
  expect_clean("attention core of 100 rows", [] { return attention(100); });

  const auto planted = [](const std::string& name, const std::string& kind, Bug bug) {
    expect_report("wgmma gemm, " + name, kind, [bug] { gemm<false>(128, 128, 320, bug); });
  };
  planted("producer ignores empty stages", "mbarrier or race or deadlock", Bug::IgnoresEmpty);
  planted("no wgmma.fence", "wgmma", Bug::NoFence);
  planted("no fence.mbarrier_init", "mbarrier", Bug::NoBarrierFence);
  planted("half of the bytes expected", "race", Bug::ExpectsHalf);
  planted("more registers than launched", "registers", Bug::TooManyRegisters);
  planted("stage released too early", "race", Bug::ReleasesEarly);
  report("a box of more than 256 rows is refused", [] {
    const Buffer<bf16> x(257 * 64);
    try {
      tensor_map_2d(x.get(), 257, 64, 64, 257, 64);
    } catch (const rft::Error& e) {
      return std::string(e.what()).find("256 rows") == std::string::npos ? std::string(e.what()) : std::string();
    }
    return std::string("it was taken");
  }());
  use(kSchedules[0]);
  report("wgmma gemm, wrong descriptor stride gives wrong numbers",
         gemm<false>(128, 128, 64, Bug::WrongStride).empty() ? "the result is right" : "");
  report("wgmma gemm, accumulators read too early are NaN",
         gemm<false>(128, 128, 64, Bug::ReadsEarly).find("nan") == std::string::npos ? "no NaN" : "");
  expect_report_if_checked("stored operands, no proxy fence", "proxy", [] { stored<128>(Bug::NoProxyFence); });
  expect_report_if_checked("TMA store, no proxy fence", "proxy", [] { attention(64, Bug::NoProxyFence); });
  expect_report("TMA store that nobody waits for", "async", [] { attention(64, Bug::NoStoreWait); });
  return failures != 0;
}
