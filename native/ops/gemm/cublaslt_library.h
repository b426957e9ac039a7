// Finding libcublasLt at run time. It is an option: without it products run on our own kernels.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "ops/gemm/cublaslt_api.h"

namespace rft::cublaslt {

// Where to look, in this order; `environment` gives a variable's value or "":
//   RFT_CUBLASLT, and then nowhere else          a path or a name for the loader
//   libcublasLt.so.13, .12                       what the process has loaded, then what the loader finds
//   $CUDA_HOME, $CUDA_PATH, /usr/local/cuda*     lib64 of each
//   $VIRTUAL_ENV, $CONDA_PREFIX                  the wheels nvidia-cublas and nvidia-cublas-cu12 in site-packages
std::vector<std::string> candidates(const std::function<std::string(const char*)>& environment);

struct Library {
  Functions call;
  std::string path;    // as it was found; "" when nothing was
  size_t version = 0;  // as cublasLtGetVersion counts
  std::string why;     // nothing was found: what was tried and what came of it
};
// The first candidate that loads and has every function. It stays loaded: its threads may outlive us.
Library load(const std::vector<std::string>& paths);

}  // namespace rft::cublaslt
