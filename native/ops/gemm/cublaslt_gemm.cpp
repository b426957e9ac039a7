// cublasLt is column-major: our row-major c (m, n) is its (n, m), and c^T = op(b)^T op(a)^T. So its A is our b and its
// B our a, stored as they are:
//
//          A = b                       B = a
//   NT   (k, n) transposed           (k, m) as stored
//   NN   (n, k) as stored            (k, m) as stored
//   TN   (n, k) as stored            (m, k) transposed
//
// Its bias runs along the rows of (n, m), which are our columns.
#include "ops/gemm/cublaslt_gemm.h"

#include <utility>

#include "ops/gemm/check.h"

namespace rft::cublaslt {

namespace {

using cuda::Form;
using cuda::Gemm;

constexpr int64_t kManyRows = 4096;  // an algorithm is chosen as if there were so many
constexpr int kWanted = 8;
constexpr uint32_t kAlignment = 16;

template <class T>
class Owned {
 public:
  explicit Owned(Status (*destroy)(T)) : destroy_(destroy) {}
  ~Owned() {
    if (value != nullptr) destroy_(value);
  }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  T value = nullptr;

 private:
  Status (*destroy_)(T);
};

// Everything that describes one product to the library.
struct Description {
  Owned<Desc> desc;
  Owned<Layout> a, b, c;

  Description(const Functions& f, const Gemm& g, DataType out, const void* bias)
      : desc(f.MatmulDescDestroy), a(f.MatrixLayoutDestroy), b(f.MatrixLayoutDestroy), c(f.MatrixLayoutDestroy) {
    const int32_t op_a = g.form == Form::NT ? kTransposed : kAsStored,
                  op_b = g.form == Form::TN ? kTransposed : kAsStored;
    bool ok = f.MatmulDescCreate(&desc.value, kCompute32F, R_32F) == kSuccess;
    ok = ok && set(f, DESC_TRANSA, op_a) && set(f, DESC_TRANSB, op_b);
    if (bias != nullptr)
      ok = ok && set(f, DESC_EPILOGUE, kEpilogueBias) && set(f, DESC_BIAS_POINTER, bias) &&
           set(f, DESC_BIAS_DATA_TYPE, int32_t(R_16BF));
    ok = ok && matrix(f, a, R_16BF, g.form == Form::NT ? g.k : g.n, g.form == Form::NT ? g.n : g.k, g.ldb) &&
         matrix(f, b, R_16BF, g.form == Form::TN ? g.m : g.k, g.form == Form::TN ? g.k : g.m, g.lda) &&
         matrix(f, c, out, g.n, g.m, g.ldc);
    if (!ok) fail("cublasLt", "a product it can describe", to_string(g));
  }

 private:
  template <class V>
  bool set(const Functions& f, DescAttribute attribute, const V& value) const {
    return f.MatmulDescSetAttribute(desc.value, attribute, &value, sizeof value) == kSuccess;
  }
  static bool matrix(const Functions& f, Owned<Layout>& to, DataType type, int64_t rows, int64_t cols, int64_t ld) {
    return f.MatrixLayoutCreate(&to.value, type, uint64_t(rows), uint64_t(cols), ld) == kSuccess;
  }
};

// The size that grows with the batch: rows of c, or for gradients of weights the length of the sums.
Gemm with_many_rows(Gemm g) {
  (g.form == Form::TN ? g.k : g.m) = kManyRows;
  return g;
}
std::pair<int64_t, int64_t> fixed_sizes(const Gemm& g) {
  return g.form == Form::TN ? std::pair(g.m, g.n) : std::pair(g.n, g.k);
}

bool aligned_rows(const void* p, int64_t ld, size_t element) {
  return reinterpret_cast<uintptr_t>(p) % kAlignment == 0 && size_t(ld) * element % kAlignment == 0;
}

}  // namespace

Products::Products(const Library& library) : call_(library.call) {
  if (library.path.empty()) fail("cublasLt", "a library", library.why);
  expect_success(call_.Create(&handle_), "a handle");
}

Products::~Products() {
  if (handle_ != nullptr) call_.Destroy(handle_);
}

void Products::expect_success(Status status, const char* what) const {
  if (status != kSuccess) fail("cublasLt", what, concat("status ", status, ", ", call_.GetStatusString(status)));
}

bool Products::aligned(const Call& c) {
  return aligned_rows(c.a, c.gemm.lda, 2) && aligned_rows(c.b, c.gemm.ldb, 2) &&
         aligned_rows(c.c, c.gemm.ldc, c.out == R_16BF ? 2 : 4) &&
         reinterpret_cast<uintptr_t>(c.bias) % kAlignment == 0;
}

std::optional<Algorithm> Products::algorithm_for(const Call& c) {
  const auto [first, second] = fixed_sizes(c.gemm);
  const Key key{int(c.gemm.form), first, second, c.out, c.bias != nullptr, c.gemm.accumulate};
  if (const auto known = algorithms_.find(key); known != algorithms_.end()) return known->second;
  const Description d(call_, with_many_rows(c.gemm), c.out, c.bias);
  Owned<Preference> preference(call_.MatmulPreferenceDestroy);
  expect_success(call_.MatmulPreferenceCreate(&preference.value), "a preference");
  const auto prefer = [&](int attribute, const auto& value) {
    expect_success(call_.MatmulPreferenceSetAttribute(preference.value, attribute, &value, sizeof value),
                   "a preference");
  };
  prefer(PREFERENCE_MAX_WORKSPACE_BYTES, uint64_t(kWorkspaceBytes));
  prefer(PREFERENCE_REDUCTION_SCHEME_MASK, uint32_t(0));
  for (int i = PREFERENCE_MIN_ALIGNMENT_A; i <= PREFERENCE_MIN_ALIGNMENT_D; ++i) prefer(i, kAlignment);
  HeuristicResult results[kWanted] = {};
  int found = 0;
  call_.MatmulAlgoGetHeuristic(handle_, d.desc.value, d.a.value, d.b.value, d.c.value, d.c.value, preference.value,
                               kWanted, results, &found);
  std::optional<Algorithm> best;
  for (int i = found; i-- > 0;)
    if (results[i].state == kSuccess && results[i].workspace <= kWorkspaceBytes) best = results[i].algorithm;
  return algorithms_[key] = best;
}

bool Products::multiply(const Call& c) {
  check_gemm(c.gemm);
  const std::optional<Algorithm> algorithm = algorithm_for(c);
  if (!algorithm) return false;
  const Description d(call_, c.gemm, c.out, c.bias);
  const float alpha = 1.0f, beta = c.gemm.accumulate ? 1.0f : 0.0f;
  const Status status = call_.Matmul(handle_, d.desc.value, &alpha, c.b, d.a.value, c.a, d.b.value, &beta, c.c,
                                     d.c.value, c.c, d.c.value, &*algorithm, c.workspace, kWorkspaceBytes, c.stream);
  if (status == kNotSupported || status == kInvalidValue) return false;  // this algorithm, at this number of rows
  if (status != kSuccess)
    fail("cublasLt", "a product", concat(to_string(c.gemm), ": status ", status, ", ", call_.GetStatusString(status)));
  return true;
}

}  // namespace rft::cublaslt
