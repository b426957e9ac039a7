// Runs a check on the CUDA device at hand: in the emulator under three schedules of threads and asynchronous copies, on
// a GPU once.
#pragma once
#include <string>

#include "device/device.h"

#ifdef RFT_EMULATED
#include "simt/emulator/device.h"
#endif

namespace rft::test {

struct Schedule {
  const char* name;
#ifdef RFT_EMULATED
  simt::Order order;
  simt::Async async;
  unsigned preempt;
#endif
};

#ifdef RFT_EMULATED
constexpr Schedule kSchedules[] = {{"forward, late", simt::Order::Forward, simt::Async::Late, 0},
                                   {"reverse, early", simt::Order::Reverse, simt::Async::Early, 0},
                                   {"random", simt::Order::Random, simt::Async::Random, 5}};
#else
constexpr Schedule kSchedules[] = {{"GPU"}};
#endif

inline void use([[maybe_unused]] const Schedule& s) {
#ifdef RFT_EMULATED
  simt::Config config;
  config.order = s.order;
  config.async = s.async;
  config.preempt = s.preempt;
  config.seed = 3;
  simt::config() = config;
#endif
}

}  // namespace rft::test
