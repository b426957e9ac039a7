// Asynchronous native calls: each runs on the environment's device thread and settles a Promise.
//
// Rules learned the hard way: a job keeps its JavaScript object alive; an exception from a progress callback stops the
// job and rejects its promise; nothing may escape a thread-safe-function callback while an environment is torn down;
// process.exit() runs no clean-up hooks, so the loader calls shutdownAll() itself.
#pragma once
#include <napi.h>

#include <atomic>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "addon/device_thread.h"

namespace rft {

struct Job : std::enable_shared_from_this<Job> {
  explicit Job(Napi::Env env) : deferred(Napi::Promise::Deferred::New(env)) {}
  Napi::Promise::Deferred deferred;
  Napi::ObjectReference owner;
  Napi::FunctionReference on_progress;
  Napi::Reference<Napi::Value> callback_error;  // thrown by on_progress
  std::shared_ptr<std::atomic<bool>> abort = std::make_shared<std::atomic<bool>>(false);
  std::string error;
  bool aborted = false;
  bool wants_progress = false;
};

using OnMainThread = std::function<void(Napi::Env)>;
void call_on_main_thread(Napi::Env env, Napi::Function, std::nullptr_t*, OnMainThread* message);

// One per environment (main thread or worker).
class JobQueue {
 public:
  explicit JobQueue(Napi::Env env);
  ~JobQueue() { shut_down(true); }
  static JobQueue& of(Napi::Env env);

  // `work` runs on the device thread, `settle` (value for the promise) on the JavaScript thread.
  // options: { abort?: External from createAbort(), onProgress?: function }
  Napi::Promise submit(Napi::Env env, Napi::Object owner, Napi::Value options, std::function<void(Job&)> work,
                       std::function<Napi::Value(Napi::Env)> settle);
  // Reports to the job's onProgress from the device thread. Returns at once.
  void progress(Job& running, std::function<Napi::Value(Napi::Env)> value);
  bool shut_down(bool from_hook);

  Napi::FunctionReference model_class, optimizer_class, device_buffer_class;

 private:
  using Tsfn = Napi::TypedThreadSafeFunction<std::nullptr_t, OnMainThread, call_on_main_thread>;
  static void on_env_cleanup(void* queue) { static_cast<JobQueue*>(queue)->shut_down(true); }
  void finish(Napi::Env env, const std::shared_ptr<Job>& job, const std::function<Napi::Value(Napi::Env)>& settle);

  napi_env env_;
  Tsfn main_thread_;
  std::set<std::shared_ptr<Job>> jobs_;
  bool down_ = false;
  DeviceThread thread_;
};

// Runs `work` for a result of type R and converts it with `to_js`.
template <class R>
Napi::Promise submit(const Napi::CallbackInfo& info, size_t options_index, std::function<R(Job&)> work,
                     std::function<Napi::Value(Napi::Env, R&)> to_js) {
  auto result = std::make_shared<R>();
  const Napi::Value options = info.Length() > options_index ? info[options_index] : info.Env().Undefined();
  return JobQueue::of(info.Env())
      .submit(
          info.Env(), info.This().As<Napi::Object>(), options,
          [result, work = std::move(work)](Job& job) { *result = work(job); },
          [result, to_js = std::move(to_js)](Napi::Env env) { return to_js(env, *result); });
}

// The same for work without a result.
Napi::Promise submit_void(const Napi::CallbackInfo& info, size_t options_index, std::function<void(Job&)> work);

// createAbort(): an opaque flag; abort(flag): asks the call that was given it to stop.
Napi::Value create_abort(const Napi::CallbackInfo& info);
void abort_call(const Napi::CallbackInfo& info);

}  // namespace rft
