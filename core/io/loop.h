// One event loop: carries ops to the poller and back, keeps deadlines and fairness.
//
// Belongs to one thread; only wake() may be called from another.
#pragma once

#include <cstddef>
#include <memory>

#include "core/base/clock.h"
#include "core/base/heap.h"
#include "core/io/poller.h"

namespace socket2 {

// What the loop keeps alive until its ops have been taken: a socket.
class OpOwner : public ListNode<OpOwner> {
   public:
    virtual ~OpOwner() = default;
    virtual bool idle() const = 0;
};

class Loop {
   public:
    Loop(std::unique_ptr<Poller> poller, std::unique_ptr<Clock> clock);
    ~Loop();

    // A new socket says how many ops it may have in flight, so that submit() never allocates.
    // May throw bad_alloc.
    void reserve(size_t ops);
    void release(size_t ops);
    size_t reserved() const { return reserved_; }

    // Only while no socket exists.
    void replace_poller(std::unique_ptr<Poller> poller) { poller_ = std::move(poller); }

    Result attach(IoSource& source) { return poller_->attach(source); }

    // A value or an error: it is over. Pending: exactly one completion follows.
    // A busy op (not idle) is Errc::busy and stays as it was.
    Result submit(Op& op);

    // The op completes soon, with `reason` unless the system was faster.
    void cancel(Op& op, Errc reason);

    // Cancels the ops with Errc::closed and forgets the source, whose descriptor may be closed
    // after this.
    void detach(IoSource& source, Op& read, Op& write);

    // Takes over an owner whose source was detached, and frees it when its ops have been taken.
    void retire(std::unique_ptr<OpOwner> owner);

    // One turn: waits until something completes, `until` (a time of the clock) comes, a signal
    // arrives or wake() is called. Completed ops are then there to be taken.
    Result poll(double until);

    // The oldest completed op, now idle again; null when there is none. What it completed with
    // stays in it until it is submitted again; an owner that was retired is freed by the next
    // poll(), not before.
    Op* take();

    void wake() const { poller_->wake(); }
    double now() const { return clock_->now(); }

   private:
    // After so many completions without a wait in between, an op is held back for a turn: a
    // coroutine that never blocks would otherwise starve all others.
    static constexpr int kBudget = 64;
    // How long a listener rests after it ran out of descriptors, and an op for which the system
    // said "later" without an event that would tell when.
    static constexpr double kAcceptRest = 0.1;
    static constexpr double kBusyRest = 0.01;

    Result start(Op& op);
    Result hold(Op& op, double not_before);
    void submitted(Op& op);
    void finish(Op& op, Result result);
    void complete(Op& op);
    Result turn(double until);
    void submit_deferred();
    void expire();
    void free_retired();

    std::unique_ptr<Poller> poller_;
    std::unique_ptr<Clock> clock_;
    int streak_ = 0;   // completions since an op last had to wait
    OpList deferred_;  // held back for a turn; those held until a time are in the heap only
    OpList completed_;
    Heap<Op> times_;  // deadlines and ends of rests of pending ops
    size_t reserved_ = 0;
    IntrusiveList<OpOwner> retired_;
};

}  // namespace socket2
