// One event loop: carries ops to the poller and back, keeps deadlines and timers.
//
// Belongs to one thread; only wake() and the inbox may be used from another.
#pragma once

#include <cstddef>
#include <memory>

#include "core/base/chunk_pool.h"
#include "core/base/clock.h"
#include "core/base/heap.h"
#include "core/io/inbox.h"
#include "core/io/object.h"
#include "core/io/poller.h"
#include "core/io/timer.h"

namespace socket2 {

class Loop {
   public:
    Loop(std::unique_ptr<Poller> poller, std::unique_ptr<Clock> clock);
    ~Loop();

    // A new socket says how many ops it may have in flight, so that submit() never allocates.
    // May throw bad_alloc.
    void reserve(size_t ops);
    void release(size_t ops);
    size_t reserved() const { return reserved_; }

    // What the poller knows, alive or with ops to be taken.
    void count_source(int more) { sources_ += more; }
    bool has_sources() const { return sources_ > 0; }
    // Only while there are none, or after leave_parent().
    void replace_poller(std::unique_ptr<Poller> poller);

    // In a forked child, before replace_poller(): what was in flight begins again, but for sends, which
    // are the parent's to go on with, and are Errc::canceled here. May be called again.
    void leave_parent();

    Result attach(IoSource& source) { return poller_->attach(source); }
    void shut(IoSource& source, int directions) { poller_->shut(source, directions); }

    // A value or an error: it is over. Pending: exactly one completion follows.
    // A busy op (not idle) is Errc::busy and stays as it was.
    Result submit(IoOp& op);

    // See Poller::try_now().
    Result try_now(IoOp& op) { return poller_->try_now(op); }

    // Pending until finish() is called in the loop's thread, or the op is canceled, which needs nobody's
    // help.
    Result submit(ExternalOp& op);
    // The op completes with the next turn. One that was canceled (or finished) meanwhile keeps
    // what it has.
    void finish(ExternalOp& op, Result result);

    // For an object in on_completed(): submits the op again, as the same operation, whose deadline and
    // cancel stay. It completes with a later turn, so what goes on and on does not hold up others.
    void go_on(IoOp& op);

    // Memory for what has come and is not read yet.
    ChunkPool& chunks() { return chunks_; }

    // What other threads post to; it can outlive the loop.
    const std::shared_ptr<Inbox>& inbox() const { return inbox_; }

    // The op completes soon, with `reason` unless the system was faster.
    void cancel(Op& op, Errc reason);

    // Cancels the ops with Errc::closed and forgets the source, whose descriptor may be closed
    // after this.
    void detach(IoSource& source, IoOp& read, IoOp& write);

    // Closes the object and takes it over, to free it when its ops have been taken.
    void close(std::unique_ptr<Object> object);

    // One turn: waits until something completes, `until` (a time of the clock) comes, a signal
    // arrives or wake() is called. Completed ops are then there to be taken.
    Result poll(double until);

    // The oldest completed op that its object leaves to be an event, now idle again; null when there is none.
    // What it completed with
    // stays in it until it is submitted again; an owner that was closed is freed by the next
    // poll(), not before.
    Op* take();

    // Room for one more timer, so that arm() does not allocate. May throw bad_alloc.
    void reserve_timer() { timers_.reserve(timers_.size() + 1); }
    // The timer fires once at `deadline`, never earlier, and can then be taken. A time that has
    // passed counts as now: those that always arm for the past would else come before all others.
    void arm(Timer& timer, double deadline) {
        timers_.push(timer, deadline > turn_time_ ? deadline : turn_time_);
    }
    // At any time between arm() and take_timer().
    void disarm(Timer& timer) { timers_.remove(timer); }
    // One that the last poll() found due; null when there is none.
    Timer* take_timer();

    void wake() const { poller_->wake(); }
    double now() const { return clock_->now(); }

   private:
    // How long a listener rests after it ran out of descriptors or memory, and an op for which the system
    // said "later" without an event that would tell when.
    static constexpr double kAcceptRest = 0.1;
    static constexpr double kBusyRest = 0.01;
    // So many timers go off in one turn: a crowd of them would otherwise hold up all I/O.
    static constexpr int kTimerShare = 32;

    Result start(IoOp& op);
    Result hold(IoOp& op, double not_before);
    void submitted(IoOp& op);
    void end(IoOp& op, Result result);
    void complete(Op& op);
    Result turn(double until);
    void submit_deferred();
    void expire();
    bool timer_is_due() const;
    double next_time() const;
    bool has_news() const { return !completed_.empty() || timer_is_due(); }
    void retire(std::unique_ptr<Object> object);
    void free_retired();

    ChunkPool chunks_;
    std::unique_ptr<Poller> poller_;
    std::shared_ptr<Inbox> inbox_ = std::make_shared<Inbox>();
    std::unique_ptr<Clock> clock_;
    OpList deferred_;  // IoOps whose rest is over; before that they are in the heap only
    // Over without the poller. Completed by the next turn, not at once: who starts and ends such ops
    // again and again would keep the loop from its turns.
    OpList ended_;
    OpList completed_;
    Heap<Op> times_;  // deadlines and ends of rests of pending ops
    Heap<Timer> timers_;
    // Of those that had been armed by the last turn, that many may still be taken.
    int timer_share_ = 0;
    uint64_t armed_ = 0;
    double turn_time_;
    bool expired_ops_ = false;  // by the last turn
    size_t reserved_ = 0;
    int sources_ = 0;
    IntrusiveList<Object> retired_;
};

}  // namespace socket2
