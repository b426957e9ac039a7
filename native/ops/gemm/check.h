// What every matrix product asks of its sizes, whichever kernel or library computes it.
#pragma once
#include <string>

#include "base/error.h"
#include "ops/gemm/launch.h"

namespace rft::cuda {

inline const char* name_of(Form form) { return form == Form::NT ? "NT" : form == Form::NN ? "NN" : "TN"; }

inline std::string to_string(const Gemm& g) {
  return concat(name_of(g.form), " (", g.m, ",", g.n, ",", g.k, ") lda ", g.lda, " ldb ", g.ldb, " ldc ", g.ldc);
}

inline void check_gemm(const Gemm& g) {
  const int64_t a = g.form == Form::TN ? g.m : g.k, b = g.form == Form::NT ? g.k : g.n;
  if (g.m < 0 || g.n < 0 || g.k < 0 || g.lda < a || g.ldb < b || g.ldc < g.n)
    fail("gemm", "sizes of at least 0 and strides of at least a row's length", to_string(g));
}

}  // namespace rft::cuda
