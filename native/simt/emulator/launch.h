// launch() for g++: packs the arguments and hands the grid to the scheduler.
#pragma once
#include <functional>
#include <tuple>
#include <type_traits>
#include <vector>

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

// Set while a graph is recorded: launches are kept and not run.
inline std::vector<std::function<void()>>* recording = nullptr;

}  // namespace emulator

template <class... P, class... A>
void launch(const Launch& l, void (*kernel)(P...), const A&... args) {
  struct Call {
    void (*kernel)(P...);
    std::tuple<std::remove_cv_t<P>...> params;
  };
  auto run = [l, call = Call{kernel, {static_cast<P>(args)...}}]() mutable {
    const auto body = [](void* p) { std::apply(static_cast<Call*>(p)->kernel, static_cast<Call*>(p)->params); };
    last_kernel = l.name;
    emulator::run_grid(l, {body, &call, sizeof call, kCheckedBuild});
  };
  if (emulator::recording != nullptr) emulator::recording->push_back(run);
  else run();
}

}  // namespace rft::simt
