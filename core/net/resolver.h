// Lookups in the background: they may block a thread of the pool in the system's resolver, and
// never a loop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "core/io/inbox.h"
#include "core/io/workers.h"
#include "core/sys/lookup.h"
#include "core/sys/process.h"

namespace socket2 {

// Lookups of equal endpoints share one *flight*, which takes one of two lanes. Names in the hosts
// file, localhost, and literals with a service name need no network: they never wait for a thread
// behind names that do. If a name's servers have kept a thread waiting in vain, the resolver
// remembers for a moment that they do not answer.
//
// Every function is for any thread.
class Resolver {
   public:
    // kMaxNames threads may wait for the network for answers that are still wanted, and
    // kMaxAbandoned when those count, too, for which no job waits. kMaxLocal threads look up names
    // that need no network.
    static constexpr int kMaxNames = 16;
    static constexpr int kMaxAbandoned = 64;
    static constexpr int kMaxLocal = 4;
    // An asker that is alone gets half of kMaxNames: see Workers::Lane.
    static constexpr int kShare = kMaxNames / 2;
    // A name server's silence is remembered for kSilenceSeconds, if it has lasted kLongSeconds.
    static constexpr double kSilenceSeconds = 3;
    static constexpr double kLongSeconds = 0.9;

    using Function = std::function<Result(const Endpoint&, Lookup&)>;

    class Job;

    // `function` runs in several threads at once. May throw bad_alloc.
    explicit Resolver(Workers& workers, Function function = lookup);
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;

    // Done: the job has a remembered result. Pending: a worker has the job until it arrives. An
    // error: its deadline has passed, its name server is known to be silent, or no thread exists
    // and none can be started. May throw bad_alloc, with nothing started.
    Result start(const std::shared_ptr<Job>& job);

    // How long found addresses are remembered; see LookupCache. Also forgets silence.
    void set_cache(double seconds);

   private:
    class Flight;
    struct Shared;

    // The state of the present process.
    std::shared_ptr<Shared> shared() const;
    std::shared_ptr<Shared> make() const;

    Workers& workers_;
    const Function function_;
    // No worker takes it.
    std::mutex& mutex_ = process_lock(LockKind::registry);  // for the members below
    mutable std::shared_ptr<Shared> shared_;
    mutable uint32_t process_ = process_number();
    double cache_seconds_ = 0;
};

// One lookup on its way, shared by the caller and the worker. It arrives in the loop of its inbox.
class Resolver::Job : public Posted {
   public:
    // Copies the texts. The answer is not wanted after `deadline` (a time of MonotonicClock). May
    // throw bad_alloc.
    Job(std::shared_ptr<Inbox> inbox, const Endpoint& endpoint, double deadline);

    // The caller no longer wants the answer, and this job does not arrive. If no worker has begun
    // it, it never begins, unless other jobs wait for the same answer.
    void give_up();

    // The question; the job owns its texts.
    Endpoint endpoint() const;

    // Valid after the job arrived or start() was done.
    Result result = Result::pending();
    Lookup found;

   private:
    friend class Resolver;

    const std::shared_ptr<Inbox> inbox_;
    const double deadline_;
    const Endpoint asked_;  // everything but the texts
    const std::string host_;
    const std::string service_;
    std::shared_ptr<Shared> shared_;  // of the resolver that started it
    std::shared_ptr<Flight> flight_;  // null: over or given up
};

}  // namespace socket2
