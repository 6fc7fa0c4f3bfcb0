// The timers of a loop, over a scripted poller and a clock that stands still unless the loop waits.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "core/io/loop.h"
#include "core/io/timer.h"
#include "spec/core/fake_poller.h"
#include "spec/core/owner.h"

namespace socket2 {

constexpr double kStart = 1000;
constexpr size_t kShare = 32;

// An op on its own, without a socket around it.
struct Lone {
    Owner owner;
    IoSource source;
    IoOp op{owner, source, Side::read};
};

using Timers = std::vector<Timer*>;

class TimerTest : public ::testing::Test {
   protected:
    TimerTest() {
        auto owned = std::make_unique<FakePoller>(time, violations);
        poller = owned.get();
        loop = std::make_unique<Loop>(std::move(owned), std::make_unique<FakeClock>(time));
        loop->reserve(kOps);
    }

    void TearDown() override {
        loop.reset();
        EXPECT_EQ(violations, 0) << "the loop broke the poller's contract";
    }

    void arm(Timer& timer, double deadline) {
        loop->reserve_timer();
        loop->arm(timer, deadline);
    }

    Result submit(Lone& lone, double deadline = kNever) {
        lone.op.deadline = deadline;
        return loop->submit(lone.op);
    }

    Timers take_all() {
        Timers timers;
        while (Timer* timer = loop->take_timer()) {
            EXPECT_FALSE(timer->in_heap());
            timers.push_back(timer);
        }
        return timers;
    }

    // One poll that only looks.
    Timers look() {
        EXPECT_TRUE(loop->poll(0).ok());
        return take_all();
    }

    // Polls until some fire or the time is over.
    Timers poll(double until = kNever) {
        for (int turn = 0; turn < 1000; ++turn) {
            EXPECT_TRUE(loop->poll(until).ok());
            Timers timers = take_all();
            if (!timers.empty() || time >= until) return timers;
        }
        ADD_FAILURE() << "nothing goes off";
        return {};
    }

    double last_wait() const { return poller->waits.back(); }

    static constexpr size_t kOps = 100;
    double time = kStart;
    int violations = 0;
    FakePoller* poller;
    std::unique_ptr<Loop> loop;
};

}  // namespace socket2
