// Closed objects: their ops complete, once each, and only then they are freed, also at the end of
// the loop.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <utility>
#include <vector>

#include "core/io/loop.h"
#include "spec/core/loop_fixture.h"

namespace socket2 {
namespace {

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
    // Only at the third wait the system is done with it.
    poller->on_wait = [&] {
        poller->on_wait = [&] { poller->on_wait = [&] { poller->finish_cancel(read); }; };
    };
    loop.reset();
    EXPECT_EQ(freed, 1);
    EXPECT_GT(time, kStart);
}

// The canceled ops were handed over along with the error, so their owners must not leak.
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

}  // namespace
}  // namespace socket2
