#include "core/net/query.h"

#include <utility>

namespace socket2 {

class Query::Job final : public Resolver::Job {
   public:
    Job(Query& waiter, const Endpoint& endpoint, double deadline)
        : Resolver::Job(waiter.loop_.inbox(), endpoint, deadline), waiter_(&waiter) {}

    void arrive() override {
        if (waiter_ == nullptr) return;
        waiter_->found_ = std::move(found);
        waiter_->finish(result);
    }

    Query* waiter_;  // null: gone; only the loop's thread uses it
};

Query::Query(Loop& loop) : Object(kLookup), loop_(loop), op_(*this, Side::read) {
    loop_.reserve(1);
    op_.kind = OpKind::lookup;
}

Query::~Query() {
    leave_job();
    loop_.release(1);
}

void Query::start(Resolver& resolver, const Endpoint& endpoint, double deadline) {
    Result r = lookup_literal(endpoint, found_);
    if (r.is_pending()) r = ask(resolver, endpoint, deadline);
    op_.deadline = deadline;
    SOCKET2_ASSERT(loop_.submit(op_).is_pending(), "a query is started twice");
    if (!r.is_pending()) finish(r);
}

Result Query::ask(Resolver& resolver, const Endpoint& endpoint, double deadline) {
    const auto job = std::make_shared<Job>(*this, endpoint, deadline);
    const Result r = resolver.start(job);
    leave_job();
    job_ = job;
    if (!r.is_pending()) found_ = std::move(job->found);
    return r;
}

void Query::ask_again(Resolver& resolver) {
    if (op_.state != OpState::external || op_.in_list()) return;
    const std::shared_ptr<Job> former = job_;
    const Result r = ask(resolver, former->endpoint(), op_.deadline);
    if (!r.is_pending()) finish(r);
}

Result Query::result() const { return idle() ? op_.result : Result(Errc::busy); }

void Query::finish(Result result) {
    loop_.finish(op_, result.ok() ? Result::of(static_cast<int>(found_.addresses.size())) : result);
}

void Query::end(Errc reason) {
    leave_job();
    loop_.cancel(op_, reason);
}

void Query::leave_job() {
    if (job_ == nullptr) return;
    job_->waiter_ = nullptr;
    job_->give_up();
    job_ = nullptr;
}

}  // namespace socket2
