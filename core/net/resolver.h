// Look-ups in the background: threads of the pool may block in the system's resolver, so that no
// loop has to.
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

// Look-ups of equal endpoints share one *flight*. It goes by one of two lanes: what the hosts file
// has, localhost, and literals with the name of a service need no network, and never wait for a
// thread behind names that do. A name whose servers have kept a thread waiting for nothing is known
// for a moment as one that they do not answer for.
//
// Every function is for any thread.
class Resolver {
   public:
    // Threads that wait for the network, for those who still want the answer, and with those that
    // nobody waits for; and threads for names that need no network.
    static constexpr int kMaxNames = 16;
    static constexpr int kMaxAbandoned = 64;
    static constexpr int kMaxLocal = 4;
    // An asker that is alone has half of them: see Workers::Lane.
    static constexpr int kShare = kMaxNames / 2;
    // How long a name server's silence is remembered, when it lasted at least so long.
    static constexpr double kSilenceSeconds = 3;
    static constexpr double kLongSeconds = 0.9;

    using Function = std::function<Result(const Endpoint&, Lookup&)>;

    class Job;

    // `function` runs in several threads at once. May throw bad_alloc.
    explicit Resolver(Workers& workers, Function function = lookup);
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;

    // Done: the job has what was remembered. Pending: it is a worker's until it arrives. An error:
    // its deadline has passed, its name server is known to be silent, or there is no thread and
    // cannot be one. May throw bad_alloc, with nothing started.
    Result start(const std::shared_ptr<Job>& job);

    // How long found addresses are remembered; see LookupCache. Forgets silence, too.
    void set_cache(double seconds);

   private:
    class Flight;
    struct Shared;

    // The present process's.
    std::shared_ptr<Shared> shared() const;
    std::shared_ptr<Shared> make() const;

    Workers& workers_;
    const Function function_;
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

    // The one who waited does not any more: a job that no worker has begun is not begun at all
    // unless others wait for it, and this one does not arrive.
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
    std::shared_ptr<Shared> shared_;  // of the one that has started it
    std::shared_ptr<Flight> flight_;  // null: over, or given up
};

}  // namespace socket2
