// cublasLt without its headers: where it is looked for, what is said when it is not there, how our row-major products
// reach it (on a library of this test's own, which computes), and its numbers, held against a real one where there is
// one.
#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>

#include "harness.h"
#include "ops/gemm/cublaslt_gemm.h"

using namespace rft;
using namespace rft::test;
namespace lt = rft::cublaslt;
namespace fs = std::filesystem;
using cuda::Form;
using cuda::Gemm;

namespace {

struct Folder {
  fs::path path = fs::temp_directory_path() / concat("rft-cublaslt-", Random(uint64_t(std::time(nullptr))).bits());
  Folder() { fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
  std::string file(const std::string& name) const {
    fs::create_directories((path / name).parent_path());
    std::ofstream(path / name) << "not a library";
    return (path / name).string();
  }
};

void check_search() {
  verify("RFT_CUBLASLT is the only place when it is set", []() -> std::string {
    const auto all =
        lt::candidates([](const char* name) { return std::string(name) == "RFT_CUBLASLT" ? "/x.so" : ""; });
    return all == std::vector<std::string>{"/x.so"} ? "" : concat(all.size(), " places");
  });
  verify("the loader's names, then CUDA_HOME, then wheels, newer first", []() -> std::string {
    const Folder folder;
    const std::string home = folder.file("cuda/lib64/libcublasLt.so.12");
    const std::string wheel13 = folder.file("venv/lib/python3.12/site-packages/nvidia/cu13/lib/libcublasLt.so.13");
    const std::string wheel12 = folder.file("venv/lib/python3.12/site-packages/nvidia/cublas/lib/libcublasLt.so.12");
    const auto all = lt::candidates([&](const char* name) -> std::string {
      if (std::string(name) == "CUDA_HOME") return (folder.path / "cuda").string();
      return std::string(name) == "VIRTUAL_ENV" ? (folder.path / "venv").string() : "";
    });
    const auto place = [&](const std::string& path) { return std::find(all.begin(), all.end(), path) - all.begin(); };
    const std::vector<int64_t> order{place("libcublasLt.so.13"), place("libcublasLt.so.12"), place(home),
                                     place(wheel13), place(wheel12)};
    return std::is_sorted(order.begin(), order.end()) && order.back() < int64_t(all.size()) && order[0] == 0 ? ""
                                                                                                             : "order";
  });
  verify("a file that is no library, and nothing at all, are named", []() -> std::string {
    const Folder folder;
    const std::string bad = folder.file("bad.so");
    const lt::Library none = lt::load({bad, (folder.path / "absent.so").string()});
    const bool named = none.why.find("bad.so") != std::string::npos && none.why.find("absent.so") != std::string::npos;
    return none.path.empty() && named && none.call.Matmul == nullptr ? "" : none.why;
  });
  verify("a library without the functions is named with the first missing one", []() -> std::string {
    const lt::Library none = lt::load({"libm.so.6"});
    return none.path.empty() && none.why == "libm.so.6: it has no function cublasLtCreate" ? "" : none.why;
  });
  verify_error("products without a library say what was tried", {"cublasLt: expected a library", "/absent.so"},
               [] { lt::Products products(lt::load({"/absent.so"})); });
}

// ---- products on the library of this test --------------------------------------------------------------------------
std::string fake_path() { return RFT_FAKE_CUBLASLT; }

uint16_t bf16_of(float f) {
  uint32_t u;
  std::memcpy(&u, &f, 4);
  return uint16_t((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}
float of_bf16(uint16_t b) {
  const uint32_t u = uint32_t(b) << 16;
  float f;
  std::memcpy(&f, &u, 4);
  return f;
}

struct alignas(16) Chunk {
  uint16_t v[8];
};
struct Matrix {  // rows at multiples of 16 bytes
  int64_t rows, cols, ld;
  std::vector<Chunk> chunks;
  Matrix(int64_t r, int64_t c, uint64_t seed)
      : rows(r), cols(c), ld((c + 15) / 8 * 8), chunks(size_t(std::max<int64_t>(1, r * ld / 8))) {
    Random random(seed);
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < cols; ++j) data()[i * ld + j] = bf16_of(float(random.normal()));
  }
  uint16_t* data() { return chunks[0].v; }
  double at(int64_t i, int64_t j) const { return double(of_bf16(chunks[0].v[i * ld + j])); }
};

std::string multiply(lt::Products& products, Form form, int64_t m, int64_t n, int64_t k, bool bias, bool accumulate,
                     bool to_bf16) {
  Matrix a(form == Form::TN ? k : m, form == Form::TN ? m : k, 1),
      b(form == Form::NT ? n : k, form == Form::NT ? k : n, 2);
  Matrix offset(1, n, 3), c16(m, n, 4);
  std::vector<Chunk> wide(size_t(m * c16.ld / 4));
  float* c32 = reinterpret_cast<float*>(wide.data());
  const Matrix before = c16;
  for (int64_t i = 0; i < m * c16.ld; ++i) c32[i] = of_bf16(c16.data()[i]);
  const lt::Products::Call call{{form, m, n, k, a.ld, b.ld, c16.ld, accumulate},
                                to_bf16 ? lt::R_16BF : lt::R_32F,
                                a.data(),
                                b.data(),
                                bias ? offset.data() : nullptr,
                                to_bf16 ? static_cast<void*>(c16.data()) : c32,
                                nullptr,
                                nullptr};
  if (!lt::Products::aligned(call)) return "not aligned";
  if (!products.multiply(call)) return "no algorithm";
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      double want = (bias ? offset.at(0, j) : 0) + (accumulate ? before.at(i, j) : 0);
      for (int64_t x = 0; x < k; ++x)
        want += (form == Form::TN ? a.at(x, i) : a.at(i, x)) * (form == Form::NT ? b.at(j, x) : b.at(x, j));
      const double got = to_bf16 ? c16.at(i, j) : double(c32[i * c16.ld + j]);
      if (!(std::fabs(got - want) <= 1e-4 + (to_bf16 ? 0x1.02p-8 : 1e-5) * std::fabs(want)))
        return concat("(", i, ",", j, "): ", got, ", want ", want);
    }
  return "";
}

void check_products() {
  const lt::Library library = lt::load({fake_path()});
  verify("every function of the table is found", [&] { return library.why; });
  if (library.path.empty()) return;
  lt::Products products(library);
  for (const auto& [form, name] : {std::pair(Form::NT, "NT"), std::pair(Form::NN, "NN"), std::pair(Form::TN, "TN")})
    for (const bool accumulate : {false, true})
      for (const bool to_bf16 : {false, true})
        verify(concat("cublasLt ", name, accumulate ? " accumulate" : "", to_bf16 ? " bf16" : " fp32"), [&] {
          return multiply(products, form, 5, 9, 17, form == Form::NT && !accumulate, accumulate, to_bf16);
        });
  const auto asked =
      reinterpret_cast<uint64_t (*)()>(dlsym(dlopen(fake_path().c_str(), RTLD_NOW), "fake_cublaslt_asked"));
  verify("an algorithm belongs to the weights, whatever the number of rows", [&]() -> std::string {
    multiply(products, Form::NT, 7, 40, 24, false, false, true);
    const uint64_t before = asked();
    for (const int64_t rows : {1, 64, 300}) multiply(products, Form::NT, rows, 40, 24, false, false, true);
    if (asked() != before) return "it was asked for again";
    multiply(products, Form::NT, 7, 48, 24, false, false, true);
    return asked() == before + 1 ? "" : "other weights shared it";
  });
  verify("no algorithm is an answer, not an error",
         [&] { return multiply(products, Form::NT, 5, 24, 8, false, false, true) == "no algorithm" ? "" : "it ran"; });
  verify("an algorithm that fails at some number of rows is an answer as well", [&] {
    return multiply(products, Form::NT, 13, 40, 24, false, false, true) == "no algorithm" ? "" : "it ran";
  });
  verify("rows that are not aligned are seen", []() -> std::string {
    Chunk x[4] = {};
    const lt::Products::Call odd{{Form::NT, 1, 8, 4, 4, 4, 8, false}, lt::R_16BF, x, x, nullptr, x, nullptr, nullptr};
    return lt::Products::aligned(odd) ? "they are not" : "";
  });
}

// ---- the table against a real library, which makes descriptions without a GPU ---------------------------------------
void check_numbers() {
  const auto environment = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value != nullptr ? value : "");
  };
  const lt::Library real = lt::load(lt::candidates(environment));
  if (real.path.empty()) {
    std::printf("ok numbers of cublasLt (skipped, no library here)\n");
    return;
  }
  verify(concat("numbers of cublasLt ", real.version), [&]() -> std::string {
    const lt::Functions& f = real.call;
    lt::Desc desc = nullptr;
    lt::Layout layout = nullptr;
    lt::Preference preference = nullptr;
    if (f.MatmulDescCreate(&desc, lt::kCompute32F, lt::R_32F) != 0) return "a description";
    if (f.MatrixLayoutCreate(&layout, lt::R_16BF, 24, 8, 32) != 0) return "a layout";
    if (f.MatmulPreferenceCreate(&preference) != 0) return "a preference";
    using Get = lt::Status (*)(const void*, int, void*, size_t, size_t*);
    void* handle = dlopen(real.path.c_str(), RTLD_NOW);
    const auto get = [&](const char* name, const void* object, int attribute, auto wanted) {
      decltype(wanted) value{};
      size_t written = 0;
      const auto call = reinterpret_cast<Get>(dlsym(handle, name));
      return call(object, attribute, &value, sizeof value, &written) == 0 && written == sizeof value && value == wanted;
    };
    const auto desc_has = [&](int attribute, auto value) {
      return f.MatmulDescSetAttribute(desc, attribute, &value, sizeof value) == 0 &&
             get("cublasLtMatmulDescGetAttribute", desc, attribute, value);
    };
    const auto preference_has = [&](int attribute, auto value) {
      return f.MatmulPreferenceSetAttribute(preference, attribute, &value, sizeof value) == 0 &&
             get("cublasLtMatmulPreferenceGetAttribute", preference, attribute, value);
    };
    if (!get("cublasLtMatmulDescGetAttribute", desc, 0, int32_t(lt::kCompute32F))) return "compute type";
    if (!get("cublasLtMatmulDescGetAttribute", desc, 1, int32_t(lt::R_32F))) return "scale type";
    if (!desc_has(lt::DESC_TRANSA, int32_t(lt::kTransposed)) || !desc_has(lt::DESC_TRANSB, int32_t(lt::kTransposed)))
      return "transposition";
    if (!desc_has(lt::DESC_EPILOGUE, lt::kEpilogueBias) || !desc_has(lt::DESC_BIAS_POINTER, uint64_t(256)) ||
        !desc_has(lt::DESC_BIAS_DATA_TYPE, int32_t(lt::R_16BF)))
      return "bias";
    const char* of_layout = "cublasLtMatrixLayoutGetAttribute";
    if (!get(of_layout, layout, lt::LAYOUT_TYPE, uint32_t(lt::R_16BF)) ||
        !get(of_layout, layout, lt::LAYOUT_ROWS, uint64_t(24)) ||
        !get(of_layout, layout, lt::LAYOUT_COLS, uint64_t(8)) || !get(of_layout, layout, lt::LAYOUT_LD, int64_t(32)))
      return "layout";
    if (!preference_has(lt::PREFERENCE_MAX_WORKSPACE_BYTES, uint64_t(lt::Products::kWorkspaceBytes)) ||
        !preference_has(lt::PREFERENCE_REDUCTION_SCHEME_MASK, uint32_t(0)))
      return "preference";
    for (int i = lt::PREFERENCE_MIN_ALIGNMENT_A; i <= lt::PREFERENCE_MIN_ALIGNMENT_D; ++i)
      if (!preference_has(i, uint32_t(16))) return "alignment";
    f.MatmulDescDestroy(desc);
    f.MatrixLayoutDestroy(layout);
    f.MatmulPreferenceDestroy(preference);
    const auto says = [&](lt::Status status, const char* part) {
      return std::string(f.GetStatusString(status)).find(part) != std::string::npos;
    };
    const bool statuses = says(lt::kSuccess, "success") && says(lt::kNotInitialized, "not initialized") &&
                          says(lt::kInvalidValue, "unsupported value") && says(lt::kNotSupported, "not supported");
    return statuses ? "" : "statuses";
  });
}

}  // namespace

int main() {
  check_search();
  check_products();
  check_numbers();
  return failures != 0;
}
