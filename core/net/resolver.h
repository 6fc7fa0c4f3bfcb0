// Look-ups in the background: a few threads that may block in the system's resolver, so that no
// loop has to.
#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>

#include "core/io/inbox.h"
#include "core/io/process.h"
#include "core/net/lookup.h"

namespace socket2 {

// Threads start when there is work for them and end after a while without. Nobody joins them: the
// system can keep one for minutes. What they share is theirs too, so the resolver can go, or the
// process end, at any time.
//
// Every function is for any thread.
class Resolver {
   public:
    static constexpr size_t kMaxWorkers = 8;
    static constexpr double kIdleSeconds = 10;

    using Function = std::function<Result(const Endpoint&, Lookup&)>;

    class Job;

    // `function` runs in several threads at once. May throw bad_alloc.
    explicit Resolver(Function function = lookup, double idle_seconds = kIdleSeconds);
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;
    // What was started is still answered.
    ~Resolver();

    // Done: the job has what was remembered. Pending: it is a worker's until it arrives. An error:
    // its deadline has passed, or there is no worker and cannot be one. May throw bad_alloc, with
    // nothing started.
    Result start(const std::shared_ptr<Job>& job);

    // How long found addresses are remembered; see LookupCache.
    void set_cache(double seconds);

    size_t workers() const;

   private:
    struct Shared;

    // The present process's.
    std::shared_ptr<Shared> shared() const;

    const Function function_;
    const double idle_seconds_;
    std::mutex& mutex_ = process_lock(LockKind::registry);  // for what follows; no worker takes it
    mutable std::shared_ptr<Shared> shared_;
    mutable uint32_t process_ = process_number();
    double cache_seconds_ = 0;
};

// One look-up on its way, shared by who waits and who works. It arrives in the loop of its inbox.
class Resolver::Job : public Posted {
   public:
    // Copies the texts. After `deadline` (a time of MonotonicClock) nobody waits for the answer.
    // May throw bad_alloc.
    Job(std::shared_ptr<Inbox> inbox, const Endpoint& endpoint, double deadline);

    // The one who waited does not any more: a job that no worker has begun is not begun at all,
    // and does not arrive.
    void give_up();

    // What is asked, with texts of the job's.
    Endpoint endpoint() const;

    // To be looked at after it arrived or start() was done.
    Result result = Result::pending();
    Lookup found;

   private:
    friend class Resolver;

    const std::shared_ptr<Inbox> inbox_;
    const double deadline_;
    const Endpoint asked_;  // but for the texts
    const std::string host_;
    const std::string service_;
    std::shared_ptr<Shared> shared_;                   // of the one that has started it
    std::list<std::shared_ptr<Job>>::iterator place_;  // in its queue
    bool queued_ = false;
};

}  // namespace socket2
