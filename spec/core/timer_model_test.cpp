// Timers that are armed, disarmed and taken at random, against a model.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <random>

#include "core/io/timer.h"
#include "spec/core/timer_fixture.h"

namespace socket2 {
namespace {

class TimerModel : public TimerTest, public ::testing::WithParamInterface<unsigned> {
   protected:
    struct Named : Timer {
        double deadline = 0;
        bool live = false;
    };

    void arm_one(Named& timer, double deadline) {
        timer.deadline = std::max(deadline, turn_time);
        timer.live = true;
        arm(timer, deadline);
        model.emplace(timer.deadline, &timer);
    }

    void forget(Named& timer) {
        timer.live = false;
        const auto [first, last] = model.equal_range(timer.deadline);
        const auto found =
            std::find_if(first, last, [&](const auto& entry) { return entry.second == &timer; });
        ASSERT_NE(found, last) << "it was not armed, or went off before";
        model.erase(found);
    }

    void poll_once(double until) {
        const size_t waits = poller->waits.size();
        ASSERT_TRUE(loop->poll(until).ok());
        if (poller->waits.size() != waits) turn_time = time;
    }

    std::multimap<double, Named*> model;  // armed, or fired and not taken
    double turn_time = kStart;
};

TEST_P(TimerModel, Agrees) {
    std::mt19937 random(GetParam());
    const auto below = [&](unsigned n) { return static_cast<int>(random() % n); };
    std::deque<Named> timers(400);
    bool left = false;  // some that fired may not have been taken
    size_t gone_off = 0;
    for (int step = 0; step < 20000; ++step) {
        Named& timer = timers[static_cast<size_t>(below(400))];
        switch (below(8)) {
            case 0:
            case 1:
            case 2:
                // Coarse times, so that many are equal; some have passed.
                if (!timer.live) arm_one(timer, time + below(60) - 5);
                break;
            case 3:
            case 4:
                if (!timer.live) break;
                loop->disarm(timer);
                forget(timer);
                break;
            case 5:
                time += below(2);
                break;
            default: {
                const double before = time;
                const double until = below(3) == 0 ? time + below(4) : 0;
                const double earliest = model.empty() ? kNever : model.begin()->first;
                poll_once(until);
                ASSERT_LE(time, std::max({before, until, earliest})) << "it slept too long";
                if (!left && until > before) {
                    ASSERT_GE(time, std::max(before, std::min(until, earliest))) << "too short";
                }
                const size_t room = below(2) == 0 ? 1000 : static_cast<size_t>(below(10));
                size_t taken = 0;
                Timer* next = nullptr;
                while (taken < room && (next = loop->take_timer()) != nullptr) {
                    ++taken;
                    auto& named = static_cast<Named&>(*next);
                    ASSERT_TRUE(named.live) << "given twice, or after its disarm";
                    ASSERT_LE(named.deadline, time) << "early";
                    ASSERT_EQ(&named, model.begin()->second) << "out of turn";
                    forget(named);
                }
                if (!left && taken < room) {
                    ASSERT_LE(taken, kShare);
                    if (taken < kShare && !model.empty()) {
                        ASSERT_GT(model.begin()->first, time) << "late";
                    }
                }
                gone_off += taken;
                left = taken == room;
            }
        }
    }
    EXPECT_GT(gone_off, 1000u);
    while (!model.empty()) {
        const Timers some = poll();
        ASSERT_FALSE(some.empty());
        for (Timer* timer : some) {
            ASSERT_LE(static_cast<Named*>(timer)->deadline, time);
            forget(static_cast<Named&>(*timer));
        }
    }
    EXPECT_EQ(poll(time + 1000), Timers{});
}

// Timers, deadlines and completions in one loop: nothing is lost, early, or out of reach.
TEST_P(TimerModel, AgreesAmongOps) {
    std::mt19937 random(GetParam());
    const auto below = [&](unsigned n) { return static_cast<int>(random() % n); };
    std::deque<Named> timers(100);
    std::deque<Lone> ops(50);
    size_t gone_off = 0, timeouts = 0, values = 0;
    for (int step = 0; step < 20000; ++step) {
        Named& timer = timers[static_cast<size_t>(below(100))];
        Lone& lone = ops[static_cast<size_t>(below(50))];
        switch (below(6)) {
            case 0:
                if (!timer.live) arm_one(timer, time + below(30) - 3);
                break;
            case 1:
                if (!timer.live || below(3) != 0) break;
                loop->disarm(timer);
                forget(timer);
                break;
            case 2:
                if (lone.op.state != OpState::idle) break;
                ASSERT_TRUE(submit(lone, time + below(30) - 3).is_pending());
                break;
            case 3:
                if (poller->has(lone.op) && below(3) == 0) poller->finish(lone.op, Result::of(1));
                break;
            case 4:
                time += below(2);
                break;
            default: {
                const double until = below(3) == 0 ? time + below(4) : 0;
                ASSERT_TRUE(loop->poll(until).ok());
                for (Timer* taken : take_all()) {
                    ASSERT_LE(static_cast<Named*>(taken)->deadline, time);
                    forget(static_cast<Named&>(*taken));
                    ++gone_off;
                }
                while (const Op* op = loop->take()) {
                    if (op->result.ok()) {
                        ++values;
                        continue;
                    }
                    ASSERT_EQ(op->result.error(), Errc::timeout);
                    ASSERT_LE(op->deadline, time) << "early";
                    ++timeouts;
                }
                // A timer that became due in the wait may come with the next poll, but not later.
                ASSERT_TRUE(loop->poll(0).ok());
                for (Timer* taken : take_all()) forget(static_cast<Named&>(*taken));
                while (const Op* op = loop->take()) {
                    if (op->result.is_error()) {
                        ASSERT_LE(op->deadline, time);
                    }
                }
                if (!model.empty()) {
                    ASSERT_GT(model.begin()->first, time) << "late";
                }
                for (const Lone& other : ops) {
                    if (other.op.state != OpState::idle) {
                        ASSERT_GT(other.op.deadline, time);
                    }
                }
            }
        }
    }
    EXPECT_GT(gone_off, 500u);
    EXPECT_GT(timeouts, 100u);
    EXPECT_GT(values, 100u);
    for (Lone& lone : ops) loop->cancel(lone.op, Errc::canceled);
    for (Timer* taken : look()) static_cast<Named*>(taken)->live = false;
    while (loop->take() != nullptr) {
    }
    for (Named& timer : timers) {
        if (timer.live) loop->disarm(timer);
    }
}

INSTANTIATE_TEST_SUITE_P(Seeds, TimerModel, ::testing::Range(1u, 9u));

}  // namespace
}  // namespace socket2
