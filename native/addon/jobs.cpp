#include "addon/jobs.h"

#include "base/error.h"

namespace rft {

namespace {

using AbortFlag = std::shared_ptr<std::atomic<bool>>;

Napi::Value abort_error(Napi::Env env) {
  auto error = Napi::Error::New(env, "The operation was aborted");
  error.Set("name", Napi::String::New(env, "AbortError"));
  error.Set("code", Napi::String::New(env, "ABORT_ERR"));
  return error.Value();
}

void run_job(Job& job, const std::function<void(Job&)>& work) {
  try {
    if (job.abort->load()) throw Aborted();
    work(job);
  } catch (const Aborted&) {
    job.aborted = true;
  } catch (const std::exception& e) {
    job.error = e.what();
  }
}

}  // namespace

void call_on_main_thread(Napi::Env env, Napi::Function, std::nullptr_t*, OnMainThread* message) {
  std::unique_ptr<OnMainThread> owned(message);
  if (env == nullptr) {
    owned.release();  // torn down: its JavaScript handles cannot be freed here
    return;
  }
  try {
    Napi::HandleScope scope(env);
    (*owned)(env);
  } catch (const Napi::Error&) {  // the environment is closing: there is nobody left to tell
    return;
  }
}

JobQueue::JobQueue(Napi::Env env) : env_(env) {
  main_thread_ = Tsfn::New(env, "rft", 0, 1);
  main_thread_.Unref(env);  // an idle queue does not hold the process
  napi_add_env_cleanup_hook(env, &JobQueue::on_env_cleanup,
                            this);  // after the function above: hooks run last-in first-out
}

JobQueue& JobQueue::of(Napi::Env env) { return *env.GetInstanceData<JobQueue>(); }

bool JobQueue::shut_down(bool from_hook) {
  if (down_) return false;
  down_ = true;
  for (auto& job : jobs_) job->abort->store(true);
  thread_.stop();  // bounded by the time to the next abort check
  main_thread_.Release();
  if (!from_hook) napi_remove_env_cleanup_hook(env_, &JobQueue::on_env_cleanup, this);
  return true;
}

Napi::Promise JobQueue::submit(Napi::Env env, Napi::Object owner, Napi::Value options, std::function<void(Job&)> work,
                               std::function<Napi::Value(Napi::Env)> settle) {
  if (down_) throw Napi::Error::New(env, "rft: the engine of this process was shut down");
  auto job = std::make_shared<Job>(env);
  job->owner = Napi::Persistent(owner);
  if (options.IsObject()) {
    const auto o = options.As<Napi::Object>();
    if (o.Get("onProgress").IsFunction()) {
      job->on_progress = Napi::Persistent(o.Get("onProgress").As<Napi::Function>());
      job->wants_progress = true;
    }
    if (o.Get("abort").IsExternal()) job->abort = *o.Get("abort").As<Napi::External<AbortFlag>>().Data();
  }
  if (jobs_.empty()) main_thread_.Ref(env);
  jobs_.insert(job);
  thread_.post([this, job, work = std::move(work), settle = std::move(settle)]() mutable {
    run_job(*job, work);
    // The job holds JavaScript handles: this thread must not be the last to let go of it.
    auto* message = new OnMainThread([this, job = std::move(job), settle](Napi::Env e) { finish(e, job, settle); });
    // When the environment is closing nobody can settle the promise, and its handles must not be freed on this
    // thread: the message is left alone on purpose.
    main_thread_.NonBlockingCall(message);
  });
  return job->deferred.Promise();
}

void JobQueue::finish(Napi::Env env, const std::shared_ptr<Job>& job,
                      const std::function<Napi::Value(Napi::Env)>& settle) {
  jobs_.erase(job);
  if (jobs_.empty() && !down_) main_thread_.Unref(env);
  if (!job->callback_error.IsEmpty()) {
    job->deferred.Reject(job->callback_error.Value());
  } else if (job->aborted) {
    job->deferred.Reject(abort_error(env));
  } else if (!job->error.empty()) {
    job->deferred.Reject(Napi::Error::New(env, job->error).Value());
  } else {
    job->deferred.Resolve(settle(env));
  }
}

void JobQueue::progress(Job& running, std::function<Napi::Value(Napi::Env)> value) {
  if (!running.wants_progress) return;
  auto* message = new OnMainThread([job = running.shared_from_this(), value = std::move(value)](Napi::Env env) {
    if (job->abort->load()) return;
    try {
      job->on_progress.Call({value(env)});
    } catch (const Napi::Error& e) {
      job->callback_error = Napi::Reference<Napi::Value>::New(e.Value(), 1);
      job->abort->store(true);
    }
  });
  main_thread_.NonBlockingCall(message);
}

Napi::Promise submit_void(const Napi::CallbackInfo& info, size_t options_index, std::function<void(Job&)> work) {
  const Napi::Value options = info.Length() > options_index ? info[options_index] : info.Env().Undefined();
  return JobQueue::of(info.Env())
      .submit(info.Env(), info.This().As<Napi::Object>(), options, std::move(work),
              [](Napi::Env env) { return env.Undefined(); });
}

Napi::Value create_abort(const Napi::CallbackInfo& info) {
  return Napi::External<AbortFlag>::New(info.Env(), new AbortFlag(std::make_shared<std::atomic<bool>>(false)),
                                        [](Napi::Env, AbortFlag* flag) { delete flag; });
}

void abort_call(const Napi::CallbackInfo& info) {
  if (info[0].IsExternal()) (*info[0].As<Napi::External<AbortFlag>>().Data())->store(true);
}

}  // namespace rft
