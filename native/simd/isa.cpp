// Chooses the instruction set at load: the best the CPU has, or RFT_ISA.
#include <atomic>
#include <cstdlib>
#include <string>

#include "base/error.h"
#include "simd/dispatch.h"

namespace rft::simd {
namespace {

bool has(Isa isa) {
  if (isa == Isa::Portable) return true;
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  if (isa == Isa::Avx2) return avx2;
  return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
#else
  return false;
#endif
}

const char* name(Isa isa) { return isa == Isa::Avx512 ? "avx512" : isa == Isa::Avx2 ? "avx2" : "portable"; }

const Kernels& table(Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::Avx512) return kernels_avx512;
  if (isa == Isa::Avx2) return kernels_avx2;
#else
  static_cast<void>(isa);
#endif
  return kernels_portable;
}

Isa choose() {
  const char* text = std::getenv("RFT_ISA");
  if (text == nullptr || *text == '\0') {
    return has(Isa::Avx512) ? Isa::Avx512 : has(Isa::Avx2) ? Isa::Avx2 : Isa::Portable;
  }
  for (const Isa isa : {Isa::Portable, Isa::Avx2, Isa::Avx512}) {
    if (text != std::string(name(isa))) continue;
    expect(has(isa), "RFT_ISA", "an instruction set of this CPU", text);
    return isa;
  }
  fail("RFT_ISA", "portable, avx2 or avx512", text);
}

std::atomic<const Kernels*>& chosen() {
  static std::atomic<const Kernels*> instance{&table(choose())};
  return instance;
}

}  // namespace

const Kernels& kernels() { return *chosen().load(std::memory_order_relaxed); }

Isa isa() { return kernels().isa; }

void set_isa_for_test(Isa isa) {
  expect(has(isa), "set_isa_for_test", "an instruction set of this CPU", name(isa));
  chosen().store(&table(isa), std::memory_order_relaxed);
}

}  // namespace rft::simd
