// A cublasLt for tests: every function that rft loads, computing column-major products on the host in plain loops, with
// the library's own rules (attribute numbers and sizes, status codes). Built as a shared library of its own.
#include <cstdint>
#include <cstring>
#include <vector>

namespace {

struct Desc {
  int32_t transposed[2] = {0, 0};
  uint32_t epilogue = 1;
  const void* bias = nullptr;
  int32_t bias_type = -1;
};
struct Layout {
  int type;
  uint64_t rows, cols;
  int64_t ld;
};
struct Preference {
  uint64_t workspace = 0;
  uint32_t reduction_mask = ~0u, alignment[4] = {256, 256, 256, 256};
};
// What the heuristic was asked, packed into the algorithm it returns; Matmul insists on getting it back.
constexpr uint64_t kMagic = 0x6c74666b;
uint64_t asked = 0;

float value(const void* p, int type, int64_t at) {
  if (type == 0) return static_cast<const float*>(p)[at];
  const uint32_t bits = uint32_t(static_cast<const uint16_t*>(p)[at]) << 16;
  float f;
  std::memcpy(&f, &bits, 4);
  return f;
}
void store(void* p, int type, int64_t at, float f) {
  if (type == 0) {
    static_cast<float*>(p)[at] = f;
    return;
  }
  uint32_t u;
  std::memcpy(&u, &f, 4);
  static_cast<uint16_t*>(p)[at] = uint16_t((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}

template <class T>
int set(T& field, const void* from, size_t bytes) {
  if (bytes != sizeof(T)) return 7;
  std::memcpy(&field, from, bytes);
  return 0;
}

}  // namespace

extern "C" {

int cublasLtCreate(void** handle) {
  *handle = new int(1);
  return 0;
}
int cublasLtDestroy(void* handle) {
  delete static_cast<int*>(handle);
  return 0;
}
size_t cublasLtGetVersion() { return 130101; }
const char* cublasLtGetStatusString(int status) {
  return status == 15 ? "the requested functionality is not supported" : "another";
}

int cublasLtMatmulDescCreate(Desc** desc, int compute, int scale) {
  if (compute != 68 || scale != 0) return 7;
  *desc = new Desc;
  return 0;
}
int cublasLtMatmulDescDestroy(Desc* desc) {
  delete desc;
  return 0;
}
int cublasLtMatmulDescSetAttribute(Desc* d, int attribute, const void* from, size_t bytes) {
  switch (attribute) {
    case 3: return set(d->transposed[0], from, bytes);
    case 4: return set(d->transposed[1], from, bytes);
    case 7: return set(d->epilogue, from, bytes);
    case 8: return set(d->bias, from, bytes);
    case 26: return set(d->bias_type, from, bytes);
    default: return 7;
  }
}
int cublasLtMatrixLayoutCreate(Layout** layout, int type, uint64_t rows, uint64_t cols, int64_t ld) {
  *layout = new Layout{type, rows, cols, ld};
  return 0;
}
int cublasLtMatrixLayoutDestroy(Layout* layout) {
  delete layout;
  return 0;
}
int cublasLtMatrixLayoutSetAttribute(Layout* l, int attribute, const void* from, size_t bytes) {
  return attribute == 4 ? set(l->ld, from, bytes) : 7;
}
int cublasLtMatmulPreferenceCreate(Preference** preference) {
  *preference = new Preference;
  return 0;
}
int cublasLtMatmulPreferenceDestroy(Preference* preference) {
  delete preference;
  return 0;
}
int cublasLtMatmulPreferenceSetAttribute(Preference* p, int attribute, const void* from, size_t bytes) {
  if (attribute == 1) return set(p->workspace, from, bytes);
  if (attribute == 3) return set(p->reduction_mask, from, bytes);
  return attribute >= 5 && attribute <= 8 ? set(p->alignment[attribute - 5], from, bytes) : 7;
}

struct Result {
  uint64_t algorithm[8];
  size_t workspace;
  int state;
  float waves;
  int reserved[4];
};
// Two algorithms, of which the first asks for too much workspace. None for widths of 24, nor with splitting allowed.
int cublasLtMatmulAlgoGetHeuristic(void*, Desc*, Layout*, Layout*, Layout* c, Layout*, Preference* p, int wanted,
                                   Result* results, int* found) {
  *found = 0;
  if (c->rows == 24 || p->reduction_mask != 0 || p->alignment[0] != 16 || wanted < 2) return 15;
  *found = 2;
  std::memset(results, 0, 2 * sizeof(Result));
  results[0].workspace = p->workspace + 1;
  results[1].algorithm[0] = kMagic;
  results[1].algorithm[1] = ++asked;
  return 0;
}

int cublasLtMatmul(void*, Desc* desc, const void* alpha, const void* a, Layout* la, const void* b, Layout* lb,
                   const void* beta, const void* c, Layout* lc, void* d, Layout*, const uint64_t* algorithm, void*,
                   size_t, void*) {
  if (algorithm == nullptr || algorithm[0] != kMagic) return 7;
  if (lc->cols == 13) return 15;  // a number of rows at which the algorithm does not work
  const bool ta = desc->transposed[0], tb = desc->transposed[1];
  const int64_t m = int64_t(lc->rows), n = int64_t(lc->cols), k = int64_t(ta ? la->rows : la->cols);
  if (int64_t(ta ? la->cols : la->rows) != m || int64_t(tb ? lb->rows : lb->cols) != n ||
      int64_t(tb ? lb->cols : lb->rows) != k || la->ld < int64_t(la->rows) || lb->ld < int64_t(lb->rows) || lc->ld < m)
    return 7;
  for (int64_t j = 0; j < n; ++j)
    for (int64_t i = 0; i < m; ++i) {
      float sum = 0;
      for (int64_t x = 0; x < k; ++x)
        sum += value(a, la->type, ta ? i * la->ld + x : x * la->ld + i) *
               value(b, lb->type, tb ? x * lb->ld + j : j * lb->ld + x);
      sum *= *static_cast<const float*>(alpha);
      const float old = *static_cast<const float*>(beta);
      if (old != 0) sum += old * value(c, lc->type, j * lc->ld + i);
      if (desc->epilogue == 4) sum += value(desc->bias, desc->bias_type, i);
      store(d, lc->type, j * lc->ld + i, sum);
    }
  return 0;
}

// For tests: how many times an algorithm was asked for.
uint64_t fake_cublaslt_asked() { return asked; }

}  // extern "C"
