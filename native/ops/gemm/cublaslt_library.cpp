#include "ops/gemm/cublaslt_library.h"

#include <dlfcn.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"

namespace rft::cublaslt {

namespace {

namespace fs = std::filesystem;

constexpr const char* kNames[] = {"libcublasLt.so.13", "libcublasLt.so.12"};

// Folders below `parent` whose names begin with `prefix`, the last in the alphabet first: newer versions.
std::vector<fs::path> folders(const fs::path& parent, const std::string& prefix) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator it(parent, error), end; !error && it != end; it.increment(error))
    if (it->path().filename().string().starts_with(prefix)) found.push_back(it->path());
  std::sort(found.rbegin(), found.rend());
  return found;
}

std::vector<fs::path> library_folders(const std::function<std::string(const char*)>& environment) {
  std::vector<fs::path> all;
  for (const char* name : {"CUDA_HOME", "CUDA_PATH"})
    if (const std::string home = environment(name); !home.empty()) all.push_back(fs::path(home) / "lib64");
  for (const fs::path& home : folders("/usr/local", "cuda")) all.push_back(home / "lib64");
  for (const char* name : {"VIRTUAL_ENV", "CONDA_PREFIX"})
    if (const std::string prefix = environment(name); !prefix.empty())
      for (const fs::path& python : folders(fs::path(prefix) / "lib", "python3"))
        for (const char* wheel : {"cu13", "cublas"}) all.push_back(python / "site-packages/nvidia" / wheel / "lib");
  return all;
}

// dlopen of what is there already costs nothing and keeps one copy in the process.
void* open(const std::string& path) {
  void* loaded = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
  return loaded != nullptr ? loaded : dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
}

// "" when every function is there.
std::string first_missing(void* library, Functions& f) {
  std::string missing;
#define RFT_FIND(name, result, parameters)                                       \
  f.name = reinterpret_cast<decltype(f.name)>(dlsym(library, "cublasLt" #name)); \
  if (f.name == nullptr && missing.empty()) missing = "cublasLt" #name;
  RFT_CUBLASLT_FUNCTIONS(RFT_FIND)
#undef RFT_FIND
  return missing;
}

}  // namespace

std::vector<std::string> candidates(const std::function<std::string(const char*)>& environment) {
  if (const std::string given = environment("RFT_CUBLASLT"); !given.empty()) return {given};
  std::vector<std::string> all(std::begin(kNames), std::end(kNames));
  std::error_code error;
  for (const fs::path& folder : library_folders(environment))
    for (const char* name : kNames)
      if (fs::exists(folder / name, error)) all.push_back((folder / name).string());
  return all;
}

Library load(const std::vector<std::string>& paths) {
  Library library;
  for (const std::string& path : paths) {
    std::string problem;
    if (void* handle = open(path); handle == nullptr) {
      const char* text = dlerror();
      problem = text != nullptr ? text : "it cannot be loaded";
    } else if (const std::string missing = first_missing(handle, library.call); !missing.empty()) {
      problem = concat("it has no function ", missing);
    } else {
      library.path = path;
      library.version = library.call.GetVersion();
      library.why.clear();
      return library;
    }
    library.why += concat(library.why.empty() ? "" : "; ", path, ": ", problem);
  }
  library.call = {};
  if (paths.empty()) library.why = "nowhere to look";
  return library;
}

}  // namespace rft::cublaslt
