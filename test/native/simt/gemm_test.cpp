// Matrix products against fp64: forms, tiles, tails, strides, alignments; and that a row's bits are its own.
#include <cstring>
#include <optional>

#include "harness.h"
#include "has_wgmma.h"
#include "numbers.h"
#include "ops/gemm/gemm.cuh"
#include "ops/gemm/gemm_sm90.cuh"
#include "ops/gemm/launch.h"
#include "simt/tensor_map.h"

using namespace rft::cuda;
using namespace rft::test;
using rft::concat;
using rft::simt::bf16;
using rft::simt::Buffer;
using rft::simt::kCheckedBuild;

namespace {

struct Case {
  Form form;
  int m, n, k;
  bool bias = false, accumulate = false;
  int pad = 0;    // elements between stored rows, NaN
  int shift = 0;  // elements by which the operands miss their alignment
};

std::string name_of(const Case& c, const char* types) {
  const char* forms[] = {"NT", "NN", "TN"};
  return concat("gemm ", types, " ", forms[int(c.form)], " ", c.m, " x ", c.n, " x ", c.k, c.bias ? " bias" : "",
                c.accumulate ? " accumulate" : "", c.pad ? concat(" pad ", c.pad) : "", c.shift ? " unaligned" : "");
}

// A stored (rows, cols) matrix with `pad` NaN after each row and `shift` NaN in front.
template <class T>
struct Stored {
  int rows, cols, pad, shift;
  std::vector<T> values;
  Stored(int r, int c, int p, int s, uint64_t seed)
      : rows(r), cols(c), pad(p), shift(s), values(size_t(s + r * (c + p)), T(std::nanf(""))) {
    const Floats x = random_floats(size_t(r * c), 1, seed);
    for (int i = 0; i < r; ++i)
      for (int j = 0; j < c; ++j) values[index(i, j)] = T(x[size_t(i * c + j)]);
  }
  size_t index(int i, int j) const { return size_t(shift + i * (cols + pad) + j); }
  double at(int i, int j) const { return double(float(values[index(i, j)])); }
};

template <class In, class Out, bool Wgmma = false>
std::string run(const Case& c) {
  const bool ta = c.form == Form::TN, tb = c.form == Form::NT;
  const Stored<In> a(ta ? c.k : c.m, ta ? c.m : c.k, c.pad, c.shift, 1),
      b(tb ? c.n : c.k, tb ? c.k : c.n, c.pad, c.shift, 2);
  const Stored<In> bias(1, c.n, 0, 0, 3);
  const Stored<Out> old(c.m, c.n, c.pad, 0, 4);
  Buffer<In> da(a.values), db(b.values), dbias(bias.values);
  std::optional<Buffer<Out>> written;
  if (c.accumulate || c.pad) written.emplace(old.values);
  else written.emplace(old.values.size());
  const Buffer<Out>& dc = *written;
  const Gemm g{c.form, c.m, c.n, c.k, a.cols + c.pad, b.cols + c.pad, c.n + c.pad, c.accumulate};
  const In *pa = da.get() + c.shift, *pb = db.get() + c.shift, *pbias = c.bias ? dbias.get() : nullptr;
  if constexpr (Wgmma) gemm_sm90(g, pa, pb, pbias, dc.get(), nullptr);
  else gemm(g, pa, pb, pbias, dc.get(), nullptr);
  if (kCheckedBuild && !dc.all_written()) return "not every output was written";
  const std::vector<Out> got = dc.host();
  const double relative = sizeof(Out) == 2 ? 0x1.02p-8 : 1e-5;  // half a unit of bf16
  for (int i = 0; i < c.m; ++i) {
    for (int j = 0; j < c.n; ++j) {
      double want = (c.bias ? bias.at(0, j) : 0) + (c.accumulate ? old.at(i, j) : 0);
      for (int k = 0; k < c.k; ++k) want += (ta ? a.at(k, i) : a.at(i, k)) * (tb ? b.at(j, k) : b.at(k, j));
      const double have = double(float(got[old.index(i, j)]));
      if (!(std::fabs(have - want) <= 1e-4 + relative * std::fabs(want)))
        return concat("(", i, ",", j, "): ", have, ", want ", want);
    }
    for (int j = c.n; j < c.n + c.pad; ++j)
      if (!std::isnan(float(got[old.index(i, j)]))) return concat("row ", i, " was written past its end");
  }
  return "";
}

template <class In, class Out>
void check(const char* types, const std::vector<Case>& cases) {
  for (const Case& c : cases) expect_clean(name_of(c, types), [&] { return run<In, Out>(c); });
}

void check_shapes() {
  check<bf16, bf16>("bf16", {{Form::NT, 17, 63, 40, true},
                             {Form::NT, 65, 130, 72, true, true},
                             {Form::NT, 66, 31, 129, false, false, 3},  // rows not aligned
                             {Form::NN, 65, 24, 63},
                             {Form::NN, 5, 72, 8, false, true, 8},
                             {Form::TN, 72, 65, 33}});
  check<bf16, float>("bf16 to fp32", {{Form::NT, 1, 129, 16},  // one warp of weights
                                      {Form::NT, 12, 40, 264, true},
                                      {Form::NT, 33, 70, 24, false, true},
                                      {Form::NT, 3, 5, 7, true, false, 0, 1},
                                      {Form::NN, 70, 7, 9, false, false, 0, 1},
                                      {Form::TN, 64, 136, 17, false, true, 8},
                                      {Form::TN, 13, 70, 40, false, true, 1},
                                      {Form::TN, 9, 16, 0, false, true}});  // no rows: nothing is added
  check<float, float>("fp32", {{Form::NT, 1, 65, 40, true},
                               {Form::NT, 67, 3, 33, true, true, 2},
                               {Form::NN, 17, 65, 16},
                               {Form::TN, 66, 18, 5, false, true, 1}});
}

bool same_bits(const Buffer<float>& a, const Buffer<float>& b) {
  const Floats x = a.host(), y = b.host();
  return std::memcmp(x.data(), y.data(), x.size() * sizeof(float)) == 0;
}

// The tile for large products, which the sizes of a test would not select.
std::string large_tile(int m, int n, int k) {
  const Bf16s a = to_bf16(random_floats(size_t(m * k), 1, 1)), b = to_bf16(random_floats(size_t(n * k), 1, 2));
  Buffer<bf16> da(a), db(b);
  Buffer<float> got(size_t(m * n)), want(size_t(m * n));
  const unsigned blocks = unsigned((m + 127) / 128 * ((n + 127) / 128));
  launch(Launch{"large", dim3(blocks), dim3(LargeTile::Threads), LargeTile::SharedBytes},
         gemm_kernel<LargeTile, Major::K, Major::K, true, float>, Operand{da.get(), k, m}, Operand{db.get(), k, n},
         int64_t(k), Result<float>{got.get(), n, m, n, nullptr, false, n % 2 == 0});
  if (kCheckedBuild && !got.all_written()) return "not every output was written";
  if (rft::simt::stats().ldmatrix_conflicts != 0) return "bank conflicts";
  gemm({Form::NT, m, n, k, k, k, n}, da.get(), db.get(), nullptr, want.get(), nullptr);
  if (rft::simt::stats().ldmatrix_conflicts != 0) return "bank conflicts of the small tile";
  return same_bits(got, want) ? "" : "not the bits of the small tile";
}

// The wide tile of sm_90a, which the sizes of a test would not select, has the bits of the others.
std::string wide_tile(int m, int n, int k) {
  const Bf16s a = to_bf16(random_floats(size_t(m * k), 1, 1)), b = to_bf16(random_floats(size_t(n * k), 1, 2));
  Buffer<bf16> da(a), db(b);
  Buffer<float> got(size_t(m * n)), want(size_t(m * n));
  const auto map = [&](const bf16* p, int rows, int box) {
    return rft::simt::tensor_map_2d(p, uint64_t(rows), uint64_t(k), uint64_t(k), uint32_t(box), 64);
  };
  const int64_t down = (m + 127) / 128, across = (n + 255) / 256;
  launch(Launch{"wide", dim3(unsigned(down * across)), dim3(WideTile::Threads), sizeof(WideTile)},
         gemm_sm90_kernel<WideTile, false, float>, map(da.get(), m, 128), map(db.get(), n, 256), down, across,
         (k + 63) / 64, Result<float>{got.get(), n, m, n, nullptr, false, n % 2 == 0});
  if (kCheckedBuild && !got.all_written()) return "not every output was written";
  for (int first = 0; first < m; first += 64) {  // by the kernel for decoding
    const int rows = std::min(64, m - first);
    gemm_sm90({Form::NT, rows, n, k, k, k, n}, da.get() + first * k, db.get(), nullptr, want.get() + first * n,
              nullptr);
  }
  return same_bits(got, want) ? "" : "not the bits of the decoding tile";
}

// y = x w^T row by row, in batches of every kernel: all the same bits.
template <class T, bool Wgmma = false>
std::string rows_alone(int n, int k, const std::vector<int>& batches) {
  const int most = 130;
  const Floats x = random_floats(size_t(most * k), 1, 5), w = random_floats(size_t(n * k), 1, 6);
  Buffer<T> dx(std::vector<T>(x.begin(), x.end())), dw(std::vector<T>(w.begin(), w.end()));
  const auto product = [&](int first, int m) {
    Buffer<float> y(size_t(m * n));
    const Gemm g{Form::NT, m, n, k, k, k, n};
    if constexpr (Wgmma) gemm_sm90(g, dx.get() + first * k, dw.get(), nullptr, y.get(), nullptr);
    else gemm(g, dx.get() + first * k, dw.get(), nullptr, y.get(), nullptr);
    return y.host();
  };
  const Floats all = product(0, most);
  for (const int m : batches) {
    const int first = 130 - m;
    const Floats some = product(first, m);
    if (std::memcmp(some.data(), all.data() + first * n, some.size() * sizeof(float)) != 0)
      return concat("a row of a batch of ", m, " differs from the same row of 130");
  }
  return "";
}

// Above all the fp32 product has the CPU's bits: one chain of fused multiply-adds.
std::string fp32_chain() {
  const int m = 18, n = 20, k = 37;
  const Floats a = random_floats(m * k, 1, 7), b = random_floats(n * k, 1, 8), c = random_floats(m * n, 1, 9);
  Buffer<float> da(a), db(b), dc(c);
  gemm({Form::NT, m, n, k, k, k, n, true}, da.get(), db.get(), nullptr, dc.get(), nullptr);
  return compare(dc, [&](int at) {
    float sum = c[size_t(at)];
    for (int i = 0; i < k; ++i) sum = std::fma(a[size_t(at / n * k + i)], b[size_t(at % n * k + i)], sum);
    return sum;
  });
}

void check_wgmma() {
  const auto check_one = [](const Case& c) {
    expect_clean(name_of(c, "wgmma"), [&] { return run<bf16, bf16, true>(c); });
    expect_clean(name_of(c, "wgmma to fp32"), [&] { return run<bf16, float, true>(c); });
  };
  for (const Case& c : {Case{Form::NT, 5, 67, 72, true}, Case{Form::NT, 130, 31, 40, true, true, 8}}) check_one(c);
  expect_clean("gemm wgmma wide tile 131 x 257 x 328", [] { return wide_tile(131, 257, 328); });
  use(kSchedules[2]);
  report("gemm wgmma: a row has the same bits in any batch", rows_alone<bf16, true>(72, 152, {1, 17, 64, 65}));
}

void check_bits() {
  expect_clean("gemm large tile 130 x 129 x 72", [] { return large_tile(130, 129, 72); });
  expect_clean("gemm large tile 64 x 258 x 200", [] { return large_tile(64, 258, 200); });
  use(kSchedules[2]);
  report("gemm bf16: a row has the same bits in any batch", rows_alone<bf16>(40, 152, {1, 8, 9, 17, 64, 65}));
  report("gemm bf16: the same with a k that is no multiple of 8", rows_alone<bf16>(24, 43, {1, 65}));
  report("gemm fp32: a row has the same bits in any batch", rows_alone<float>(40, 53, {1, 16, 17}));
  report("gemm fp32 is the CPU's chain", fp32_chain());
}

void check_errors() {
  std::string text;
  try {
    gemm({Form::NT, 2, 3, 8, 7, 8, 3}, static_cast<bf16*>(nullptr), nullptr, nullptr, static_cast<float*>(nullptr),
         nullptr);
  } catch (const rft::Error& e) {
    text = e.what();
  }
  report("gemm names the shape it cannot compute",
         text.find("gemm: expected") == 0 && text.find("NT (2,3,8) lda 7") != std::string::npos ? "" : "got " + text);
}

// Large enough for LargeTile, one row of many tiles along k.
void check_larger() {
  use(kSchedules[0]);
  report("gemm 1160 x 1100 x 40, large tiles", [] {
    const int m = 1160, n = 1100, k = 40;
    const Bf16s a = to_bf16(random_floats(size_t(m * k), 1, 1)), b = to_bf16(random_floats(size_t(n * k), 1, 2));
    Buffer<bf16> da(a), db(b);
    Buffer<float> c(size_t(m * n));
    gemm({Form::NT, m, n, k, k, k, n}, da.get(), db.get(), nullptr, c.get(), nullptr);
    std::vector<double> want(size_t(m * n));
    for (int i = 0; i < m; ++i)
      for (int j = 0; j < n; ++j)
        for (int x = 0; x < k; ++x)
          want[size_t(i * n + j)] += double(float(a[size_t(i * k + x)])) * double(float(b[size_t(j * k + x)]));
    return close(c.host(), want, 1e-4, 1e-5);
  }());
}

}  // namespace

int main() {
  if (kCheckedBuild || !SIMT_EMULATED) {
    check_shapes();
    if (has_wgmma()) check_wgmma();
    check_bits();
    check_errors();
  }
  if (!kCheckedBuild) {
    check_larger();
    check_bits();
  }
  return failures != 0;
}
