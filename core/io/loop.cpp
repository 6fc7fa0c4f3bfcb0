#include "core/io/loop.h"

#include <algorithm>

namespace socket2 {
namespace {

// Whether an accept failed for a reason that may last. A program that accepts in a loop would spin.
bool is_lasting(Errc error) {
    switch (error) {
        case Errc::ok:
        case Errc::closed:
        case Errc::timeout:
        case Errc::canceled:
        case Errc::busy:
        case Errc::not_listening:       // reported at once, until the program listens
        case Errc::connection_aborted:  // this and the next are about one connection
        case Errc::connection_reset:
            return false;
        default:
            return true;
    }
}

bool is_sending(const Op& op) {
    return op.kind == OpKind::send || op.kind == OpKind::send_to || op.kind == OpKind::write;
}

}  // namespace

Loop::Loop(std::unique_ptr<Poller> poller, std::unique_ptr<Clock> clock)
    : poller_(std::move(poller)), clock_(std::move(clock)), turn_time_(clock_->now()) {
    inbox_->open(*poller_);
}

Loop::~Loop() {
    inbox_->close();  // before anything that an item could reach is gone
    // Cancel and drain: the objects left were closed, but the system may write to their memory.
    constexpr double kTurn = 0.1;
    bool failed = false;
    for (;;) {
        while (take() != nullptr || take_timer() != nullptr) {
        }
        free_retired();
        if (retired_.empty() || failed) return;
        failed = poll(now() + kTurn).is_error();
    }
}

void Loop::reserve(size_t ops) {
    times_.reserve(reserved_ + ops);
    reserved_ += ops;
}

void Loop::release(size_t ops) { reserved_ -= ops; }

void Loop::replace_poller(std::unique_ptr<Poller> poller) {
    inbox_->open(*poller);
    poller->wake();  // a wake may have gone to the former poller
    poller_ = std::move(poller);
}

void Loop::leave_parent() {
    OpList ops;
    ops.splice(deferred_);
    poller_->abandon(ops, ended_);
    times_.for_each([&](Op& op) {
        if (op.state == OpState::deferred && !op.in_list()) ops.push_back(op);
    });
    while (IoOp* op = pop_io_op(ops)) {
        if (op->in_heap()) times_.remove(*op);
        op->state = OpState::deferred;
        if (is_sending(*op)) {
            op->result = Errc::canceled;
            ended_.push_back(*op);
        } else {
            deferred_.push_back(*op);
        }
    }
}

Result Loop::submit(IoOp& op) {
    if (op.state != OpState::idle) return Errc::busy;
    op.cancel_reason = Errc::ok;
    op.since = turn_time_;
    op.done = 0;
    op.started = false;
    op.truncated = false;
    if (op.kind == OpKind::accept && op.source.accept_not_before > 0) {
        if (now() < op.source.accept_not_before) return hold(op, op.source.accept_not_before);
        op.source.accept_not_before = 0;
    }
    return start(op);
}

// Hands an op to the poller, for the first time or after a rest.
Result Loop::start(IoOp& op) {
    const Result r = poller_->submit(op);
    if (r.is_pending()) {
        submitted(op);
    } else if (r.error() == Errc::busy && op.kind != OpKind::wait) {
        return hold(op, now() + kBusyRest);
    } else {
        end(op, r);
    }
    return r;
}

// Moves an op from deferred or idle to submitted. Its deadline counts from here on.
void Loop::submitted(IoOp& op) {
    op.state = OpState::submitted;
    if (op.deadline < kNever) times_.push(op, op.deadline);
}

Result Loop::submit(ExternalOp& op) {
    if (op.state != OpState::idle) return Errc::busy;
    op.cancel_reason = Errc::ok;
    op.since = turn_time_;
    op.state = OpState::external;
    if (op.deadline < kNever) times_.push(op, op.deadline);
    return Result::pending();
}

void Loop::finish(ExternalOp& op, Result result) {
    if (op.state != OpState::external || op.in_list()) return;
    if (op.in_heap()) times_.remove(op);
    op.result = result;
    ended_.push_back(op);
}

void Loop::go_on(IoOp& op, When when) {
    SOCKET2_ASSERT(op.state == OpState::idle, "an op goes on that is in flight");
    // An op that completes in every turn is never in the heap when deadlines are checked. It is not
    // canceled here, because a cancel before the next turn counts more.
    const bool late = op.deadline <= turn_time_;
    Result r = op.cancel_reason != Errc::ok ? Errc::canceled : Errc::timeout;
    if (op.cancel_reason == Errc::ok && !late) {
        r = when == When::later ? hold(op, now() + kBusyRest) : poller_->submit(op);
    }
    if (!r.is_pending()) {
        op.state = OpState::deferred;
        op.result = r;
        ended_.push_back(op);
    } else if (op.state == OpState::idle) {
        submitted(op);
    }
}

Result Loop::hold(IoOp& op, double not_before) {
    op.state = OpState::deferred;
    times_.push(op, std::min(not_before, op.deadline));
    return Result::pending();
}

// Records the result of an op that is over, at once or later.
void Loop::end(IoOp& op, Result result) {
    op.result = result;
    if (op.kind == OpKind::accept && is_lasting(result.error())) {
        op.source.accept_not_before = now() + kAcceptRest;
    }
}

// Moves an op from deferred or submitted to completed.
void Loop::complete(Op& op) {
    if (op.in_heap()) times_.remove(op);
    op.state = OpState::completed;
    completed_.push_back(op);
}

void Loop::cancel(Op& op, Errc reason) {
    if (op.state == OpState::idle || op.cancel_reason != Errc::ok)
        return;  // the first reason counts
    if (op.state == OpState::completed) {
        op.cancel_reason = reason;  // the op keeps its result, unless its owner goes on
        return;
    }
    if (op.state == OpState::external && !static_cast<ExternalOp&>(op).let_go()) return;
    op.cancel_reason = reason;
    if (op.in_heap()) times_.remove(op);
    if (op.state == OpState::submitted) {
        poller_->cancel(static_cast<IoOp&>(op));
        return;
    }
    if (op.in_list()) OpList::remove(op);
    op.result = Errc::canceled;
    ended_.push_back(op);
}

void Loop::detach(IoSource& source, IoOp& read, IoOp& write) {
    cancel(read, Errc::closed);
    cancel(write, Errc::closed);
    poller_->detach(source);
}

void Loop::close(std::unique_ptr<Object> object) {
    object->on_close(*this);
    if (object->lends()) {
        retired_.push_back(*object.release());
    } else {
        retire(std::move(object));
    }
}

void Loop::retire(std::unique_ptr<Object> object) {
    if (!object->idle()) retired_.push_back(*object.release());
}

void Loop::free_retired() {
    IntrusiveList<Object> waiting;
    waiting.splice(retired_);
    while (Object* object = waiting.pop_front()) {
        retire(std::unique_ptr<Object>(object));
    }
}

void Loop::submit_deferred() {
    OpList due;  // an op that is held back again waits for the next turn
    due.splice(deferred_);
    while (IoOp* op = pop_io_op(due)) {
        op->state = OpState::idle;
        if (!start(*op).is_pending()) complete(*op);
    }
}

void Loop::expire() {
    while (times_.earliest() <= turn_time_) {
        Op& op = times_.front();
        times_.remove(op);
        if (op.deadline <= turn_time_) {
            expired_ops_ = true;
            cancel(op, Errc::timeout);
        } else {
            deferred_.push_back(op);  // its rest is over
        }
    }
}

// A timer that was armed after the turn began is not due: its own turn is yet to come.
bool Loop::timer_is_due() const {
    return timer_share_ > 0 && timers_.earliest() <= turn_time_ && timers_.front_order() < armed_;
}

Timer* Loop::take_timer() {
    if (!timer_is_due()) return nullptr;
    Timer& timer = timers_.front();
    timers_.remove(timer);
    --timer_share_;
    return &timer;
}

double Loop::next_time() const { return std::min(times_.earliest(), timers_.earliest()); }

Result Loop::turn(double until) {
    double seconds = 0;
    if (!has_news() && deferred_.empty() && ended_.empty()) {
        const double first = std::min(until, next_time());
        seconds = kNever;
        if (first < kNever) seconds = std::max(0.0, first - now());
    }
    OpList arrived;
    const Result r = poller_->wait(seconds, arrived);
    turn_time_ = now();
    inbox_->deliver();
    arrived.splice(ended_);
    while (Op* op = arrived.pop_front()) {
        const bool canceled = op->result.error() == Errc::canceled && op->cancel_reason != Errc::ok;
        const Result result = canceled ? Result(op->cancel_reason) : op->result;
        if (op->state == OpState::external) {
            op->result = result;
        } else {
            end(static_cast<IoOp&>(*op), result);
        }
        complete(*op);
    }
    // After the wait, because a result that the system has beats a deadline that has passed.
    expire();
    submit_deferred();
    return r;
}

Result Loop::poll(double until) {
    free_retired();
    // Completions of an earlier turn are taken first. New work waits, so their number shrinks.
    if (has_news()) return Result::done();
    Result r = turn(until);
    // Ops that a deadline cancels belong to this poll. They come back one turn later, and two turns
    // later when they were held back until this one.
    for (int more = 2; more > 0 && r.ok() && (expired_ops_ || times_.earliest() <= turn_time_);
         --more) {
        expired_ops_ = false;
        r = turn(0);
    }
    timer_share_ = kTimerShare;
    armed_ = timers_.pushed();
    return r;
}

Op* Loop::take() {
    while (Op* op = completed_.pop_front()) {
        op->state = OpState::idle;
        if (!op->owner.on_completed(*op)) return op;
    }
    return nullptr;
}

}  // namespace socket2
