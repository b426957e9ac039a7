// One thread that runs native jobs in order, off JavaScript's event loop and off libuv's pool.
#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace rft {

class DeviceThread {
 public:
  DeviceThread();
  ~DeviceThread() { stop(); }
  void post(std::function<void()> job);
  // Drops the jobs that have not started, waits for the running one, joins.
  void stop();

 private:
  void loop();
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace rft
