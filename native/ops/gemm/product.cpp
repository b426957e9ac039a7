#include "ops/gemm/product.h"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <type_traits>

#include "device/device.h"
#include "ops/gemm/check.h"
#include "ops/gemm/cublaslt_gemm.h"

namespace rft::cuda {

namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

// No library computes on the emulator's device.
bool library_is_wanted() {
  const std::string value = environment("RFT_GEMM");
  expect(value.empty() || value == "own", "RFT_GEMM", "own or nothing", value);
#ifdef RFT_EMULATED
  return false;
#else
  return value.empty();
#endif
}

// Of the process: made at the first gradient and kept.
struct Library {
  std::unique_ptr<cublaslt::Products> products;  // or why there is none:
  std::string description = "own kernels";
  std::mutex mutex;  // a library handle serves one thread at a time

  Library() {
    if (!library_is_wanted()) return;
    const cublaslt::Library library = cublaslt::load(cublaslt::candidates(environment));
    try {
      products = std::make_unique<cublaslt::Products>(library);
      description = concat("cublasLt ", library.version, " from ", library.path);
    } catch (const Error& e) {
      description = concat("own kernels (", e.what(), ")");
      std::fprintf(stderr,
                   "rft: %s. Gradients run on rft's own matrix kernels, which should be near the library's speed on "
                   "Ampere and Ada and about half of it on Hopper. Install nvidia-cublas, point RFT_CUBLASLT at "
                   "libcublasLt.so, or set RFT_GEMM=own to say that this is meant.\n",
                   e.what());
    }
  }
};

Library& library() {
  static Library instance;
  return instance;
}

template <class Out>
void forward(const Gemm& g, const simt::bf16* x, const simt::bf16* w, const simt::bf16* bias, Out* y,
             simt::Stream stream) {
  if constexpr (kCudaBuilt) {
    if (uses_wgmma() && gemm_sm90_suits(g, x, w)) gemm_sm90(g, x, w, bias, y, stream);
    else gemm(g, x, w, bias, y, stream);
  }
}

template <class Out>
void gradient(const Gemm& g, const simt::bf16* a, const simt::bf16* b, Out* c, const Tensor& workspace,
              simt::Stream stream) {
  if constexpr (kCudaBuilt) {
    if (workspace && g.m > 0 && g.n > 0 && g.k > 0) {
      Library& l = library();
      const std::lock_guard lock(l.mutex);
      const cublaslt::DataType out = std::is_same_v<Out, float> ? cublaslt::R_32F : cublaslt::R_16BF;
      const cublaslt::Products::Call call{g, out, a, b, nullptr, c, workspace.raw(), stream};
      if (cublaslt::Products::aligned(call) && l.products->multiply(call)) return;
    }
    gemm(g, a, b, nullptr, c, stream);
  }
}

bool read_tier() {
  const std::string tier = environment("RFT_TIER");
  expect(tier.empty() || tier == "portable" || tier == "sm90", "RFT_TIER", "portable or sm90", tier);
  if (tier != "sm90") return false;
  device::require();
  const device::Properties& gpu = device::probe().devices.at(0);
  expect(gpu.major == 9 && gpu.minor == 0, "RFT_TIER=sm90", "a GPU of compute capability 9.0",
         concat(gpu.name, ", ", gpu.major, ".", gpu.minor));
  return true;
}

}  // namespace

bool uses_wgmma() {
  static const bool wanted = read_tier();
  return wanted;
}

const std::string& gradient_kernels() { return library().description; }

void forward_product(const Gemm& g, const simt::bf16* x, const simt::bf16* w, const simt::bf16* bias, simt::bf16* y,
                     simt::Stream stream) {
  forward(g, x, w, bias, y, stream);
}
void forward_product(const Gemm& g, const simt::bf16* x, const simt::bf16* w, const simt::bf16* bias, float* y,
                     simt::Stream stream) {
  forward(g, x, w, bias, y, stream);
}
void forward_product(const Gemm& g, const float* x, const float* w, const float* bias, float* y, simt::Stream stream) {
  if constexpr (kCudaBuilt) gemm(g, x, w, bias, y, stream);
}

Tensor gradient_workspace(const Ctx& ctx, Dtype dtype) {
  const bool needed =
      dtype == Dtype::BF16 && (ctx.meta() ? library_is_wanted() : kCudaBuilt && library().products != nullptr);
  return needed ? ctx.workspace({int64_t(cublaslt::Products::kWorkspaceBytes)}, Dtype::U8) : Tensor();
}

void gradient_product(const Gemm& g, const simt::bf16* a, const simt::bf16* b, simt::bf16* c, const Tensor& workspace,
                      simt::Stream stream) {
  gradient(g, a, b, c, workspace, stream);
}
void gradient_product(const Gemm& g, const simt::bf16* a, const simt::bf16* b, float* c, const Tensor& workspace,
                      simt::Stream stream) {
  gradient(g, a, b, c, workspace, stream);
}
void gradient_product(const Gemm& g, const float* a, const float* b, float* c, const Tensor&, simt::Stream stream) {
  if constexpr (kCudaBuilt) gemm(g, a, b, nullptr, c, stream);
}

}  // namespace rft::cuda
