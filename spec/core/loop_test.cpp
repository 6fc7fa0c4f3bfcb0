// The loop over a scripted poller and a clock that stands still unless the loop waits.
#include "core/io/loop.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "spec/core/fake_poller.h"
#include "spec/core/owner.h"

namespace socket2 {
namespace {

constexpr double kStart = 1000;
constexpr double kAcceptRest = 0.1;
constexpr double kBusyRest = 0.01;

// A socket as the loop sees one.
class FakeSocket final : public Object {
   public:
    FakeSocket(Loop& loop, int& freed) : Object(kTcp), loop_(loop), freed_(freed) {
        loop_.reserve(2);
    }
    ~FakeSocket() override {
        loop_.release(2);
        ++freed_;
    }

    Op* op(Side side) override { return side == Side::read ? &read : &write; }

    IoSource source;
    IoOp read{*this, source, Side::read};
    IoOp write{*this, source, Side::write};

   private:
    void on_close(Loop& loop) override { loop.detach(source, read, write); }

    Loop& loop_;
    int& freed_;
};

using SocketPtr = std::unique_ptr<FakeSocket>;

// Has an op that no poller knows, and may hold on to it.
class Outsider final {
   public:
    explicit Outsider(Loop& loop) : loop_(loop) { loop_.reserve(1); }
    ~Outsider() { loop_.release(1); }

    struct Tied final : ExternalOp {
        using ExternalOp::ExternalOp;
        bool let_go() override { return lets_go; }
        bool lets_go = true;
    };

    Owner owner;
    Tied op{owner, Side::read};

   private:
    Loop& loop_;
};

class LoopTest : public ::testing::Test {
   protected:
    LoopTest() {
        auto owned = std::make_unique<FakePoller>(time, violations);
        poller = owned.get();
        loop = std::make_unique<Loop>(std::move(owned), std::make_unique<FakeClock>(time));
    }

    void TearDown() override {
        loop.reset();
        EXPECT_EQ(violations, 0) << "the loop broke the poller's contract";
    }

    SocketPtr make_socket() { return std::make_unique<FakeSocket>(*loop, freed); }

    Result submit(IoOp& op, OpKind kind, double deadline = kNever) {
        op.kind = kind;
        op.deadline = deadline;
        return loop->submit(op);
    }

    Result recv(FakeSocket& s, double deadline = kNever) {
        return submit(s.read, OpKind::recv, deadline);
    }
    Result send(FakeSocket& s, double deadline = kNever) {
        return submit(s.write, OpKind::send, deadline);
    }

    void close(SocketPtr socket) { loop->close(std::move(socket)); }

    std::vector<Op*> take_all() {
        std::vector<Op*> ops;
        while (Op* op = loop->take()) {
            EXPECT_EQ(op->state, OpState::idle);
            ops.push_back(op);
        }
        return ops;
    }

    // One poll that only looks.
    std::vector<Op*> look() {
        EXPECT_TRUE(loop->poll(0).ok());
        return take_all();
    }

    // Polls until something comes or the time is over.
    std::vector<Op*> poll(double until = kNever) {
        for (int turn = 0; turn < 1000; ++turn) {
            EXPECT_TRUE(loop->poll(until).ok());
            std::vector<Op*> ops = take_all();
            if (!ops.empty() || time >= until) return ops;
        }
        ADD_FAILURE() << "nothing completes";
        return {};
    }

    double last_wait() const { return poller->waits.back(); }

    double time = kStart;
    int violations = 0;
    int freed = 0;
    FakePoller* poller;
    std::unique_ptr<Loop> loop;
};

using Ops = std::vector<Op*>;

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

    // Canceled by the system and by nobody here: the earlier reason is no longer true.
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

// Another op completes in the wait during which the deadline passes: both come of one poll.
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

// ---- close --------------------------------------------------------------------------------------

TEST_F(LoopTest, AnIdleOwnerIsFreedAtOnce) {
    close(make_socket());
    EXPECT_EQ(freed, 1);
    EXPECT_EQ(poller->detached.size(), 1u);
    EXPECT_EQ(loop->reserved(), 0u);
}

TEST_F(LoopTest, AClosedOpCompletesWithClosedAndThenItsOwnerGoes) {
    SocketPtr s = make_socket();
    IoOp& read = s->read;
    EXPECT_TRUE(recv(*s, kStart + 5).is_pending());
    close(std::move(s));
    EXPECT_EQ(freed, 0);
    EXPECT_TRUE(loop->poll(0).ok());
    EXPECT_EQ(freed, 0);
    EXPECT_EQ(loop->take(), &read);
    EXPECT_EQ(read.result.error(), Errc::closed);
    EXPECT_EQ(freed, 0) << "the taken op is still looked at";
    EXPECT_EQ(look(), Ops{});
    EXPECT_EQ(freed, 1);
    EXPECT_EQ(poll(kStart + 10), Ops{});
    EXPECT_EQ(freed, 1);
}

TEST_F(LoopTest, BothOpsOfAClosedOwnerComplete) {
    SocketPtr s = make_socket();
    IoOp &read = s->read, &write = s->write;
    EXPECT_TRUE(recv(*s).is_pending());
    EXPECT_TRUE(send(*s).is_pending());
    close(std::move(s));
    EXPECT_TRUE(loop->poll(0).ok());
    EXPECT_EQ(loop->take(), &read);
    EXPECT_TRUE(loop->poll(0).ok());
    EXPECT_EQ(freed, 0) << "one op is still there";
    EXPECT_EQ(loop->take(), &write);
    EXPECT_EQ(read.result.error(), Errc::closed);
    EXPECT_EQ(write.result.error(), Errc::closed);
    look();
    EXPECT_EQ(freed, 1);
}

TEST_F(LoopTest, ACloseAfterTheSystemFinishedKeepsTheValue) {
    SocketPtr s = make_socket();
    IoOp& read = s->read;
    EXPECT_TRUE(recv(*s).is_pending());
    poller->finish(read, Result::of(9));
    close(std::move(s));
    EXPECT_EQ(look(), Ops{&read});
    EXPECT_EQ(read.result.value(), 9);
    look();
    EXPECT_EQ(freed, 1);
}

TEST_F(LoopTest, ACloseThatTheSystemOvertakesKeepsTheValue) {
    SocketPtr s = make_socket();
    IoOp& read = s->read;
    poller->cancels_late = true;
    EXPECT_TRUE(recv(*s).is_pending());
    close(std::move(s));
    EXPECT_EQ(look(), Ops{});
    EXPECT_EQ(freed, 0);
    poller->finish(read, Result::of(9));
    EXPECT_EQ(look(), Ops{&read});
    EXPECT_EQ(read.result.value(), 9);
    look();
    EXPECT_EQ(freed, 1);
}

TEST_F(LoopTest, ACloseInsideABatchLeavesTheRestOfTheBatch) {
    const SocketPtr a = make_socket();
    SocketPtr b = make_socket();
    IoOp& b_read = b->read;
    EXPECT_TRUE(recv(*a).is_pending());
    EXPECT_TRUE(recv(*b).is_pending());
    poller->finish(a->read, Result::of(1));
    poller->finish(b_read, Result::of(2));
    EXPECT_TRUE(loop->poll(0).ok());

    EXPECT_EQ(loop->take(), &a->read);
    close(std::move(b));
    EXPECT_EQ(poller->detached.size(), 1u);
    EXPECT_TRUE(poller->canceled.empty());
    EXPECT_EQ(freed, 0);

    EXPECT_EQ(loop->take(), &b_read);
    EXPECT_EQ(b_read.result.value(), 2) << "it was over before the close";
    EXPECT_EQ(loop->take(), nullptr);
    look();
    EXPECT_EQ(freed, 1);
}

TEST_F(LoopTest, ACloseInsideABatchOfOneWhoseOtherOpIsPending) {
    SocketPtr s = make_socket();
    IoOp &read = s->read, &write = s->write;
    EXPECT_TRUE(recv(*s).is_pending());
    EXPECT_TRUE(send(*s).is_pending());
    poller->finish(read, Result::of(1));
    EXPECT_TRUE(loop->poll(0).ok());
    EXPECT_EQ(loop->take(), &read);
    close(std::move(s));
    EXPECT_EQ(look(), Ops{&write});
    EXPECT_EQ(write.result.error(), Errc::closed);
    EXPECT_EQ(freed, 0);
    look();
    EXPECT_EQ(freed, 1);
}

TEST_F(LoopTest, AnOwnerClosedInItsOwnHandlerIsFreedAtOnce) {
    SocketPtr s = make_socket();
    EXPECT_TRUE(recv(*s).is_pending());
    poller->finish(s->read, Result::of(0));
    EXPECT_EQ(look(), Ops{&s->read});
    close(std::move(s));
    EXPECT_EQ(freed, 1);
}

TEST_F(LoopTest, EveryOwnerOfManyIsFreedOnce) {
    constexpr int kCount = 300;
    std::vector<SocketPtr> sockets;
    for (int i = 0; i < kCount; ++i) {
        sockets.push_back(make_socket());
        EXPECT_TRUE(recv(*sockets.back(), kStart + i % 7).is_pending());
        if (i % 2 == 0) {
            EXPECT_TRUE(send(*sockets.back()).is_pending());
        }
    }
    std::shuffle(sockets.begin(), sockets.end(), std::mt19937(9));
    size_t taken = 0;
    while (!sockets.empty()) {
        close(std::move(sockets.back()));
        sockets.pop_back();
        EXPECT_TRUE(loop->poll(0).ok());
        while (loop->take() != nullptr) ++taken;
    }
    taken += look().size();
    look();
    EXPECT_EQ(freed, kCount);
    EXPECT_EQ(taken, static_cast<size_t>(kCount + kCount / 2));
    EXPECT_EQ(loop->reserved(), 0u);
}

TEST_F(LoopTest, WhatIsOverAtOnceIsNeverHeldBack) {
    constexpr int kMany = 1000;
    const SocketPtr s = make_socket();
    for (int i = 0; i < kMany; ++i) {
        poller->script(s->write, Result::of(1));
        EXPECT_TRUE(send(*s).ok());
        poller->script(s->read, Errc::not_connected);
        EXPECT_EQ(recv(*s).error(), Errc::not_connected);
    }
    EXPECT_EQ(look(), Ops{});
}

TEST_F(LoopTest, AWaitForReadinessThatIsBusyIsOver) {
    const SocketPtr s = make_socket();
    poller->script(s->read, Errc::busy);
    EXPECT_EQ(submit(s->read, OpKind::wait).error(), Errc::busy);
    EXPECT_TRUE(s->idle());
    EXPECT_EQ(poll(kStart + 1), Ops{});
    EXPECT_EQ(poller->submits_of(s->read), 1u);
}

TEST_F(LoopTest, TheEndOfTheLoopFreesWhatWasHeldBack) {
    SocketPtr s = make_socket();
    EXPECT_TRUE(recv(*s).is_pending());
    poller->script(s->write, Errc::busy);
    EXPECT_TRUE(submit(s->write, OpKind::connect).is_pending());
    close(std::move(s));
    loop.reset();
    EXPECT_EQ(freed, 1);
}

// ---- a listener without descriptors -------------------------------------------------------------

class AcceptRest : public LoopTest, public ::testing::WithParamInterface<Errc> {
   protected:
    Result accept(FakeSocket& s, double deadline = kNever) {
        return submit(s.read, OpKind::accept, deadline);
    }

    SocketPtr resting_listener() {
        SocketPtr s = make_socket();
        poller->script(s->read, Result(GetParam(), 24));
        EXPECT_EQ(accept(*s).error(), GetParam());
        return s;
    }
};

TEST_P(AcceptRest, TheNextTryComesAfterTheRest) {
    const SocketPtr s = resting_listener();
    poller->script(s->read, Result::done());
    EXPECT_TRUE(accept(*s).is_pending());
    EXPECT_EQ(poll(kStart + 0.99 * kAcceptRest), Ops{});
    EXPECT_EQ(poller->submits_of(s->read), 1u);
    EXPECT_EQ(poll(), Ops{&s->read});
    EXPECT_TRUE(s->read.result.ok());
    EXPECT_GE(time, kStart + kAcceptRest);
    EXPECT_LT(time, kStart + 1.01 * kAcceptRest);
}

TEST_P(AcceptRest, TheRestDoesNotSpin) {
    const SocketPtr s = resting_listener();
    EXPECT_TRUE(accept(*s).is_pending());
    const size_t before = poller->waits.size();
    EXPECT_EQ(poll(kStart + 0.9 * kAcceptRest), Ops{});
    EXPECT_EQ(poller->waits.size(), before + 1);
}

TEST_P(AcceptRest, AnErrorThatComesAsACompletionRestsToo) {
    const SocketPtr s = make_socket();
    EXPECT_TRUE(accept(*s).is_pending());
    poller->finish(s->read, Result(GetParam(), 24));
    EXPECT_EQ(look(), Ops{&s->read});
    EXPECT_EQ(s->read.result.error(), GetParam());
    EXPECT_TRUE(accept(*s).is_pending());
    EXPECT_EQ(poller->submits_of(s->read), 1u);
    poller->script(s->read, Result(GetParam(), 24));
    EXPECT_EQ(poll(), Ops{&s->read});
    EXPECT_GE(time, kStart + kAcceptRest);
    EXPECT_TRUE(accept(*s).is_pending());
    EXPECT_EQ(poller->submits_of(s->read), 2u) << "and again";
}

TEST_P(AcceptRest, AfterTheRestAnAcceptGoesStraightOn) {
    const SocketPtr s = resting_listener();
    time += kAcceptRest;
    poller->script(s->read, Result::done());
    EXPECT_TRUE(accept(*s).ok());
}

TEST_P(AcceptRest, ADeadlineDuringTheRestIsKept) {
    const SocketPtr s = resting_listener();
    EXPECT_TRUE(accept(*s, kStart + kAcceptRest / 2).is_pending());
    EXPECT_EQ(poll(), Ops{&s->read});
    EXPECT_EQ(s->read.result.error(), Errc::timeout);
    EXPECT_GE(time, kStart + kAcceptRest / 2);
    EXPECT_LT(time, kStart + kAcceptRest);
    EXPECT_EQ(poller->submits_of(s->read), 1u);
}

TEST_P(AcceptRest, ADeadlineAfterTheRestIsKept) {
    const SocketPtr s = resting_listener();
    EXPECT_TRUE(accept(*s, kStart + 5).is_pending());
    EXPECT_EQ(poll(), Ops{&s->read});
    EXPECT_EQ(poller->submits_of(s->read), 2u);
    EXPECT_EQ(s->read.result.error(), Errc::timeout);
    EXPECT_EQ(time, kStart + 5);
}

TEST_P(AcceptRest, ACloseDuringTheRestCompletesIt) {
    SocketPtr s = resting_listener();
    IoOp& read = s->read;
    EXPECT_TRUE(accept(*s).is_pending());
    close(std::move(s));
    EXPECT_EQ(look(), Ops{&read});
    EXPECT_EQ(read.result.error(), Errc::closed);
    EXPECT_EQ(poll(kStart + 1), Ops{});
    EXPECT_EQ(freed, 1);
}

TEST_P(AcceptRest, ACancelDuringTheRestCompletesIt) {
    const SocketPtr s = resting_listener();
    EXPECT_TRUE(accept(*s).is_pending());
    loop->cancel(s->read, Errc::canceled);
    EXPECT_EQ(look(), Ops{&s->read});
    EXPECT_EQ(s->read.result.error(), Errc::canceled);
    EXPECT_EQ(poll(kStart + 1), Ops{});
}

TEST_P(AcceptRest, OtherSocketsDoNotRest) {
    const SocketPtr s = resting_listener(), other = make_socket();
    poller->script(other->read, Result::done());
    EXPECT_TRUE(accept(*other).ok());
    poller->script(s->write, Result::of(1));
    EXPECT_TRUE(send(*s).ok());
}

INSTANTIATE_TEST_SUITE_P(Errors, AcceptRest,
                         ::testing::Values(Errc::too_many_open_files,
                                           Errc::too_many_open_files_in_system, Errc::out_of_memory,
                                           Errc::no_buffer_space, Errc::not_permitted,
                                           Errc::system_error),
                         [](const auto& info) { return error_word(static_cast<int>(info.param)); });

TEST_F(LoopTest, AnErrorOfOneConnectionDoesNotRest) {
    const SocketPtr s = make_socket();
    poller->script(s->read, Errc::connection_aborted);
    EXPECT_EQ(submit(s->read, OpKind::accept).error(), Errc::connection_aborted);
    poller->script(s->read, Result::done());
    EXPECT_TRUE(submit(s->read, OpKind::accept).ok());
}

// ---- an op that the system puts off -------------------------------------------------------------

class BusyRest : public LoopTest, public ::testing::WithParamInterface<OpKind> {
   protected:
    IoOp& op_of(FakeSocket& s) {
        const bool reads = GetParam() == OpKind::recv || GetParam() == OpKind::accept ||
                           GetParam() == OpKind::recv_from;
        return reads ? s.read : s.write;
    }
    Result submit_to(IoOp& op, double deadline = kNever) {
        return submit(op, GetParam(), deadline);
    }
};

TEST_P(BusyRest, IsTriedAgainUntilItGoes) {
    const SocketPtr s = make_socket();
    IoOp& op = op_of(*s);
    constexpr int kTries = 5;
    for (int i = 1; i < kTries; ++i) poller->script(op, Errc::busy);
    poller->script(op, Result::of(3));
    EXPECT_TRUE(submit_to(op).is_pending());
    EXPECT_EQ(look(), Ops{});
    EXPECT_EQ(poller->submits_of(op), 1u);
    EXPECT_EQ(poll(), Ops{&op});
    EXPECT_EQ(op.result.value(), 3);
    EXPECT_EQ(poller->submits_of(op), static_cast<size_t>(kTries));
    EXPECT_NEAR(time, kStart + (kTries - 1) * kBusyRest, 1e-6);
}

TEST_P(BusyRest, MayHaveToWaitInTheEnd) {
    const SocketPtr s = make_socket();
    IoOp& op = op_of(*s);
    poller->script(op, Errc::busy);
    EXPECT_TRUE(submit_to(op, kStart + 5).is_pending());
    EXPECT_EQ(poll(kStart + 1), Ops{});
    EXPECT_EQ(op.state, OpState::submitted);
    poller->finish(op, Errc::connection_refused);
    EXPECT_EQ(look(), Ops{&op});
    EXPECT_EQ(op.result.error(), Errc::connection_refused);
}

TEST_P(BusyRest, KeepsItsDeadline) {
    const SocketPtr s = make_socket();
    IoOp& op = op_of(*s);
    poller->on_submit = [](Op&) { return Result(Errc::busy); };
    EXPECT_TRUE(submit_to(op, kStart + 0.035).is_pending());
    EXPECT_EQ(poll(), Ops{&op});
    EXPECT_EQ(op.result.error(), Errc::timeout);
    EXPECT_NEAR(time, kStart + 0.035, 1e-6);
    EXPECT_GE(time, kStart + 0.035);
    EXPECT_EQ(poller->submits_of(op), 4u);
}

TEST_P(BusyRest, WithAPassedDeadlineIsTriedOnce) {
    const SocketPtr s = make_socket();
    IoOp& op = op_of(*s);
    poller->on_submit = [](Op&) { return Result(Errc::busy); };
    EXPECT_TRUE(submit_to(op, kStart - 1).is_pending());
    EXPECT_EQ(look(), Ops{&op});
    EXPECT_EQ(op.result.error(), Errc::timeout);
    EXPECT_EQ(poller->submits_of(op), 1u);
}

TEST_P(BusyRest, CanBeClosed) {
    SocketPtr s = make_socket();
    IoOp& op = op_of(*s);
    poller->script(op, Errc::busy);
    EXPECT_TRUE(submit_to(op).is_pending());
    close(std::move(s));
    EXPECT_EQ(look(), Ops{&op});
    EXPECT_EQ(op.result.error(), Errc::closed);
    EXPECT_EQ(poll(kStart + 1), Ops{});
    EXPECT_EQ(freed, 1);
}

TEST_P(BusyRest, CanBeCanceled) {
    const SocketPtr s = make_socket();
    IoOp& op = op_of(*s);
    poller->script(op, Errc::busy);
    EXPECT_TRUE(submit_to(op).is_pending());
    loop->cancel(op, Errc::canceled);
    EXPECT_EQ(look(), Ops{&op});
    EXPECT_EQ(op.result.error(), Errc::canceled);
    EXPECT_EQ(poll(kStart + 1), Ops{});
}

TEST_P(BusyRest, DoesNotSpin) {
    const SocketPtr s = make_socket();
    IoOp& op = op_of(*s);
    poller->on_submit = [](Op&) { return Result(Errc::busy); };
    EXPECT_TRUE(submit_to(op).is_pending());
    EXPECT_EQ(poll(kStart + 1), Ops{});
    EXPECT_LE(poller->submits_of(op), static_cast<size_t>(1 / kBusyRest) + 2);
    EXPECT_LE(poller->waits.size(), 4 * static_cast<size_t>(1 / kBusyRest));
    loop->cancel(op, Errc::canceled);
    EXPECT_EQ(look(), Ops{&op});
}

INSTANTIATE_TEST_SUITE_P(Kinds, BusyRest, ::testing::Values(OpKind::connect, OpKind::send_to),
                         [](const auto& info) {
                             return info.param == OpKind::connect ? "Connect" : "SendTo";
                         });

// ---- since when an op waits ---------------------------------------------------------------------

// The time of the loop's turn: nobody asks the clock for it.
TEST_F(LoopTest, AnOpWaitsSinceTheTurnOfItsSubmit) {
    const SocketPtr s = make_socket();
    time = kStart + 1;
    EXPECT_TRUE(recv(*s).is_pending());
    EXPECT_EQ(s->read.since, kStart) << "no turn yet: when the loop was made";
    look();
    EXPECT_EQ(s->read.since, kStart);
    time = kStart + 2;
    EXPECT_TRUE(send(*s).is_pending());
    EXPECT_EQ(s->write.since, kStart + 1);
    EXPECT_EQ(poll(kStart + 5), Ops{});
    EXPECT_EQ(s->read.since, kStart);
    EXPECT_EQ(s->write.since, kStart + 1);
}

TEST_F(LoopTest, EveryWaitHasASinceOfItsOwn) {
    const SocketPtr s = make_socket();
    for (int i = 1; i < 5; ++i) {
        EXPECT_EQ(poll(kStart + i), Ops{});
        EXPECT_TRUE(recv(*s, kNever).is_pending());
        EXPECT_EQ(s->read.since, kStart + i);
        poller->finish(s->read, Result::of(1));
        EXPECT_EQ(look(), Ops{&s->read});
        EXPECT_EQ(s->read.since, kStart + i) << "stays in a completed op";
    }
}

TEST_F(LoopTest, TheTurnEndsWithItsWait) {
    const SocketPtr s = make_socket(), other = make_socket();
    EXPECT_TRUE(recv(*other, kStart + 3).is_pending());
    EXPECT_EQ(poll(), Ops{&other->read});
    EXPECT_TRUE(recv(*s).is_pending());
    EXPECT_EQ(s->read.since, kStart + 3);
}

TEST_F(LoopTest, ABusySubmitLeavesSinceAlone) {
    const SocketPtr s = make_socket();
    EXPECT_TRUE(recv(*s).is_pending());
    EXPECT_EQ(poll(kStart + 5), Ops{});
    EXPECT_EQ(loop->submit(s->read).error(), Errc::busy);
    EXPECT_EQ(s->read.since, kStart);
}

TEST_F(LoopTest, ARestingListenerWaitsSinceItsSubmit) {
    const SocketPtr s = make_socket();
    poller->script(s->read, Errc::too_many_open_files);
    EXPECT_EQ(submit(s->read, OpKind::accept).error(), Errc::too_many_open_files);
    EXPECT_TRUE(submit(s->read, OpKind::accept).is_pending());
    EXPECT_EQ(s->read.since, kStart);
    EXPECT_EQ(poll(kStart + 5), Ops{});
    EXPECT_EQ(s->read.state, OpState::submitted);
    EXPECT_EQ(s->read.since, kStart);
}

TEST_F(LoopTest, AnOpThatIsTriedAgainAndAgainWaitsSinceItsSubmit) {
    const SocketPtr s = make_socket();
    poller->on_submit = [](Op&) { return Result(Errc::busy); };
    EXPECT_TRUE(submit(s->write, OpKind::connect).is_pending());
    EXPECT_EQ(poll(kStart + 1), Ops{});
    EXPECT_GT(poller->submits_of(s->write), 2u);
    EXPECT_EQ(s->write.since, kStart);
    loop->cancel(s->write, Errc::canceled);
    EXPECT_EQ(look(), Ops{&s->write});
}

TEST_F(LoopTest, AnOpThatIsOutsideWaitsSinceItsSubmit) {
    Outsider o(*loop);
    EXPECT_EQ(poll(kStart + 2), Ops{});
    EXPECT_TRUE(loop->submit(o.op).is_pending());
    EXPECT_EQ(o.op.since, kStart + 2);
    EXPECT_EQ(poll(kStart + 4), Ops{});
    EXPECT_EQ(o.op.since, kStart + 2);
    loop->finish(o.op, Result::of(1));
    EXPECT_EQ(look(), Ops{&o.op});
}

TEST_F(LoopTest, AnOpThatIsOutsideIsCanceledAsFarAsItsOwnerLetsGo) {
    Outsider o(*loop);
    o.op.lets_go = false;
    o.op.deadline = kStart + 1;
    EXPECT_TRUE(loop->submit(o.op).is_pending());
    loop->cancel(o.op, Errc::canceled);
    EXPECT_EQ(poll(kStart + 2), Ops{}) << "its deadline has passed";
    loop->finish(o.op, Result::of(1));
    loop->cancel(o.op, Errc::canceled);
    EXPECT_EQ(look(), Ops{&o.op});
    EXPECT_EQ(o.op.result.value(), 1);

    o.op.lets_go = true;
    EXPECT_TRUE(loop->submit(o.op).is_pending());
    EXPECT_EQ(poll(), Ops{&o.op});
    EXPECT_EQ(o.op.result.error(), Errc::timeout);
}

// ---- waits for readiness ------------------------------------------------------------------------

// To the loop a wait is an op like any other.
TEST_F(LoopTest, AWaitForReadinessHasItsDeadline) {
    const SocketPtr s = make_socket();
    EXPECT_TRUE(submit(s->read, OpKind::wait, kStart + 2).is_pending());
    EXPECT_TRUE(submit(s->write, OpKind::wait, kStart + 3).is_pending());
    EXPECT_EQ(poll(), Ops{&s->read});
    EXPECT_EQ(s->read.result.error(), Errc::timeout);
    EXPECT_EQ(time, kStart + 2);
    poller->finish(s->write, Result::done());
    EXPECT_EQ(look(), Ops{&s->write});
    EXPECT_TRUE(s->write.result.ok());
    EXPECT_EQ(poll(kStart + 10), Ops{});
}

// Another has the descriptor: the caller has to know, and nobody tries again.
// A listener that rests can still be waited for.
TEST_F(LoopTest, AWaitForReadinessDoesNotRest) {
    const SocketPtr s = make_socket();
    poller->script(s->read, Errc::too_many_open_files);
    EXPECT_EQ(submit(s->read, OpKind::accept).error(), Errc::too_many_open_files);
    poller->script(s->read, Result::done());
    EXPECT_TRUE(submit(s->read, OpKind::wait).ok());
}

// ---- the end of the loop ------------------------------------------------------------------------

TEST_F(LoopTest, TheEndOfTheLoopDrainsWhatWasClosed) {
    for (int i = 0; i < 5; ++i) {
        SocketPtr s = make_socket();
        EXPECT_TRUE(recv(*s).is_pending());
        if (i % 2 == 0) {
            EXPECT_TRUE(send(*s).is_pending());
        }
        close(std::move(s));
    }
    EXPECT_EQ(freed, 0);
    loop.reset();
    EXPECT_EQ(freed, 5);
}

TEST_F(LoopTest, TheEndOfTheLoopFreesWhatWasCompletedAndNotTaken) {
    SocketPtr s = make_socket();
    EXPECT_TRUE(recv(*s).is_pending());
    poller->finish(s->read, Result::of(1));
    EXPECT_TRUE(loop->poll(0).ok());
    close(std::move(s));
    loop.reset();
    EXPECT_EQ(freed, 1);
}

TEST_F(LoopTest, TheEndOfTheLoopWaitsUntilTheSystemLetsGo) {
    SocketPtr s = make_socket();
    IoOp& read = s->read;
    poller->cancels_late = true;
    EXPECT_TRUE(recv(*s).is_pending());
    close(std::move(s));
    // The third wait is the first by which the system is through.
    poller->on_wait = [&] {
        poller->on_wait = [&] { poller->on_wait = [&] { poller->finish_cancel(read); }; };
    };
    loop.reset();
    EXPECT_EQ(freed, 1);
    EXPECT_GT(time, kStart);
}

// The canceled ops were handed over beside the error: their owners need not leak.
TEST_F(LoopTest, TheEndOfTheLoopFreesWhatAFailingWaitStillReports) {
    SocketPtr s = make_socket();
    EXPECT_TRUE(recv(*s).is_pending());
    close(std::move(s));
    poller->wait_result = Errc::not_supported;
    loop.reset();
    EXPECT_EQ(freed, 1);
}

TEST_F(LoopTest, RoomIsCountedPerSocket) {
    EXPECT_EQ(loop->reserved(), 0u);
    SocketPtr a = make_socket();
    const SocketPtr b = make_socket();
    EXPECT_EQ(loop->reserved(), 4u);
    close(std::move(a));
    EXPECT_EQ(loop->reserved(), 2u);
}

// ---- completions that their object takes --------------------------------------------------------

// Reads on until it has had enough completions, as a reader does that needs more than one receive gives.
class Insatiable final : public Object {
   public:
    Insatiable(Loop& loop, int wanted) : Object(kTcp), wanted_(wanted), loop_(loop) {
        loop_.reserve(1);
    }
    ~Insatiable() override { loop_.release(1); }

    Op* op(Side side) override { return side == Side::read ? &read : nullptr; }

    bool on_completed(Op& op) override {
        EXPECT_EQ(&op, &read);
        EXPECT_EQ(op.state, OpState::idle);
        seen.push_back(op.result.value());
        if (op.result.is_error() || static_cast<int>(seen.size()) == wanted_) return false;
        loop_.go_on(read);
        return true;
    }

    IoSource source;
    IoOp read{*this, source, Side::read};
    std::vector<int> seen;

   private:
    void on_close(Loop& loop) override {
        loop.cancel(read, Errc::closed);
        source.fd = kNoDescriptor;
    }

    const int wanted_;
    Loop& loop_;
};

class GoOn : public LoopTest {
   protected:
    std::unique_ptr<Insatiable> begin(int wanted, double deadline = kNever) {
        auto reader = std::make_unique<Insatiable>(*loop, wanted);
        EXPECT_TRUE(submit(reader->read, OpKind::readable, deadline).is_pending());
        return reader;
    }
};

TEST_F(GoOn, BecomesAnEventWhenTheObjectLeavesIt) {
    const auto reader = begin(3);
    for (int i = 1; i <= 2; ++i) {
        poller->finish(reader->read, Result::of(i));
        EXPECT_EQ(look(), Ops{});
        EXPECT_TRUE(poller->has(reader->read));
    }
    poller->finish(reader->read, Result::of(3));
    EXPECT_EQ(look(), Ops{&reader->read});
    EXPECT_EQ(reader->seen, (std::vector<int>{1, 2, 3}));
}

// Others have their turn in between.
TEST_F(GoOn, WhatIsReadyAtOnceWaitsForTheNextTurn) {
    const auto reader = begin(3);
    poller->script(reader->read, Result::of(2));
    poller->script(reader->read, Result::of(3));
    poller->finish(reader->read, Result::of(1));
    EXPECT_EQ(look(), Ops{});
    EXPECT_EQ(reader->seen, (std::vector<int>{1}));
    EXPECT_EQ(look(), Ops{});
    EXPECT_EQ(reader->seen, (std::vector<int>{1, 2}));
    EXPECT_EQ(poll(), Ops{&reader->read});
    EXPECT_EQ(last_wait(), 0) << "it is due already";
    EXPECT_EQ(reader->seen, (std::vector<int>{1, 2, 3}));
}

TEST_F(GoOn, OneDeadlineCountsForAll) {
    const auto reader = begin(3, kStart + 1);
    poller->finish(reader->read, Result::of(1));
    EXPECT_EQ(look(), Ops{});
    EXPECT_EQ(poll(kStart + 5), Ops{&reader->read});
    EXPECT_EQ(reader->read.result.error(), Errc::timeout);
    EXPECT_DOUBLE_EQ(time, kStart + 1);
}

// It is never in the heap when deadlines are looked at.
TEST_F(GoOn, ADeadlineCountsThoughSomethingComesInEveryTurn) {
    const auto reader = begin(1000, kStart + 1);
    Ops ops;
    for (int i = 0; i < 100 && ops.empty(); ++i) {
        time += 0.1;
        if (poller->has(reader->read)) poller->finish(reader->read, Result::of(1));
        ops = look();
    }
    EXPECT_EQ(ops, Ops{&reader->read});
    EXPECT_EQ(reader->read.result.error(), Errc::timeout);
    EXPECT_LT(time, kStart + 1.5);
}

TEST_F(GoOn, ACancelBetweenCompletionAndHandOutEndsIt) {
    const auto reader = begin(3);
    poller->finish(reader->read, Result::of(1));
    EXPECT_TRUE(loop->poll(0).ok());
    loop->cancel(reader->read, Errc::canceled);
    EXPECT_EQ(loop->take(), nullptr);
    EXPECT_FALSE(poller->has(reader->read));
    EXPECT_EQ(poll(), Ops{&reader->read});
    EXPECT_EQ(reader->read.result.error(), Errc::canceled);
    EXPECT_EQ(reader->seen.front(), 1) << "what has come is not lost";
}

TEST_F(GoOn, ACancelLeavesWhatTheObjectHasEnoughOf) {
    const auto reader = begin(1);
    poller->finish(reader->read, Result::of(1));
    EXPECT_TRUE(loop->poll(0).ok());
    loop->cancel(reader->read, Errc::canceled);
    EXPECT_EQ(loop->take(), &reader->read);
    EXPECT_EQ(reader->read.result.value(), 1);
}

TEST_F(GoOn, ACloseBetweenCompletionAndHandOutEndsIt) {
    auto reader = begin(3);
    IoOp& read = reader->read;
    poller->finish(read, Result::of(1));
    EXPECT_TRUE(loop->poll(0).ok());
    loop->close(std::move(reader));
    EXPECT_EQ(loop->take(), nullptr);
    EXPECT_EQ(poll(), Ops{&read});
    EXPECT_EQ(read.result.error(), Errc::closed);
    EXPECT_EQ(poller->submits_of(read), 1U);
}

TEST_F(GoOn, ACancelOfWhatIsReadyAtOnceEndsIt) {
    const auto reader = begin(3);
    poller->script(reader->read, Result::of(2));
    poller->finish(reader->read, Result::of(1));
    EXPECT_EQ(look(), Ops{});
    loop->cancel(reader->read, Errc::canceled);
    EXPECT_EQ(poll(), Ops{&reader->read});
    EXPECT_EQ(reader->read.result.error(), Errc::canceled);
}

}  // namespace
}  // namespace socket2
