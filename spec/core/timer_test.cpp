// When timers fire, in which order, and that timers, ops and deadlines do not hold each other up.
#include "core/io/timer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <memory>
#include <new>
#include <random>
#include <utility>
#include <vector>

#include "spec/core/timer_fixture.h"

namespace {

size_t allocations;

}  // namespace

// Not inlined, because the compiler would see a malloc() behind a new, and warn.
[[gnu::noinline]] void* operator new(size_t size) {
    ++allocations;
    void* memory = std::malloc(size);
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
}

[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace socket2 {
namespace {

// ---- firing -------------------------------------------------------------------------------------

TEST_F(TimerTest, GoesOffOnceAtItsTime) {
    Timer timer;
    timer.set_handle(42);
    arm(timer, kStart + 5);
    EXPECT_EQ(poll(kStart + 4.999), Timers{});
    EXPECT_EQ(poll(), Timers{&timer});
    EXPECT_EQ(time, kStart + 5);
    EXPECT_EQ(timer.handle(), 42);
    EXPECT_EQ(poll(kStart + 100), Timers{});
}

TEST_F(TimerTest, BelongsToThePollThatWaitedForIt) {
    Timer timer;
    arm(timer, kStart + 5);
    EXPECT_TRUE(loop->poll(kNever).ok());
    EXPECT_EQ(take_all(), Timers{&timer});
    EXPECT_EQ(time, kStart + 5);
}

TEST_F(TimerTest, IsNeverEarlyHoweverOftenTheLoopTurns) {
    Timer timer;
    const double deadline = kStart + 0.1 + 0.2;  // not a round number
    arm(timer, deadline);
    while (time < deadline) {
        loop->wake();
        EXPECT_EQ(poll(time), Timers{});
        time = std::min(time + 0.0137, std::nextafter(deadline, 0.0));
        EXPECT_EQ(look(), Timers{});
        if (time == std::nextafter(deadline, 0.0)) time = deadline;
    }
    EXPECT_EQ(look(), Timers{&timer});
}

TEST_F(TimerTest, ATimeThatHasPassedGoesOffWithTheNextPollWithoutAWait) {
    for (const double deadline : {kStart, kStart - 1, 0.0, -1e300, -kNever}) {
        Timer timer;
        arm(timer, deadline);
        EXPECT_EQ(loop->take_timer(), nullptr) << "no event without a poll";
        EXPECT_TRUE(loop->poll(kNever).ok());
        EXPECT_EQ(take_all(), Timers{&timer});
        EXPECT_EQ(last_wait(), 0);
        EXPECT_EQ(time, kStart);
    }
}

TEST_F(TimerTest, APollThatOnlyLooksGivesWhatIsDue) {
    Timer timer;
    arm(timer, kStart + 1);
    time = kStart + 2;
    EXPECT_EQ(look(), Timers{&timer});
}

TEST_F(TimerTest, OneThatIsDueWhenTheWaitEndsForSomethingElseComesNext) {
    Timer timer;
    Lone lone;
    arm(timer, kStart + 1);
    EXPECT_TRUE(submit(lone).is_pending());
    poller->on_wait = [&] {
        time = kStart + 1;
        poller->finish(lone.op, Result::of(1));
    };
    EXPECT_TRUE(loop->poll(kNever).ok());
    EXPECT_EQ(loop->take(), &lone.op);
    Timers taken = take_all();
    if (taken.empty()) taken = look();
    EXPECT_EQ(taken, Timers{&timer});
    EXPECT_EQ(time, kStart + 1);
}

TEST_F(TimerTest, AFarTimeNeverComes) {
    Timer timer;
    arm(timer, 1e300);
    poller->on_wait = [&] { loop->wake(); };
    EXPECT_TRUE(loop->poll(kNever).ok());
    EXPECT_EQ(take_all(), Timers{});
    EXPECT_GT(last_wait(), 1e299);
    loop->disarm(timer);
}

TEST_F(TimerTest, APollerErrorLosesNone) {
    Timer timer;
    arm(timer, kStart);
    poller->wait_result = Result(Errc::bad_descriptor, 9);
    EXPECT_EQ(loop->poll(kNever).error(), Errc::bad_descriptor);
    poller->wait_result = Result::done();
    EXPECT_EQ(look(), Timers{&timer});
}

// ---- order --------------------------------------------------------------------------------------

TEST_F(TimerTest, TheyGoOffInTheOrderOfTheirTimes) {
    constexpr size_t kCount = 1000;
    std::vector<Timer> timers(kCount);
    std::vector<size_t> order(kCount);
    for (size_t i = 0; i < kCount; ++i) order[i] = i;
    std::shuffle(order.begin(), order.end(), std::mt19937(3));
    for (const size_t i : order) arm(timers[i], kStart + 1 + static_cast<double>(i) / 7);
    for (size_t i = 0; i < kCount; ++i) {
        EXPECT_EQ(poll(), Timers{&timers[i]}) << i;
        EXPECT_GE(time, kStart + 1 + static_cast<double>(i) / 7);
    }
}

TEST_F(TimerTest, WhatIsDueTogetherComesInTheOrderOfTheirTimes) {
    constexpr size_t kCount = 500;
    std::vector<Timer> timers(kCount);
    std::vector<size_t> order(kCount);
    for (size_t i = 0; i < kCount; ++i) order[i] = i;
    std::shuffle(order.begin(), order.end(), std::mt19937(4));
    for (const size_t i : order) arm(timers[i], kStart + static_cast<double>(i));
    time = kStart + kCount;
    Timers all;
    while (all.size() < kCount) {
        const Timers some = look();
        ASSERT_FALSE(some.empty());
        all.insert(all.end(), some.begin(), some.end());
    }
    for (size_t i = 0; i < kCount; ++i) EXPECT_EQ(all[i], &timers[i]);
}

TEST_F(TimerTest, OfTheSameTimeTheyComeInTheOrderTheyWereArmed) {
    constexpr size_t kCount = 200;
    std::vector<Timer> timers(kCount);
    Timers expected;
    for (Timer& timer : timers) {
        arm(timer, kStart + 1);
        expected.push_back(&timer);
    }
    EXPECT_EQ(poll(kStart + 0.99), Timers{});
    Timers all;
    while (all.size() < kCount) {
        const Timers some = poll(kStart + 2);
        ASSERT_FALSE(some.empty());
        EXPECT_EQ(time, kStart + 1);
        all.insert(all.end(), some.begin(), some.end());
    }
    EXPECT_EQ(all, expected);
    EXPECT_EQ(poll(kStart + 2), Timers{});
}

TEST_F(TimerTest, OfTheSameTimeTheyComeInThatOrderWhenOthersWereDisarmed) {
    constexpr size_t kCount = 1000;
    std::vector<Timer> timers(kCount);
    for (size_t i = 0; i < kCount; ++i) arm(timers[i], kStart + 1 + static_cast<double>(i % 3));
    for (size_t i = 0; i < kCount; i += 7) loop->disarm(timers[i]);
    for (size_t i = 0; i < kCount; i += 14) arm(timers[i], kStart + 1 + static_cast<double>(i % 3));
    Timers expected;
    for (size_t third = 0; third < 3; ++third) {
        for (size_t i = third; i < kCount; i += 3) {
            if (i % 7 != 0) expected.push_back(&timers[i]);
        }
        for (size_t i = 0; i < kCount; i += 14) {
            if (i % 3 == third) expected.push_back(&timers[i]);
        }
    }
    Timers all;
    while (all.size() < expected.size()) {
        const Timers some = poll();
        ASSERT_FALSE(some.empty());
        all.insert(all.end(), some.begin(), some.end());
    }
    EXPECT_EQ(all, expected);
}

// ---- how long a poll waits ----------------------------------------------------------------------

TEST_F(TimerTest, ThePollWaitsForTheEarliest) {
    Timer a, b, c;
    arm(a, kStart + 8);
    arm(b, kStart + 2);
    arm(c, kStart + 5);
    poller->on_wait = [&] { loop->wake(); };
    EXPECT_TRUE(loop->poll(kNever).ok());
    EXPECT_EQ(last_wait(), 2);
    poller->on_wait = [&] { loop->wake(); };
    EXPECT_TRUE(loop->poll(kStart + 1).ok());
    EXPECT_EQ(last_wait(), 1);
    loop->disarm(b);
    poller->on_wait = [&] { loop->wake(); };
    EXPECT_TRUE(loop->poll(kNever).ok());
    EXPECT_EQ(last_wait(), 5);
    loop->disarm(a);
    loop->disarm(c);
    EXPECT_TRUE(loop->poll(kNever).ok());
    EXPECT_EQ(last_wait(), kNever);
}

TEST_F(TimerTest, WhatIsLeftUntakenComesFirstWithoutAWait) {
    Timer a, b;
    arm(a, kStart);
    arm(b, kStart);
    EXPECT_TRUE(loop->poll(kNever).ok());
    const Timer* first = loop->take_timer();
    const size_t waits = poller->waits.size();
    EXPECT_TRUE(loop->poll(kNever).ok());
    EXPECT_EQ(poller->waits.size(), waits);
    EXPECT_EQ(take_all(), Timers{first == &a ? &b : &a});
}

// ---- disarm and arm again -----------------------------------------------------------------------

TEST_F(TimerTest, ADisarmedOneDoesNotGoOffNorHurryThePoll) {
    Timer timer;
    arm(timer, kStart + 1);
    loop->disarm(timer);
    EXPECT_FALSE(timer.in_heap());
    EXPECT_EQ(poll(kStart + 5), Timers{});
    EXPECT_EQ(poller->waits, std::vector<double>{5});
}

TEST_F(TimerTest, OneThatIsDueCanBeDisarmed) {
    Timer timer;
    arm(timer, kStart + 1);
    time = kStart + 2;
    loop->disarm(timer);
    EXPECT_EQ(look(), Timers{});
}

TEST_F(TimerTest, OneThatWentOffAndWasNotTakenCanBeDisarmed) {
    for (size_t disarmed = 0; disarmed < 3; ++disarmed) {
        Timer timers[3];
        Timers rest;
        for (size_t i = 0; i < 3; ++i) {
            arm(timers[i], kStart - 3 + static_cast<double>(i));
            if (i != disarmed) rest.push_back(&timers[i]);
        }
        EXPECT_TRUE(loop->poll(0).ok());
        loop->disarm(timers[disarmed]);
        EXPECT_EQ(take_all(), rest);
        EXPECT_EQ(look(), Timers{});
    }
}

TEST_F(TimerTest, WhenTheOnlyOneThatWentOffIsDisarmedThePollWaitsAgain) {
    Timer timer;
    arm(timer, kStart);
    EXPECT_TRUE(loop->poll(0).ok());
    loop->disarm(timer);
    EXPECT_EQ(poll(kStart + 3), Timers{});
    EXPECT_EQ(last_wait(), 3);
}

// The memory may be freed at once, so the loop must not look at it again.
TEST_F(TimerTest, ADisarmedOneMayBeFreed) {
    for (const bool expired : {false, true}) {
        auto timer = std::make_unique<Timer>();
        Timer other;
        arm(*timer, expired ? kStart : kStart + 1);
        arm(other, expired ? kStart : kStart + 1);
        if (expired) {
            EXPECT_TRUE(loop->poll(0).ok());
        }
        loop->disarm(*timer);
        timer.reset();
        EXPECT_EQ(poll(), Timers{&other});
        time = kStart;
    }
}

TEST_F(TimerTest, ATakenOneCanBeArmedAgain) {
    Timer timer;
    for (int i = 1; i <= 100; ++i) {
        arm(timer, kStart + i * 0.5);
        EXPECT_EQ(poll(), Timers{&timer});
        EXPECT_EQ(time, kStart + i * 0.5);
    }
    EXPECT_EQ(poll(time + 10), Timers{});
}

TEST_F(TimerTest, ADisarmedOneCanBeArmedAgain) {
    Timer timer;
    for (const bool expired : {false, true}) {
        arm(timer, expired ? time : time + 1);
        if (expired) {
            EXPECT_TRUE(loop->poll(0).ok());
        }
        loop->disarm(timer);
        const double begin = time;
        arm(timer, begin + 2);
        EXPECT_EQ(poll(begin + 1.5), Timers{});
        EXPECT_EQ(poll(), Timers{&timer});
        EXPECT_EQ(time, begin + 2);
    }
}

TEST_F(TimerTest, OneTakenFromABatchCanBeArmedAgainBeforeTheRestIsTaken) {
    Timer a, b;
    arm(a, kStart - 2);
    arm(b, kStart - 1);
    EXPECT_TRUE(loop->poll(0).ok());
    EXPECT_EQ(loop->take_timer(), &a);
    arm(a, kStart - 3);
    EXPECT_EQ(take_all(), Timers{&b}) << "it has to go off anew";
    EXPECT_EQ(look(), Timers{&a});
}

// ---- timers and ops -----------------------------------------------------------------------------

TEST_F(TimerTest, ACrowdDoesNotHoldUpOps) {
    constexpr size_t kCount = 10000;
    std::vector<Timer> timers(kCount);
    for (size_t i = 0; i < kCount; ++i) arm(timers[i], kStart - static_cast<double>(i % 77));
    Lone lone;
    size_t gone_off = 0;
    int ops = 0;
    while (gone_off < kCount) {
        EXPECT_TRUE(submit(lone).is_pending());
        poller->finish(lone.op, Result::of(1));
        const Timers some = look();
        EXPECT_LE(some.size(), kShare);
        ASSERT_GT(some.size(), 0u);
        gone_off += some.size();
        EXPECT_EQ(loop->take(), &lone.op) << "within one poll";
        ++ops;
    }
    EXPECT_GE(ops, static_cast<int>(kCount / kShare));
    EXPECT_EQ(time, kStart);
    EXPECT_EQ(look(), Timers{});
}

// Like a program that gives poll() room for only one event.
TEST_F(TimerTest, ACrowdThatIsTakenOneByOneDoesNotHoldUpOps) {
    std::vector<Timer> timers(10000);
    for (Timer& timer : timers) arm(timer, kStart);
    Lone lone;
    EXPECT_TRUE(submit(lone).is_pending());
    EXPECT_TRUE(loop->poll(0).ok());
    poller->finish(lone.op, Result::of(1));
    size_t polls = 0;
    for (;; ++polls) {
        ASSERT_LE(polls, 2 * kShare + 2);
        EXPECT_TRUE(loop->poll(0).ok());
        if (loop->take_timer() == nullptr && loop->take() == &lone.op) break;
    }
}

// They are armed for the past again as soon as they were taken.
TEST_F(TimerTest, TimersThatComeAgainAtOnceDoNotHoldUpOpsNorDeadlines) {
    std::vector<Timer> timers(100);
    for (Timer& timer : timers) arm(timer, kStart);
    Lone lone, late;
    EXPECT_TRUE(submit(lone).is_pending());
    EXPECT_TRUE(submit(late, kStart - 1).is_pending());
    poller->finish(lone.op, Result::of(1));
    std::vector<Op*> ops;
    for (int i = 0; i < 3; ++i) {
        for (Timer* timer : look()) arm(*timer, kStart);
        while (Op* op = loop->take()) ops.push_back(op);
    }
    EXPECT_EQ(ops.size(), 2u);
    EXPECT_EQ(late.op.result.error(), Errc::timeout);
    for (Timer& timer : timers) loop->disarm(timer);
}

// Nor do they hold up other timers: a passed time counts as now, however far back it is.
TEST_F(TimerTest, TimersThatComeAgainAtOnceDoNotHoldUpOthers) {
    std::vector<Timer> timers(3 * kShare);
    for (Timer& timer : timers) arm(timer, kStart - 1000);
    Timer other;
    arm(other, kStart + 0.5);
    std::map<Timer*, int> count;
    for (int turn = 0; turn < 100; ++turn) {
        time += 0.1;
        for (Timer* timer : look()) {
            ++count[timer];
            if (timer != &other) arm(*timer, turn % 2 == 0 ? 0 : -kNever);
        }
        EXPECT_EQ(count[&other], turn < 4 ? 0 : turn < 7 ? count[&other] : 1) << turn;
    }
    for (Timer& timer : timers) {
        EXPECT_GE(count[&timer], 32);
        loop->disarm(timer);
    }
}

TEST_F(TimerTest, OpsDoNotHoldUpTimers) {
    Timer timer;
    arm(timer, kStart + 10);
    Lone lone;
    int since_due = 0;
    for (int i = 0; i < 10000; ++i) {
        EXPECT_TRUE(submit(lone).is_pending());
        poller->on_wait = [&] {
            time += 0.01;
            poller->finish(lone.op, Result::of(1));
        };
        EXPECT_TRUE(loop->poll(kNever).ok());
        EXPECT_EQ(loop->take(), &lone.op);
        const Timers taken = take_all();
        if (taken.empty()) {
            since_due += time >= kStart + 10;
            ASSERT_LE(since_due, 1);
            continue;
        }
        EXPECT_GE(time, kStart + 10);
        EXPECT_EQ(taken, Timers{&timer});
        return;
    }
    ADD_FAILURE() << "it never went off";
}

TEST_F(TimerTest, OneAndADeadlineOfTheSameTimeComeInOnePoll) {
    Timer timer;
    Lone lone;
    EXPECT_TRUE(submit(lone, kStart + 1).is_pending());
    arm(timer, kStart + 1);
    EXPECT_TRUE(loop->poll(kNever).ok());
    EXPECT_EQ(time, kStart + 1);
    EXPECT_EQ(take_all(), Timers{&timer});
    EXPECT_EQ(loop->take(), &lone.op);
    EXPECT_EQ(lone.op.result.error(), Errc::timeout);
}

TEST_F(TimerTest, OneBeforeADeadlineLeavesItAlone) {
    Timer timer;
    Lone lone;
    EXPECT_TRUE(submit(lone, kStart + 2).is_pending());
    arm(timer, kStart + 1);
    EXPECT_EQ(poll(), Timers{&timer});
    EXPECT_EQ(time, kStart + 1);
    EXPECT_EQ(loop->take(), nullptr);
    EXPECT_TRUE(loop->poll(kNever).ok());
    EXPECT_EQ(time, kStart + 2);
    EXPECT_EQ(loop->take(), &lone.op);
}

TEST_F(TimerTest, OneBehindADeadlineIsLeftAlone) {
    Timer timer;
    Lone lone;
    EXPECT_TRUE(submit(lone, kStart + 1).is_pending());
    arm(timer, kStart + 2);
    EXPECT_TRUE(loop->poll(kNever).ok());
    EXPECT_EQ(time, kStart + 1);
    EXPECT_EQ(take_all(), Timers{});
    EXPECT_EQ(loop->take(), &lone.op);
    EXPECT_EQ(poll(), Timers{&timer});
    EXPECT_EQ(time, kStart + 2);
}

TEST_F(TimerTest, ManyTimersDoNotHoldUpDeadlines) {
    std::vector<Timer> timers(1000);
    for (Timer& timer : timers) arm(timer, kStart + 1);
    Lone lone;
    EXPECT_TRUE(submit(lone, kStart + 1).is_pending());
    time = kStart + 1;
    EXPECT_LE(look().size(), kShare);
    EXPECT_EQ(loop->take(), &lone.op);
    EXPECT_EQ(lone.op.result.error(), Errc::timeout);
    for (const Timer& timer : timers) EXPECT_TRUE(&timer < &timers[kShare] || timer.in_heap());
}

// ---- memory, and the poller ---------------------------------------------------------------------

TEST_F(TimerTest, WithRoomReservedNothingIsAllocated) {
    constexpr size_t kCount = 1000;
    std::vector<Timer> timers(kCount);
    for (Timer& timer : timers) {
        loop->reserve_timer();
        const size_t before = allocations;
        loop->arm(timer, kStart + 1);
        ASSERT_EQ(allocations, before);
    }
    const size_t before = allocations;
    for (size_t i = 0; i < kCount; i += 2) loop->disarm(timers[i]);
    for (size_t i = 0; i < kCount; i += 2) loop->arm(timers[i], kStart + 2);
    for (Timer& timer : timers) loop->disarm(timer);
    EXPECT_EQ(allocations, before);
}

TEST_F(TimerTest, AReserveTimerForEachDoesNotCopyEverythingEachTime) {
    std::vector<Timer> timers(10000);
    const size_t before = allocations;
    for (Timer& timer : timers) arm(timer, kStart + 1);
    EXPECT_LT(allocations - before, 100u);
    for (Timer& timer : timers) loop->disarm(timer);
}

TEST_F(TimerTest, AnotherPollerKeepsThem) {
    Timer armed, expired;
    arm(armed, kStart + 1);
    arm(expired, kStart);
    EXPECT_TRUE(loop->poll(0).ok());
    auto owned = std::make_unique<FakePoller>(time, violations);
    poller = owned.get();
    loop->replace_poller(std::move(owned));
    EXPECT_EQ(look(), Timers{&expired});
    EXPECT_EQ(poll(), Timers{&armed});
    EXPECT_EQ(time, kStart + 1);
}

}  // namespace
}  // namespace socket2
