// What a loop does with an op: it submits it, cancels it, ends it at its deadline, and waits no
// longer than that.
#include "core/io/loop.h"

#include <gtest/gtest.h>

#include <random>
#include <utility>
#include <vector>

#include "spec/core/loop_fixture.h"

namespace socket2 {
namespace {

// ---- submit and complete ------------------------------------------------------------------------

TEST_F(LoopTest, AnImmediateValueIsOver) {
    const SocketPtr s = make_socket();
    poller->script(s->read, Result::of(5));
    EXPECT_EQ(recv(*s).value(), 5);
    EXPECT_TRUE(s->idle());
    EXPECT_EQ(s->read.result.value(), 5);
    EXPECT_EQ(look(), Ops{});
}

TEST_F(LoopTest, AnImmediateErrorIsOverAndKeepsTheSystemsCode) {
    const SocketPtr s = make_socket();
    poller->script(s->read, Result(Errc::connection_reset, 104));
    const Result r = recv(*s);
    EXPECT_EQ(r.error(), Errc::connection_reset);
    EXPECT_EQ(r.os_code(), 104);
    EXPECT_TRUE(s->idle());
    EXPECT_EQ(look(), Ops{});
}

TEST_F(LoopTest, APendingOpCompletesOnce) {
    const SocketPtr s = make_socket();
    EXPECT_TRUE(recv(*s).is_pending());
    EXPECT_FALSE(s->idle());
    EXPECT_EQ(look(), Ops{});
    poller->finish(s->read, Result::of(7));
    EXPECT_EQ(look(), Ops{&s->read});
    EXPECT_EQ(s->read.result.value(), 7);
    EXPECT_TRUE(s->idle());
    EXPECT_EQ(look(), Ops{});
}

TEST_F(LoopTest, ACompletionKeepsTheSystemsCode) {
    const SocketPtr s = make_socket();
    EXPECT_TRUE(recv(*s).is_pending());
    poller->finish(s->read, Result(Errc::connection_reset, 104));
    EXPECT_EQ(look(), Ops{&s->read});
    EXPECT_EQ(s->read.result.error(), Errc::connection_reset);
    EXPECT_EQ(s->read.result.os_code(), 104);
}

TEST_F(LoopTest, CompletionsComeInTheirOrder) {
    std::vector<SocketPtr> sockets;
    Ops expected;
    for (int i = 0; i < 10; ++i) {
        sockets.push_back(make_socket());
        EXPECT_TRUE(recv(*sockets.back()).is_pending());
    }
    for (const size_t i : {3u, 1u, 4u, 0u, 5u, 9u, 2u, 6u, 8u, 7u}) {
        poller->finish(sockets[i]->read, Result::of(1));
        expected.push_back(&sockets[i]->read);
    }
    EXPECT_EQ(look(), expected);
}

TEST_F(LoopTest, ReadingAndWritingDoNotHinderEachOther) {
    const SocketPtr s = make_socket();
    EXPECT_TRUE(recv(*s).is_pending());
    EXPECT_TRUE(send(*s).is_pending());
    poller->finish(s->write, Result::of(1));
    EXPECT_EQ(look(), Ops{&s->write});
    EXPECT_EQ(s->read.state, OpState::submitted);
    poller->finish(s->read, Result::of(2));
    EXPECT_EQ(look(), Ops{&s->read});
}

TEST_F(LoopTest, AnOpCanBeSubmittedAgainOnceTaken) {
    const SocketPtr s = make_socket();
    for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(recv(*s).is_pending());
        poller->finish(s->read, Result::of(i));
        EXPECT_EQ(look(), Ops{&s->read});
        EXPECT_EQ(s->read.result.value(), i);
    }
}

TEST_F(LoopTest, ASubmitForgetsWhatWasBefore) {
    const SocketPtr s = make_socket();
    s->read.done = 9;
    s->read.started = s->read.truncated = true;
    EXPECT_TRUE(recv(*s, kStart).is_pending());
    EXPECT_EQ(s->read.done, 0u);
    EXPECT_FALSE(s->read.started);
    EXPECT_FALSE(s->read.truncated);
    EXPECT_EQ(look(), Ops{&s->read});
    EXPECT_EQ(s->read.result.error(), Errc::timeout);

    // Canceled by the system, but not on this side: the earlier reason no longer counts.
    EXPECT_TRUE(recv(*s).is_pending());
    poller->finish(s->read, Errc::canceled);
    EXPECT_EQ(look(), Ops{&s->read});
    EXPECT_EQ(s->read.result.error(), Errc::canceled);
}

TEST_F(LoopTest, ABusyOpIsLeftAsItIs) {
    const SocketPtr s = make_socket();
    EXPECT_TRUE(recv(*s).is_pending());
    EXPECT_EQ(loop->submit(s->read).error(), Errc::busy);
    EXPECT_EQ(poller->submits_of(s->read), 1u);
    s->read.done = 3;
    EXPECT_EQ(loop->submit(s->read).error(), Errc::busy);
    EXPECT_EQ(s->read.done, 3u);

    poller->finish(s->read, Result::of(1));
    EXPECT_TRUE(loop->poll(0).ok());
    EXPECT_EQ(loop->submit(s->read).error(), Errc::busy) << "completed, but not taken";
    EXPECT_EQ(take_all(), Ops{&s->read});
    EXPECT_EQ(s->read.result.value(), 1);
}

// ---- cancel -------------------------------------------------------------------------------------

TEST_F(LoopTest, ACanceledOpCompletesWithTheReason) {
    const SocketPtr s = make_socket();
    EXPECT_TRUE(recv(*s).is_pending());
    loop->cancel(s->read, Errc::canceled);
    EXPECT_EQ(look(), Ops{&s->read});
    EXPECT_EQ(s->read.result.error(), Errc::canceled);
    EXPECT_EQ(look(), Ops{});
}

TEST_F(LoopTest, ACancelAfterTheSystemFinishedKeepsTheValue) {
    const SocketPtr s = make_socket();
    EXPECT_TRUE(recv(*s).is_pending());
    poller->finish(s->read, Result::of(3));
    loop->cancel(s->read, Errc::canceled);
    EXPECT_EQ(look(), Ops{&s->read});
    EXPECT_EQ(s->read.result.value(), 3);
}

TEST_F(LoopTest, ACancelThatTheSystemOvertakesKeepsTheValue) {
    const SocketPtr s = make_socket();
    poller->cancels_late = true;
    EXPECT_TRUE(recv(*s).is_pending());
    loop->cancel(s->read, Errc::canceled);
    EXPECT_EQ(look(), Ops{});
    EXPECT_EQ(s->read.state, OpState::submitted);
    poller->finish(s->read, Result::of(3));
    EXPECT_EQ(look(), Ops{&s->read});
    EXPECT_EQ(s->read.result.value(), 3);
}

TEST_F(LoopTest, ALateCancelGivesTheReason) {
    const SocketPtr s = make_socket();
    poller->cancels_late = true;
    EXPECT_TRUE(recv(*s, kStart + 1).is_pending());
    EXPECT_EQ(poll(kStart + 2), Ops{});
    poller->finish_cancel(s->read);
    EXPECT_EQ(look(), Ops{&s->read});
    EXPECT_EQ(s->read.result.error(), Errc::timeout);
}

TEST_F(LoopTest, ACanceledOpWithAnErrorOfItsOwnKeepsIt) {
    const SocketPtr s = make_socket();
    poller->cancels_late = true;
    EXPECT_TRUE(recv(*s).is_pending());
    loop->cancel(s->read, Errc::canceled);
    poller->finish(s->read, Result(Errc::connection_reset, 104));
    EXPECT_EQ(look(), Ops{&s->read});
    EXPECT_EQ(s->read.result.error(), Errc::connection_reset);
}

TEST_F(LoopTest, ACancelOfWhatIsNotInFlightDoesNothing) {
    const SocketPtr s = make_socket();
    loop->cancel(s->read, Errc::canceled);
    EXPECT_EQ(look(), Ops{});
    EXPECT_TRUE(recv(*s).is_pending());
    poller->finish(s->read, Result::of(1));
    EXPECT_TRUE(loop->poll(0).ok());
    loop->cancel(s->read, Errc::canceled);
    EXPECT_EQ(take_all(), Ops{&s->read});
    EXPECT_EQ(s->read.result.value(), 1);
    EXPECT_TRUE(poller->canceled.empty());
}

TEST_F(LoopTest, ASecondCancelDoesNotReachThePoller) {
    const SocketPtr s = make_socket();
    EXPECT_TRUE(recv(*s).is_pending());
    loop->cancel(s->read, Errc::timeout);
    loop->cancel(s->read, Errc::canceled);
    EXPECT_EQ(poller->canceled.size(), 1u);
    EXPECT_EQ(look(), Ops{&s->read});
    EXPECT_EQ(s->read.result.error(), Errc::timeout) << "the first reason counts";
}

TEST_F(LoopTest, ACloseDuringALateCancelDoesNotCancelTwice) {
    SocketPtr s = make_socket();
    IoOp& read = s->read;
    poller->cancels_late = true;
    EXPECT_TRUE(recv(*s, kStart + 1).is_pending());
    EXPECT_EQ(poll(kStart + 2), Ops{});
    close(std::move(s));
    EXPECT_EQ(poller->canceled.size(), 1u);
    EXPECT_EQ(freed, 0);
    poller->finish_cancel(read);
    EXPECT_EQ(look(), Ops{&read});
    EXPECT_EQ(read.result.error(), Errc::timeout);
    look();
    EXPECT_EQ(freed, 1);
}

// ---- deadlines ----------------------------------------------------------------------------------

TEST_F(LoopTest, ADeadlineEndsAWaitAtItsTime) {
    const SocketPtr s = make_socket();
    EXPECT_TRUE(recv(*s, kStart + 5).is_pending());
    EXPECT_EQ(poll(kStart + 4), Ops{});
    EXPECT_EQ(time, kStart + 4);
    EXPECT_EQ(poll(kStart + 100), Ops{&s->read});
    EXPECT_EQ(time, kStart + 5);
    EXPECT_EQ(s->read.result.error(), Errc::timeout);
    EXPECT_EQ(look(), Ops{});
}

TEST_F(LoopTest, TheExpiredOpBelongsToThePollThatWaitedForIt) {
    const SocketPtr s = make_socket();
    EXPECT_TRUE(recv(*s, kStart + 5).is_pending());
    EXPECT_TRUE(loop->poll(kNever).ok());
    EXPECT_EQ(take_all(), Ops{&s->read});
}

TEST_F(LoopTest, ACompletionBeforeTheDeadlineDisarmsIt) {
    const SocketPtr s = make_socket();
    EXPECT_TRUE(recv(*s, kStart + 5).is_pending());
    poller->finish(s->read, Result::of(1));
    EXPECT_EQ(look(), Ops{&s->read});
    EXPECT_EQ(poll(kStart + 10), Ops{});
    EXPECT_EQ(s->read.result.value(), 1);
    EXPECT_TRUE(poller->canceled.empty());
    EXPECT_EQ(last_wait(), 10);
}

TEST_F(LoopTest, ACancelDisarmsTheDeadline) {
    const SocketPtr s = make_socket();
    poller->cancels_late = true;
    EXPECT_TRUE(recv(*s, kStart + 5).is_pending());
    loop->cancel(s->read, Errc::canceled);
    EXPECT_EQ(poll(kStart + 10), Ops{});
    EXPECT_EQ(poller->canceled.size(), 1u);
    poller->finish_cancel(s->read);
    EXPECT_EQ(look(), Ops{&s->read});
    EXPECT_EQ(s->read.result.error(), Errc::canceled);
}

TEST_F(LoopTest, AValueThatIsThereWhenTheDeadlinePassesCounts) {
    const SocketPtr s = make_socket();
    EXPECT_TRUE(recv(*s, kStart + 5).is_pending());
    time = kStart + 6;
    poller->finish(s->read, Result::of(1));
    EXPECT_EQ(look(), Ops{&s->read});
    EXPECT_EQ(s->read.result.value(), 1);
    EXPECT_EQ(look(), Ops{});
}

TEST_F(LoopTest, AValueInTheWaitThatTheDeadlineEndsCounts) {
    const SocketPtr s = make_socket();
    EXPECT_TRUE(recv(*s, kStart + 5).is_pending());
    poller->on_wait = [&] {
        time = kStart + 5;
        poller->finish(s->read, Result::of(1));
    };
    EXPECT_EQ(poll(kStart + 10), Ops{&s->read});
    EXPECT_EQ(s->read.result.value(), 1);
    EXPECT_TRUE(poller->canceled.empty());
}

TEST_F(LoopTest, OfTheSameDeadlineTheyTimeOutInTheOrderTheyWereSubmitted) {
    std::vector<SocketPtr> sockets;
    Ops expected;
    for (int i = 0; i < 50; ++i) {
        sockets.push_back(make_socket());
        EXPECT_TRUE(recv(*sockets.back(), kStart + 1).is_pending());
        expected.push_back(&sockets.back()->read);
    }
    EXPECT_EQ(poll(kStart + 2), expected);
}

// Another op completes in the wait during which the deadline passes: one poll reports both.
TEST_F(LoopTest, ADeadlineIsLookedAtOnEveryTurn) {
    const SocketPtr busy = make_socket(), quiet = make_socket();
    EXPECT_TRUE(recv(*quiet, kStart + 5).is_pending());
    for (int i = 0; i < 6; ++i) {
        EXPECT_TRUE(recv(*busy).is_pending());
        poller->finish(busy->read, Result::of(1));
        time += 0.5;
        EXPECT_EQ(look(), Ops{&busy->read});
    }
    EXPECT_TRUE(recv(*busy).is_pending());
    poller->on_wait = [&] {
        time = kStart + 5;
        poller->finish(busy->read, Result::of(1));
    };
    EXPECT_EQ(poll(kStart + 100), (Ops{&busy->read, &quiet->read}));
    EXPECT_EQ(quiet->read.result.error(), Errc::timeout);
}

TEST_F(LoopTest, APassedDeadlineTriesOnce) {
    const SocketPtr s = make_socket();
    poller->script(s->read, Result::of(4));
    EXPECT_EQ(recv(*s, kStart - 1).value(), 4);
    EXPECT_TRUE(recv(*s, -kNever).is_pending());
    EXPECT_EQ(poller->submits_of(s->read), 2u);
    EXPECT_TRUE(loop->poll(kNever).ok());
    EXPECT_EQ(take_all(), Ops{&s->read});
    EXPECT_EQ(s->read.result.error(), Errc::timeout);
    EXPECT_EQ(time, kStart);
}

TEST_F(LoopTest, ManyDeadlinesExpireInOrderAndNeverEarly) {
    std::mt19937 random(5);
    std::vector<SocketPtr> sockets;
    for (int i = 0; i < 200; ++i) {
        sockets.push_back(make_socket());
        const double deadline = kStart + 1 + static_cast<double>(random() % 50);
        EXPECT_TRUE(recv(*sockets.back(), deadline).is_pending());
    }
    size_t expired = 0;
    double last = 0;
    while (expired < sockets.size()) {
        const Ops ops = poll();
        ASSERT_FALSE(ops.empty());
        for (const Op* op : ops) {
            EXPECT_EQ(op->deadline, time);
            EXPECT_GE(op->deadline, last);
            last = op->deadline;
            ++expired;
        }
    }
}

// ---- how long a poll waits ----------------------------------------------------------------------

TEST_F(LoopTest, APollWithoutAnyTimeWaitsForEver) {
    EXPECT_TRUE(loop->poll(kNever).ok());
    EXPECT_EQ(last_wait(), kNever);
}

TEST_F(LoopTest, APollWaitsUntilItsTime) {
    EXPECT_TRUE(loop->poll(kStart + 3).ok());
    EXPECT_EQ(last_wait(), 3);
    EXPECT_EQ(time, kStart + 3);
}

TEST_F(LoopTest, APastTimeOnlyLooks) {
    for (const double until : {kStart, kStart - 1, 0.0, -1e300, -kNever}) {
        EXPECT_TRUE(loop->poll(until).ok());
        EXPECT_EQ(last_wait(), 0);
    }
}

TEST_F(LoopTest, ThePollWaitsForTheEarliestDeadline) {
    const SocketPtr a = make_socket(), b = make_socket(), c = make_socket();
    EXPECT_TRUE(recv(*a, kStart + 8).is_pending());
    EXPECT_TRUE(recv(*b, kStart + 2).is_pending());
    EXPECT_TRUE(recv(*c).is_pending());
    poller->on_wait = [&] { loop->wake(); };
    EXPECT_TRUE(loop->poll(kStart + 1).ok());
    EXPECT_EQ(last_wait(), 1);
    poller->on_wait = [&] { loop->wake(); };
    EXPECT_TRUE(loop->poll(kStart + 5).ok());
    EXPECT_EQ(last_wait(), 2);
    poller->finish(b->read, Result::of(1));
    EXPECT_EQ(look(), Ops{&b->read});
    EXPECT_EQ(poll(kStart + 5), Ops{});
    EXPECT_EQ(last_wait(), 5);
}

TEST_F(LoopTest, AnImmediateCompletionArmsNothing) {
    const SocketPtr s = make_socket();
    poller->script(s->read, Result::of(1));
    EXPECT_TRUE(recv(*s, kStart + 1).ok());
    EXPECT_TRUE(loop->poll(kStart + 5).ok());
    EXPECT_EQ(poller->waits, std::vector<double>{5});
}

TEST_F(LoopTest, WhatWasLeftComesFirstWithoutAWait) {
    const SocketPtr a = make_socket(), b = make_socket(), c = make_socket();
    for (FakeSocket* s : {a.get(), b.get(), c.get()}) {
        EXPECT_TRUE(recv(*s).is_pending());
    }
    poller->finish(a->read, Result::of(1));
    poller->finish(b->read, Result::of(2));
    EXPECT_TRUE(loop->poll(kNever).ok());
    EXPECT_EQ(loop->take(), &a->read);
    poller->finish(c->read, Result::of(3));
    const size_t waits = poller->waits.size();
    EXPECT_TRUE(loop->poll(kNever).ok());
    EXPECT_EQ(poller->waits.size(), waits);
    EXPECT_EQ(take_all(), Ops{&b->read});
    EXPECT_EQ(look(), Ops{&c->read});
}

TEST_F(LoopTest, APollerErrorIsHandedUpAndLosesNothing) {
    const SocketPtr s = make_socket();
    EXPECT_TRUE(recv(*s).is_pending());
    poller->finish(s->read, Result::of(1));
    poller->wait_result = Result(Errc::bad_descriptor, 9);
    const Result r = loop->poll(kNever);
    EXPECT_EQ(r.error(), Errc::bad_descriptor);
    EXPECT_EQ(r.os_code(), 9);
    poller->wait_result = Result::done();
    EXPECT_EQ(look(), Ops{&s->read});
    EXPECT_EQ(s->read.result.value(), 1);
}

TEST_F(LoopTest, AWakeGoesToThePollerAndEndsThePoll) {
    loop->wake();
    EXPECT_EQ(poller->wakes, 1);
    EXPECT_TRUE(loop->poll(kStart + 5).ok());
    EXPECT_EQ(time, kStart);
    EXPECT_EQ(take_all(), Ops{});
}

}  // namespace
}  // namespace socket2
