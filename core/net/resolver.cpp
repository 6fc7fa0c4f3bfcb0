#include "core/net/resolver.h"

#include <algorithm>
#include <new>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/base/clock.h"
#include "core/net/hosts_file.h"
#include "core/net/lookup_cache.h"
#include "core/sys/hosts.h"

namespace socket2 {

// What a resolver and its flights share.
struct Resolver::Shared {
    using JobPtr = std::shared_ptr<Job>;

    Shared(Workers& workers, Function the_function)
        : function(std::move(the_function)),
          names(workers.lane("socket2 names", kMaxNames, kMaxAbandoned)),
          local(workers.lane("socket2 hosts", kMaxLocal, kMaxAbandoned)) {
        silent.set_lifetime(kSilenceSeconds);
    }

    static Result start(const std::shared_ptr<Shared>& self, const JobPtr& job);
    void leave(Job& job);

    // With the lock held.
    bool recall(Job& job) const;
    void forget(const Flight& flight);
    void remember(const Flight& flight);
    bool needs_network(const Endpoint& endpoint, bool& is_loopback);

    const Function function;
    const MonotonicClock clock;
    const uint32_t process = process_number();
    const std::shared_ptr<Workers::Lane> names;
    const std::shared_ptr<Workers::Lane> local;

    std::mutex mutex;  // guards the members below; lanes may be called while it is held
    std::unordered_map<std::string, std::shared_ptr<Flight>> flights;
    LookupCache cache;
    LookupCache silent;  // questions that name servers left unanswered
    HostsFile hosts{sys::hosts_path()};
};

// One question to the system, for all jobs that ask it meanwhile.
class Resolver::Flight final : public Workers::Task {
   public:
    Flight(std::shared_ptr<Shared> shared, std::string key, const Shared::JobPtr& first)
        : shared_(std::move(shared)), key_(std::move(key)), first_(first), waiting_{first} {}

    void run() noexcept override;
    void finish() noexcept override;

   private:
    friend struct Shared;

    Result answer();
    bool is_late();
    void hand_out(Job& job) const;

    const std::shared_ptr<Shared> shared_;
    const std::string key_;
    const Shared::JobPtr first_;  // has the question
    std::shared_ptr<Workers::Lane> route_;
    bool is_loopback_ = false;             // RFC 6761 says so, although the hosts file does not
    std::vector<Shared::JobPtr> waiting_;  // guarded by the shared state's lock
    Result result_ = Result::pending();
    Lookup found_;
    double took_ = 0;  // seconds
};

// ---- in the threads that ask ----

Resolver::Resolver(Workers& workers, Function function)
    : workers_(workers), function_(std::move(function)), shared_(make()) {}

std::shared_ptr<Resolver::Shared> Resolver::make() const {
    return std::make_shared<Shared>(workers_, function_);
}

std::shared_ptr<Resolver::Shared> Resolver::shared() const {
    const std::lock_guard lock(mutex_);
    const uint32_t process = process_number();
    if (process != process_) {
        // A thread that only the parent has may hold the lock: the old state cannot be freed.
        auto fresh = make();
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
    s->silent.set_lifetime(kSilenceSeconds);
}

Result Resolver::Shared::start(const std::shared_ptr<Shared>& self, const JobPtr& job) {
    Shared& s = *self;
    const Endpoint endpoint = job->endpoint();
    const std::string key = LookupCache::key_of(endpoint);
    const std::lock_guard lock(s.mutex);
    if (s.recall(*job)) return Result::done();
    if (job->deadline_ <= s.clock.now()) return Errc::timeout;
    if (const auto place = s.flights.find(key); place != s.flights.end()) {
        Flight& flight = *place->second;
        flight.waiting_.push_back(job);
        flight.route_->want(flight);
        job->shared_ = self;
        job->flight_ = place->second;
        return Result::pending();
    }
    if (Lookup none; s.silent.find(endpoint, s.clock.now(), none)) {
        return Errc::temporary_lookup_failure;
    }
    const auto flight = std::make_shared<Flight>(self, key, job);
    flight->route_ = s.needs_network(endpoint, flight->is_loopback_) ? s.names : s.local;
    s.flights.emplace(key, flight);
    Result r = Errc::out_of_memory;
    try {
        r = flight->route_->start(flight, job->inbox_.get());
    } catch (const std::bad_alloc&) {
        r = Errc::out_of_memory;
    }
    if (r.is_error()) {
        s.flights.erase(key);
        return r;
    }
    job->shared_ = self;
    job->flight_ = flight;
    return r;
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
    // In a forked child the lock may be held forever by a thread that only the parent has.
    if (shared_ == nullptr || shared_->process != process_number()) return;
    shared_->leave(*this);
}

void Resolver::Shared::leave(Job& job) {
    std::shared_ptr<Flight> flight;  // both are freed after the lock is released
    JobPtr gone;
    const std::lock_guard lock(mutex);
    flight = std::move(job.flight_);
    if (flight == nullptr) return;
    auto& waiting = flight->waiting_;
    const auto place = std::find_if(waiting.begin(), waiting.end(),
                                    [&](const JobPtr& each) { return each.get() == &job; });
    gone = std::move(*place);
    waiting.erase(place);
    if (waiting.empty() && flight->route_->leave(*flight)) flights.erase(flight->key_);
}

// ---- in the workers ----

void Resolver::Flight::run() noexcept {
    const double began = shared_->clock.now();
    try {
        result_ = answer();
    } catch (const std::bad_alloc&) {
        result_ = Errc::out_of_memory;
    } catch (...) {
        result_ = Errc::system_error;
    }
    took_ = shared_->clock.now() - began;
}

Result Resolver::Flight::answer() {
    if (is_late()) return Errc::timeout;
    const Endpoint endpoint = first_->endpoint();
    return is_loopback_ ? lookup_localhost(endpoint, found_) : shared_->function(endpoint, found_);
}

// Whether all that wait have given up by deadline before the flight begins. Nothing joins it then.
bool Resolver::Flight::is_late() {
    const std::lock_guard lock(shared_->mutex);
    const double now = shared_->clock.now();
    const bool late = std::all_of(waiting_.begin(), waiting_.end(),
                                  [&](const auto& job) { return job->deadline_ <= now; });
    if (late) shared_->forget(*this);
    return late;
}

void Resolver::Flight::finish() noexcept {
    std::vector<Shared::JobPtr> waiting;
    {
        const std::lock_guard lock(shared_->mutex);
        shared_->forget(*this);
        shared_->remember(*this);
        waiting.swap(waiting_);
        for (const auto& job : waiting) hand_out(*job);
    }
    for (const auto& job : waiting) job->inbox_->post(job);
}

// Called with the lock held, because a job that gives up reads its flight.
void Resolver::Flight::hand_out(Job& job) const {
    job.flight_ = nullptr;
    job.result = result_;
    try {
        if (result_.ok()) job.found = found_;
    } catch (const std::bad_alloc&) {
        job.result = Errc::out_of_memory;
    }
}

// ---- with the lock ----

bool Resolver::Shared::recall(Job& job) const {
    if (!cache.on() || !cache.find(job.endpoint(), clock.now(), job.found)) return false;
    job.result = Result::done();
    return true;
}

// Another flight for an equal question may have taken its place.
void Resolver::Shared::forget(const Flight& flight) {
    const auto place = flights.find(flight.key_);
    if (place != flights.end() && place->second.get() == &flight) flights.erase(place);
}

void Resolver::Shared::remember(const Flight& flight) {
    const bool silence =
        flight.result_.error() == Errc::temporary_lookup_failure && flight.took_ >= kLongSeconds;
    if (!flight.result_.ok() && !silence) return;
    try {
        (silence ? silent : cache).put(flight.first_->endpoint(), clock.now(), flight.found_);
    } catch (const std::bad_alloc&) {
        return;  // it is only a cache
    }
}

// For a name that the hosts file lacks in the family that was asked for, the system goes to the
// network. It does so for localhost, too.
bool Resolver::Shared::needs_network(const Endpoint& endpoint, bool& is_loopback) {
    if (endpoint.host == nullptr) return false;  // null is loopback: only the service may be a name
    const bool back = (endpoint.flags & kReverse) != 0;
    if (!back && is_literal(endpoint)) return false;
    if (hosts.has(endpoint.host, back ? Family::unspecified : endpoint.family)) return false;
    const bool mapped = (endpoint.flags & kV4Mapped) != 0 && endpoint.family == Family::inet6;
    const bool local = !back && !mapped && is_localhost(endpoint.host);
    const bool sub = std::string_view(endpoint.host).size() > std::string_view("localhost").size();
    is_loopback = local && (sub || !sys::knows_localhost());
    return !local;
}

}  // namespace socket2
