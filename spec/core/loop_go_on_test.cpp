// Completions that their object takes, to go on by itself.
#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "core/io/loop.h"
#include "spec/core/loop_fixture.h"

namespace socket2 {
namespace {

// Reads on until it has had enough completions, like a reader that needs more than one receive.
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

// The op is never in the heap when deadlines are checked.
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
