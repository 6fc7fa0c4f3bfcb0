// What is tried again after a rest, and since when an op waits.
#include <gtest/gtest.h>

#include <utility>

#include "core/io/loop.h"
#include "spec/core/loop_fixture.h"
#include "spec/core/owner.h"

namespace socket2 {
namespace {

constexpr double kAcceptRest = 0.1;
constexpr double kBusyRest = 0.01;

// Has an op that no poller knows, and can refuse to let go of it.
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

// It is the time of the loop's turn, so the clock is not asked.
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

// If another source has the descriptor, the caller has to know, and there is no second try. A
// listener that rests can still be waited for.
TEST_F(LoopTest, AWaitForReadinessDoesNotRest) {
    const SocketPtr s = make_socket();
    poller->script(s->read, Errc::too_many_open_files);
    EXPECT_EQ(submit(s->read, OpKind::accept).error(), Errc::too_many_open_files);
    poller->script(s->read, Result::done());
    EXPECT_TRUE(submit(s->read, OpKind::wait).ok());
}

}  // namespace
}  // namespace socket2
