// launch() for g++: packs the arguments and hands the grid to the scheduler.
#pragma once
#include <tuple>
#include <type_traits>

#include "simt/emulator/types.h"
#include "simt/handles.h"

namespace rft::simt {

#if defined(__SANITIZE_THREAD__)
constexpr bool kCheckedBuild = true;  // the compiler shows every plain load and store of this file to the checker
#else
constexpr bool kCheckedBuild = false;
#endif

struct Launch {
  const char* name;
  dim3 grid, block;
  size_t shared = 0;
  Stream stream = nullptr;
};

namespace emulator {

struct Kernel {
  void (*body)(void* params);
  void* params;
  size_t param_bytes;
  bool instrumented;
};
void run_grid(const Launch&, const Kernel&);

}  // namespace emulator

template <class... P, class... A>
void launch(const Launch& l, void (*kernel)(P...), const A&... args) {
  struct Call {
    void (*kernel)(P...);
    std::tuple<std::remove_cv_t<P>...> params;
  } call{kernel, {static_cast<P>(args)...}};
  const auto body = [](void* p) { std::apply(static_cast<Call*>(p)->kernel, static_cast<Call*>(p)->params); };
  emulator::run_grid(l, {body, &call, sizeof call, kCheckedBuild});
}

}  // namespace rft::simt
