#include "core/net/resolver.h"

#include <chrono>
#include <condition_variable>
#include <iterator>
#include <list>
#include <new>
#include <utility>

#include "core/base/clock.h"
#include "core/io/thread.h"
#include "core/net/lookup_cache.h"

namespace socket2 {

// What a resolver and its workers share. While jobs are queued there are workers.
struct Resolver::Shared {
    using JobPtr = std::shared_ptr<Job>;

    Shared(Function the_function, double the_idle_seconds)
        : function(std::move(the_function)), idle_seconds(the_idle_seconds) {}

    static Result start(const std::shared_ptr<Shared>& self, const JobPtr& job);
    static void work(const std::shared_ptr<Shared>& self);
    JobPtr next();
    void run(Job& job);
    Result answer(Job& job);

    // With the lock held.
    JobPtr pop(Job& job);
    bool recall(Job& job) const;
    void remember(const Job& job);

    const Function function;
    const double idle_seconds;
    const MonotonicClock clock;
    const uint32_t process = process_number();

    std::mutex mutex;  // for what follows
    std::condition_variable changed;
    std::list<JobPtr> queue;  // oldest first
    size_t workers = 0;
    size_t idle = 0;  // workers that are to take a job; one that is being started counts
    bool ending = false;
    LookupCache cache;
};

// ---- in the threads that ask ----

Resolver::Resolver(Function function, double idle_seconds)
    : function_(std::move(function)),
      idle_seconds_(idle_seconds),
      shared_(std::make_shared<Shared>(function_, idle_seconds_)) {}

Resolver::~Resolver() {
    const std::shared_ptr<Shared> s = shared();
    const std::lock_guard lock(s->mutex);
    s->ending = true;
    s->changed.notify_all();
}

std::shared_ptr<Resolver::Shared> Resolver::shared() const {
    const std::lock_guard lock(mutex_);
    const uint32_t process = process_number();
    if (process != process_) {
        // A forked child has no workers, and one of them may have held the lock. The old state
        // cannot be freed: its condition variable has waiters for ever.
        auto fresh = std::make_shared<Shared>(function_, idle_seconds_);
        fresh->cache.set_lifetime(cache_seconds_);
        new std::shared_ptr<Shared>(shared_);
        shared_ = std::move(fresh);
        process_ = process;
    }
    return shared_;
}

Result Resolver::start(const std::shared_ptr<Job>& job) { return Shared::start(shared(), job); }

void Resolver::set_cache(double seconds) {
    const std::shared_ptr<Shared> s = shared();
    {
        const std::lock_guard lock(mutex_);
        cache_seconds_ = seconds;
    }
    const std::lock_guard lock(s->mutex);
    s->cache.set_lifetime(seconds);
}

size_t Resolver::workers() const {
    const std::shared_ptr<Shared> s = shared();
    const std::lock_guard lock(s->mutex);
    return s->workers;
}

Result Resolver::Shared::start(const std::shared_ptr<Shared>& self, const JobPtr& job) {
    Shared& s = *self;
    const std::lock_guard lock(s.mutex);
    if (s.recall(*job)) return Result::done();
    if (job->deadline_ <= s.clock.now()) return Errc::timeout;
    const bool more = s.queue.size() >= s.idle && s.workers < kMaxWorkers;
    std::function<void()> body;
    if (more) body = [self] { work(self); };
    s.queue.push_back(job);
    // From here on nothing throws.
    job->shared_ = self;
    job->place_ = std::prev(s.queue.end());
    job->queued_ = true;
    if (more) {
        const Result r = start_thread(std::move(body));
        if (r.ok()) {
            ++s.workers;
            ++s.idle;
        } else if (s.workers == 0) {
            s.pop(*job);
            return r;
        }
    }
    s.changed.notify_one();
    return Result::pending();
}

Resolver::Job::Job(std::shared_ptr<Inbox> inbox, const Endpoint& endpoint, double deadline)
    : inbox_(std::move(inbox)),
      deadline_(deadline),
      asked_(endpoint),
      host_(endpoint.host != nullptr ? endpoint.host : ""),
      service_(endpoint.service != nullptr ? endpoint.service : "") {}

Endpoint Resolver::Job::endpoint() const {
    Endpoint e = asked_;
    if (e.host != nullptr) e.host = host_.c_str();
    if (e.service != nullptr) e.service = service_.c_str();
    return e;
}

void Resolver::Job::give_up() {
    // In a forked child a worker of the parent's may have the lock for ever.
    if (shared_ == nullptr || shared_->process != process_number()) return;
    std::shared_ptr<Job> self;  // freed without the lock
    const std::lock_guard lock(shared_->mutex);
    if (queued_) self = shared_->pop(*this);
}

// ---- in the workers ----

void Resolver::Shared::work(const std::shared_ptr<Shared>& self) {
    while (const JobPtr job = self->next()) {
        self->run(*job);
        job->inbox_->post(job);
    }
}

// Waits for a job; null: this worker is to end.
Resolver::Shared::JobPtr Resolver::Shared::next() {
    const std::chrono::duration<double> limit(idle_seconds);
    std::unique_lock lock(mutex);
    changed.wait_for(lock, limit, [this] { return !queue.empty() || ending; });
    --idle;
    if (!queue.empty()) return pop(*queue.front());
    --workers;
    return nullptr;
}

void Resolver::Shared::run(Job& job) {
    try {
        job.result = answer(job);
    } catch (const std::bad_alloc&) {
        job.result = Errc::out_of_memory;
    } catch (...) {
        job.result = Errc::system_error;
    }
    const std::lock_guard lock(mutex);
    ++idle;
}

Result Resolver::Shared::answer(Job& job) {
    if (job.deadline_ <= clock.now()) return Errc::timeout;
    {
        // An equal one may have been faster.
        const std::lock_guard lock(mutex);
        if (recall(job)) return Result::done();
    }
    const Result r = function(job.endpoint(), job.found);
    if (r.ok()) {
        const std::lock_guard lock(mutex);
        remember(job);
    }
    return r;
}

// ---- with the lock ----

Resolver::Shared::JobPtr Resolver::Shared::pop(Job& job) {
    JobPtr taken = std::move(*job.place_);
    queue.erase(job.place_);
    job.queued_ = false;
    return taken;
}

bool Resolver::Shared::recall(Job& job) const {
    if (!cache.on() || !cache.find(job.endpoint(), clock.now(), job.found)) return false;
    job.result = Result::done();
    return true;
}

void Resolver::Shared::remember(const Job& job) {
    if (!cache.on()) return;
    try {
        cache.put(job.endpoint(), clock.now(), job.found);
    } catch (const std::bad_alloc&) {
        return;  // it is only a cache
    }
}

}  // namespace socket2
