// One event loop: carries ops to the poller and back, and keeps deadlines and timers.
//
// It belongs to one thread. Other threads may only use wake() and the inbox.
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

    // A new socket reserves room for the ops that it may have in flight, so that submit() never
    // allocates. May throw bad_alloc.
    void reserve(size_t ops);
    void release(size_t ops);
    size_t reserved() const { return reserved_; }

    // Counts the sources that the poller knows, whether alive or closed with ops still to be taken.
    void count_source(int more) { sources_ += more; }
    bool has_sources() const { return sources_ > 0; }
    // Only while there are no sources, or after leave_parent().
    void replace_poller(std::unique_ptr<Poller> poller);

    // In a forked child, before replace_poller(): operations in flight begin again. Sends do not,
    // because the parent goes on with them: here they complete with Errc::canceled. May be called
    // again.
    void leave_parent();

    Result attach(IoSource& source) { return poller_->attach(source); }
    void shut(IoSource& source, int directions) { poller_->shut(source, directions); }

    // A value or an error means that the op is over. Pending means that exactly one completion
    // follows. An op that is not idle stays as it was, and the result is Errc::busy.
    Result submit(IoOp& op);

    // See Poller::try_now().
    Result try_now(IoOp& op) { return poller_->try_now(op); }

    // The op is pending until finish() is called in the loop's thread or the op is canceled. A
    // cancel needs no help from outside the loop.
    Result submit(ExternalOp& op);
    // Completes the op with the next turn. An op that was canceled or finished before keeps its
    // result.
    void finish(ExternalOp& op, Result result);

    // For an object in on_completed(): submits the op again as part of the same operation, with its
    // deadline and its cancel. It completes in a later turn, so an operation with many steps does
    // not hold up others. `later`: after a rest, for when nobody would tell that there is more.
    enum class When : uint8_t { soon, later };
    void go_on(IoOp& op, When when = When::soon);

    // Memory for bytes that were received but not read yet.
    ChunkPool& chunks() { return chunks_; }

    // The inbox that other threads post to. It can outlive the loop.
    const std::shared_ptr<Inbox>& inbox() const { return inbox_; }

    // Makes the op complete soon. Its result is `reason`, unless the system was faster.
    void cancel(Op& op, Errc reason);

    // Cancels the ops with Errc::closed and forgets the source. After this its descriptor may be
    // closed.
    void detach(IoSource& source, IoOp& read, IoOp& write);

    // Closes the object and takes ownership, to free it once its ops have been taken, and by the next
    // poll() when it lends memory.
    void close(std::unique_ptr<Object> object);

    // One turn: waits until something completes, `until` (a time of the clock) comes, a signal
    // arrives or wake() is called. Completed ops are then there to be taken.
    Result poll(double until);

    // Takes the oldest completed op that becomes an event because its object has not taken it; null
    // when there is none. The op is idle again, and keeps its result until it is submitted again.
    // If its owner was closed, the next poll() frees it, not before.
    Op* take();

    // Room for one more timer, so that arm() does not allocate. May throw bad_alloc.
    void reserve_timer() { timers_.reserve(timers_.size() + 1); }
    // The timer fires once at `deadline`, never earlier, and can then be taken. A time that has
    // passed counts as now, because timers that are always armed for the past would otherwise come
    // before all others.
    void arm(Timer& timer, double deadline) {
        timers_.push(timer, deadline > turn_time_ ? deadline : turn_time_);
    }
    // At any time between arm() and take_timer().
    void disarm(Timer& timer) { timers_.remove(timer); }
    // Takes a timer that the last poll() found due; null when there is none.
    Timer* take_timer();

    void wake() const { poller_->wake(); }
    double now() const { return clock_->now(); }

   private:
    // How long a listener rests after it ran out of descriptors or memory. An op rests for
    // kBusyRest when the system said "later" but sends no event when later has come.
    static constexpr double kAcceptRest = 0.1;
    static constexpr double kBusyRest = 0.01;
    // At most this many timers fire in one turn: a crowd of them would otherwise hold up all I/O.
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
    OpList deferred_;  // IoOps that have rested; before that they are only in the heap
    // Ops that are over without the poller. They complete in the next turn, not at once: a thread
    // that starts and ends such ops again and again would otherwise keep the loop from its turns.
    OpList ended_;
    OpList completed_;
    Heap<Op> times_;  // deadlines of pending ops, and ends of their rests
    Heap<Timer> timers_;
    // How many of the timers that were armed before the last turn may still be taken.
    int timer_share_ = 0;
    uint64_t armed_ = 0;
    double turn_time_;
    bool expired_ops_ = false;  // set by the last turn
    size_t reserved_ = 0;
    int sources_ = 0;
    IntrusiveList<Object> retired_;
};

inline void Timer::on_close(Loop& loop) {
    if (in_heap()) loop.disarm(*this);
}

}  // namespace socket2
