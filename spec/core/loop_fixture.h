// A loop over a scripted poller, and a clock that stands still unless the loop waits.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "core/io/loop.h"
#include "spec/core/fake_poller.h"

namespace socket2 {

constexpr double kStart = 1000;

// A socket from the loop's point of view.
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

}  // namespace socket2
