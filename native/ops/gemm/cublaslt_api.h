// The part of cublasLt that products need, without its headers: the addon is built and loaded on machines that have no
// NVIDIA library. Numbers are those of cublasLt.h 13.1; 12.x has the same. test/native/cublaslt_test.cpp holds them
// against a real library when one is there.
#pragma once
#include <cstddef>
#include <cstdint>

namespace rft::cublaslt {

using Status = int;
constexpr Status kSuccess = 0, kNotInitialized = 1, kInvalidValue = 7, kNotSupported = 15;

enum DataType : int32_t { R_32F = 0, R_16BF = 14 };
constexpr int kCompute32F = 68;  // true fp32 accumulation; for fp32 operands no TF32
enum Operation : int32_t { kAsStored = 0, kTransposed = 1 };

enum DescAttribute : int {
  DESC_TRANSA = 3,          // int32
  DESC_TRANSB = 4,          // int32
  DESC_EPILOGUE = 7,        // uint32
  DESC_BIAS_POINTER = 8,    // pointer
  DESC_BIAS_DATA_TYPE = 26  // int32
};
constexpr uint32_t kEpilogueDefault = 1, kEpilogueBias = 4;

enum LayoutAttribute : int {
  LAYOUT_TYPE = 0,  // uint32
  LAYOUT_ROWS = 2,  // uint64
  LAYOUT_COLS = 3,  // uint64
  LAYOUT_LD = 4     // int64
};

enum PreferenceAttribute : int {
  PREFERENCE_MAX_WORKSPACE_BYTES = 1,    // uint64
  PREFERENCE_REDUCTION_SCHEME_MASK = 3,  // uint32; 0: no splitting of k
  PREFERENCE_MIN_ALIGNMENT_A = 5,        // uint32 bytes; then B, C, D
  PREFERENCE_MIN_ALIGNMENT_D = 8
};

struct Algorithm {
  uint64_t data[8];
};
struct HeuristicResult {
  Algorithm algorithm;
  size_t workspace;
  Status state;
  float waves;
  int reserved[4];
};
static_assert(sizeof(Algorithm) == 64 && sizeof(HeuristicResult) == 96);
static_assert(offsetof(HeuristicResult, workspace) == 64 && offsetof(HeuristicResult, state) == 72);

using Handle = struct HandleTag*;
using Desc = struct DescTag*;
using Layout = struct LayoutTag*;
using Preference = struct PreferenceTag*;
using Stream = void*;

// X(member, result, parameters): the symbol is cublasLt<member>.
#define RFT_CUBLASLT_FUNCTIONS(X)                                                                                    \
  X(Create, Status, (Handle*))                                                                                       \
  X(Destroy, Status, (Handle))                                                                                       \
  X(GetVersion, size_t, ())                                                                                          \
  X(GetStatusString, const char*, (Status))                                                                          \
  X(MatmulDescCreate, Status, (Desc*, int compute, int scale_type))                                                  \
  X(MatmulDescDestroy, Status, (Desc))                                                                               \
  X(MatmulDescSetAttribute, Status, (Desc, int, const void*, size_t))                                                \
  X(MatrixLayoutCreate, Status, (Layout*, int type, uint64_t rows, uint64_t cols, int64_t ld))                       \
  X(MatrixLayoutDestroy, Status, (Layout))                                                                           \
  X(MatrixLayoutSetAttribute, Status, (Layout, int, const void*, size_t))                                            \
  X(MatmulPreferenceCreate, Status, (Preference*))                                                                   \
  X(MatmulPreferenceDestroy, Status, (Preference))                                                                   \
  X(MatmulPreferenceSetAttribute, Status, (Preference, int, const void*, size_t))                                    \
  X(MatmulAlgoGetHeuristic, Status,                                                                                  \
    (Handle, Desc, Layout a, Layout b, Layout c, Layout d, Preference, int requested, HeuristicResult*, int* found)) \
  X(Matmul, Status,                                                                                                  \
    (Handle, Desc, const void* alpha, const void* a, Layout, const void* b, Layout, const void* beta, const void* c, \
     Layout, void* d, Layout, const Algorithm*, void* workspace, size_t workspace_bytes, Stream))

struct Functions {
#define RFT_MEMBER(name, result, parameters) result(*name) parameters = nullptr;
  RFT_CUBLASLT_FUNCTIONS(RFT_MEMBER)
#undef RFT_MEMBER
};

}  // namespace rft::cublaslt
