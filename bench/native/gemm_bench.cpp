// Matrix products, square and as training and decoding have them. Peer: bench/peers/gemm.py.
//   gemm_bench [filter]
//   gemm_bench kind m n k    kind: nn, nt, tn (weight gradient), packed, packed bf16
// RFT_THREADS and RFT_ISA choose the setting.
#include <cstdlib>

#include "simd/gemm.h"
#include "timing.h"

using namespace rft;
using simd::Trans;

namespace {

struct Product {
  std::string kind;
  int64_t m, n, k;
};

// Against sums in double, on 16 rows.
double error_of(const Product& p, const float* a, int64_t a_row, int64_t a_column, const float* b, int64_t b_row,
                int64_t b_column, const float* c) {
  std::vector<float> got;
  std::vector<double> wanted;
  for (int64_t i = 0; i < p.m; i += std::max<int64_t>(1, p.m / 16))
    for (int64_t j = 0; j < p.n; j += std::max<int64_t>(1, p.n / 64)) {
      double sum = 0;
      for (int64_t k = 0; k < p.k; ++k) sum += double(a[i * a_row + k * a_column]) * b[k * b_row + j * b_column];
      got.push_back(c[i * p.n + j]);
      wanted.push_back(sum);
    }
  return bench::relative_error(got, wanted);
}

void run(const Product& p) {
  const std::string kernel = "gemm " + p.kind, shape = concat(p.m, "x", p.n, "x", p.k);
  if (!bench::wanted(kernel, shape)) return;
  const Ctx ctx = bench::make_ctx();
  const bool bf16 = p.kind == "packed bf16", packed = bf16 || p.kind == "packed";
  const Trans ta = p.kind == "tn" ? Trans::Yes : Trans::No, tb = p.kind == "nt" || packed ? Trans::Yes : Trans::No;
  const Tensor a = bench::noise(ctx, {p.m * p.k}), b = bench::noise(ctx, {p.n * p.k}), c = ctx.empty({p.m, p.n});
  const int64_t lda = ta == Trans::Yes ? p.m : p.k, ldb = tb == Trans::Yes ? p.k : p.n;
  const Tensor panels = ctx.empty({packed ? simd::packed_size(p.n, p.k) : 1});
  auto* half = reinterpret_cast<uint16_t*>(panels.f32());  // half of the room is enough
  if (bf16) simd::pack_b_bf16(tb, p.n, p.k, b.f32(), ldb, half);
  else if (packed) simd::pack_b(tb, p.n, p.k, b.f32(), ldb, panels.f32());
  const auto product = [&] {
    if (bf16) simd::gemm_packed_bf16(ta, p.m, p.n, p.k, a.f32(), lda, half, 0.0f, c.f32(), p.n);
    else if (packed) simd::gemm_packed(ta, p.m, p.n, p.k, a.f32(), lda, panels.f32(), 0.0f, c.f32(), p.n);
    else simd::gemm(ta, tb, p.m, p.n, p.k, a.f32(), lda, b.f32(), ldb, 0.0f, c.f32(), p.n);
  };
  product();
  const bool at = ta == Trans::Yes, bt = tb == Trans::Yes;
  const double error = error_of(p, a.f32(), at ? 1 : lda, at ? lda : 1, b.f32(), bt ? 1 : ldb, bt ? ldb : 1, c.f32());
  const double bytes = 4.0 * double(p.m * p.k + p.m * p.n) + (bf16 ? 2.0 : 4.0) * double(p.n * p.k);
  bench::Work work(2.0 * double(p.m * p.n * p.k), bytes, error);
  if (bf16) work.dtype = "f32 x bf16";
  bench::row(kernel, shape, work, product);
}

std::vector<Product> products() {
  std::vector<Product> all;
  for (const char* kind : {"nn", "nt", "tn"}) all.push_back({kind, 1024, 1024, 1024});
  for (const int64_t m : {1, 2, 4, 6, 8, 12, 16, 64})
    for (const char* kind : {"packed", "packed bf16"}) all.push_back({kind, m, 4096, 1024});
  for (const int64_t m : {1, 8, 64}) all.push_back({"packed", m, 512, 128});
  for (const int64_t n : {64, 256, 512}) all.push_back({"nt", n, n, n});
  all.push_back({"nt", 256, 32000, 512});
  for (const int64_t m : {500, 2000, 8000})
    for (const auto& [n, k] : {std::pair<int64_t, int64_t>{128, 128}, {384, 128}, {128, 384}}) {
      all.push_back({"nt", m, n, k});
      all.push_back({"nn", m, n, k});
      all.push_back({"tn", n, k, m});
    }
  return all;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 5) {
    run({argv[1], std::atol(argv[2]), std::atol(argv[3]), std::atol(argv[4])});
    return 0;
  }
  bench::filter = argc > 1 ? argv[1] : "";
  for (const Product& p : products()) run(p);
  return 0;
}
