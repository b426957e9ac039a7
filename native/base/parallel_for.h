// The thread pool. Work is split by index into `tasks` pieces that do not depend on the thread count; which thread
// runs which piece never changes a result.
#pragma once
#include <cstdint>
#include <functional>

namespace rft {

// Threads used, the caller included. Default: the number of usable cores, or RFT_THREADS.
int num_threads();
void set_num_threads(int n);  // 0: the default

// Calls body(i) for i in [0, tasks), the caller working too; returns when all are done. Nested calls run serially.
// Workers spin only briefly before they sleep. An exception in a body is rethrown here, once, after all have ended.
void parallel_for(int64_t tasks, const std::function<void(int64_t)>& body);

// Splits [0, n) into blocks of `grain` and calls body(begin, end) for each.
void parallel_ranges(int64_t n, int64_t grain, const std::function<void(int64_t, int64_t)>& body);

}  // namespace rft
