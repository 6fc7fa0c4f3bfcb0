// A poller without a system, and a clock that the test turns, so that any order of events can be
// arranged.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "core/base/clock.h"
#include "core/io/poller.h"

namespace socket2 {

class FakeClock final : public Clock {
   public:
    explicit FakeClock(const double& time) : time_(time) {}
    double now() const override { return time_; }

   private:
    const double& time_;
};

// It keeps the contract of core/io/poller.h, and checks that its user does.
class FakePoller final : public Poller {
   public:
    // `time`: the clock, which a wait moves on. `violations`: counts its user's breaches of the
    // contract. Both outlive the poller.
    FakePoller(double& time, int& violations) : time_(time), violations_(violations) {}

    // ---- what the test arranges ----

    // Sets the result of one of the op's next submits, in order; without one it is pending.
    void script(IoOp& op, Result result) { scripted_[&op].push_back(result); }

    // Instead of scripts: gives the result of every submit.
    std::function<Result(IoOp&)> on_submit;
    // Runs once, when the next wait begins.
    std::function<void()> on_wait;
    // A canceled op stays out until finish_cancel(), like with a completion port.
    bool cancels_late = false;
    // What the next waits return besides the finished ops.
    Result wait_result = Result::done();

    // The system has finished a submitted op: the next wait reports it.
    void finish(IoOp& op, Result result) {
        if (!has(op)) {
            ++violations_;
            return;
        }
        std::erase(in_flight_, &op);
        op.result = result;
        finished_.push_back(op);
    }

    void finish_cancel(IoOp& op) { finish(op, Errc::canceled); }

    bool has(const IoOp& op) const { return contains(in_flight_, op); }

    // ---- what the test looks at ----

    std::vector<IoOp*> submitted;     // all submits, in order
    std::vector<IoOp*> canceled;      // all cancels, in order
    std::vector<IoSource*> detached;  // all detaches, in order
    std::vector<double> waits;        // the seconds of all waits
    mutable int wakes = 0;

    size_t submits_of(const IoOp& op) const {
        return static_cast<size_t>(std::count(submitted.begin(), submitted.end(), &op));
    }

    // ---- Poller ----

    Result attach(IoSource&) override { return Result::done(); }

    void detach(IoSource& source) override {
        detached.push_back(&source);
        for (const IoOp* op : in_flight_) {
            if (&op->source == &source && !contains(asked_to_cancel_, *op)) ++violations_;
        }
    }

    Result submit(IoOp& op) override {
        submitted.push_back(&op);
        if (has(op) || op.in_list()) ++violations_;
        std::erase(asked_to_cancel_, &op);
        Result result = Result::pending();
        if (on_submit) {
            result = on_submit(op);
        } else if (std::deque<Result>& script = scripted_[&op]; !script.empty()) {
            result = script.front();
            script.pop_front();
        }
        if (result.is_pending()) in_flight_.push_back(&op);
        return result;
    }

    void cancel(IoOp& op) override {
        canceled.push_back(&op);
        if (contains(asked_to_cancel_, op) || (!has(op) && !op.in_list())) ++violations_;
        asked_to_cancel_.push_back(&op);
        // An op that was finished before keeps its result.
        if (has(op) && !cancels_late) finish_cancel(op);
    }

    // There is never anything to take.
    Result try_now(IoOp&) override { return Result::pending(); }

    // Time passes only when there is nothing to report. A wait without an end that nothing can wake
    // returns, as if a signal had come.
    Result wait(double seconds, OpList& completed) override {
        waits.push_back(seconds);
        if (on_wait) std::exchange(on_wait, nullptr)();
        const bool nothing = finished_.empty() && !woken_;
        if (nothing && wait_result.ok() && seconds > 0 && seconds < kNever) time_ += seconds;
        woken_ = false;
        completed.splice(finished_);
        return wait_result;
    }

    void wake() const override {
        ++wakes;
        woken_ = true;
    }

   private:
    static bool contains(const std::vector<IoOp*>& ops, const IoOp& op) {
        return std::count(ops.begin(), ops.end(), &op) != 0;
    }

    double& time_;
    int& violations_;
    std::map<const IoOp*, std::deque<Result>> scripted_;
    std::vector<IoOp*> in_flight_;
    std::vector<IoOp*> asked_to_cancel_;  // since their last submit
    OpList finished_;
    mutable bool woken_ = false;
};

}  // namespace socket2
