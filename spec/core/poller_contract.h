// The contract of core/io/poller.h, written once for every implementation. A test includes this,
// makes worlds from its system's pollers, and instantiates PollerContract with them and the fake.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "spec/core/fake_poller.h"
#include "spec/core/ops.h"
#include "spec/core/owner.h"

namespace socket2 {
namespace {

// ---- worlds: an implementation and what is on the other side of it ------------------------------

// A source and its two ops; the other end belongs to the test.
class Channel {
   public:
    virtual ~Channel() = default;

    // The peer sends; the data has arrived when this returns.
    virtual void feed(std::string_view data) = 0;
    // Fills the peer's receiver: nothing is taken until release(), then everything.
    virtual void fill(Poller& poller) = 0;
    virtual void release() = 0;
    // Called between the last op and the end of a source.
    virtual void close() {}

    Owner owner;
    IoSource source;
    IoOp read{owner, source, Side::read};
    IoOp write{owner, source, Side::write};
};

class World {
   public:
    virtual ~World() = default;
    virtual Poller& poller() = 0;
    virtual std::unique_ptr<Channel> channel() = 0;
    virtual double now() const = 0;
};

class FakeWorld final : public World {
   public:
    FakeWorld() {
        poller_.on_submit = [this](IoOp& op) { return channels_.at(&op.source)->submit(op); };
    }
    ~FakeWorld() override { EXPECT_EQ(violations_, 0); }

    Poller& poller() override { return poller_; }
    double now() const override { return time_; }

    std::unique_ptr<Channel> channel() override {
        auto channel = std::make_unique<FakeChannel>(*this);
        channels_[&channel->source] = channel.get();
        return channel;
    }

   private:
    class FakeChannel final : public Channel {
       public:
        explicit FakeChannel(FakeWorld& world) : world_(world) {}
        ~FakeChannel() override { world_.channels_.erase(&source); }

        void feed(std::string_view data) override {
            inbox_ += data;
            if (world_.poller_.has(read)) world_.poller_.finish(read, submit(read));
        }
        void fill(Poller&) override { full_ = true; }
        void release() override {
            full_ = false;
            if (world_.poller_.has(write)) world_.poller_.finish(write, submit(write));
        }

        Result submit(IoOp& op) {
            if (op.side == Side::write) {
                return full_ ? Result::pending() : Result::of(static_cast<int>(op.size));
            }
            if (inbox_.empty()) return Result::pending();
            if (op.kind == OpKind::wait || op.kind == OpKind::readable) return Result::done();
            const size_t n = std::min(op.size, inbox_.size());
            std::memcpy(op.data, inbox_.data(), n);
            inbox_.erase(0, n);
            return Result::of(static_cast<int>(n));
        }

       private:
        FakeWorld& world_;
        std::string inbox_;
        bool full_ = false;
    };

    double time_ = 0;
    int violations_ = 0;
    FakePoller poller_{time_, violations_};
    std::map<const IoSource*, FakeChannel*> channels_;
};

struct Implementation {
    std::string name;
    std::function<std::unique_ptr<World>()> make;
};

// ---- the contract -------------------------------------------------------------------------------

class PollerContract : public ::testing::TestWithParam<Implementation> {
   protected:
    void end(std::unique_ptr<Channel> channel) {
        poller.detach(channel->source);
        channel->close();
    }

    std::unique_ptr<World> world = GetParam().make();
    Poller& poller = world->poller();
    char buffer[64] = {};
};

TEST_P(PollerContract, WhatIsThereIsAValueAtOnce) {
    auto c = world->channel();
    c->feed("hello");
    EXPECT_EQ(recv(poller, c->read, buffer, sizeof buffer).value(), 5);
    EXPECT_STREQ(buffer, "hello");
    EXPECT_EQ(send(poller, c->write, "x", 1).value(), 1);
    EXPECT_EQ(wait(poller, 0), Ops{}) << "an op that is over does not complete again";
    end(std::move(c));
}

TEST_P(PollerContract, WhatComesLaterCompletesOnce) {
    auto c = world->channel();
    EXPECT_TRUE(recv(poller, c->read, buffer, sizeof buffer).is_pending());
    EXPECT_EQ(wait(poller, 0), Ops{});
    c->feed("hello");
    EXPECT_EQ(wait_for(poller, 1), Ops{&c->read});
    EXPECT_EQ(c->read.result.value(), 5);
    EXPECT_STREQ(buffer, "hello");
    EXPECT_EQ(wait(poller, 0), Ops{});
    c->feed("more");
    EXPECT_EQ(wait(poller, 0), Ops{}) << "nobody asked";
    end(std::move(c));
}

TEST_P(PollerContract, AnOpCanBeSubmittedAgainAndAgain) {
    auto c = world->channel();
    for (int i = 0; i < 100; ++i) {
        const std::string data = std::to_string(i);
        const bool before = i % 3 == 0;
        if (before) c->feed(data);
        const Result r = recv(poller, c->read, buffer, sizeof buffer);
        if (!before) c->feed(data);
        const int n = outcome(poller, c->read, r);
        ASSERT_GE(n, 0);
        EXPECT_EQ(std::string(buffer, static_cast<size_t>(n)), data);
    }
    end(std::move(c));
}

TEST_P(PollerContract, WhatDoesNotFitStaysForTheNext) {
    auto c = world->channel();
    c->feed("abcdefg");
    std::string all;
    while (all.size() < 7) {
        const int n = outcome(poller, c->read, recv(poller, c->read, buffer, 3));
        ASSERT_GT(n, 0);
        all.append(buffer, static_cast<size_t>(n));
    }
    EXPECT_EQ(all, "abcdefg");
    end(std::move(c));
}

TEST_P(PollerContract, ACanceledOpCompletesOnceAndItsMemoryIsLeftAlone) {
    auto c = world->channel();
    std::memset(buffer, 0x5a, sizeof buffer);
    EXPECT_TRUE(recv(poller, c->read, buffer, sizeof buffer).is_pending());
    poller.cancel(c->read);
    EXPECT_EQ(wait_for(poller, 1), Ops{&c->read});
    EXPECT_EQ(c->read.result.error(), Errc::canceled);

    c->feed("later");
    EXPECT_EQ(wait(poller, 0), Ops{});
    EXPECT_EQ(wait(poller, 0.001), Ops{});
    EXPECT_EQ(std::count(buffer, buffer + sizeof buffer, 0x5a), 64);

    char other[64] = {};
    EXPECT_EQ(outcome(poller, c->read, recv(poller, c->read, other, sizeof other)), 5);
    EXPECT_STREQ(other, "later");
    EXPECT_EQ(std::count(buffer, buffer + sizeof buffer, 0x5a), 64);
    end(std::move(c));
}

TEST_P(PollerContract, ACancelDoesNotBlockTheWait) {
    auto c = world->channel();
    EXPECT_TRUE(recv(poller, c->read, buffer, sizeof buffer).is_pending());
    poller.cancel(c->read);
    EXPECT_EQ(wait(poller, kNever), Ops{&c->read});
    end(std::move(c));
}

// Either may win, but there is one completion, and no byte is lost.
TEST_P(PollerContract, ACancelAgainstACompletionLosesNothing) {
    for (int round = 0; round < 50; ++round) {
        auto c = world->channel();
        EXPECT_TRUE(recv(poller, c->read, buffer, sizeof buffer).is_pending());
        c->feed("data");
        poller.cancel(c->read);
        EXPECT_EQ(wait_for(poller, 1), Ops{&c->read});
        int n = c->read.result.value();
        if (c->read.result.error() == Errc::canceled) {
            n = outcome(poller, c->read, recv(poller, c->read, buffer, sizeof buffer));
        }
        EXPECT_EQ(n, 4);
        EXPECT_EQ(std::string(buffer, 4), "data");
        EXPECT_EQ(wait(poller, 0), Ops{});
        end(std::move(c));
    }
}

TEST_P(PollerContract, BothSidesWaitOnTheirOwn) {
    auto c = world->channel();
    c->fill(poller);
    EXPECT_TRUE(recv(poller, c->read, buffer, sizeof buffer).is_pending());
    EXPECT_TRUE(send(poller, c->write, "y", 1).is_pending());
    c->feed("r");
    EXPECT_EQ(wait_for(poller, 1), Ops{&c->read});
    EXPECT_EQ(wait(poller, 0), Ops{});
    EXPECT_TRUE(recv(poller, c->read, buffer, sizeof buffer).is_pending());
    c->release();
    EXPECT_EQ(wait_for(poller, 1), Ops{&c->write});
    EXPECT_EQ(c->write.result.value(), 1);
    poller.cancel(c->read);
    EXPECT_EQ(wait_for(poller, 1), Ops{&c->read});
    end(std::move(c));
}

TEST_P(PollerContract, CancelingOneSideLeavesTheOther) {
    auto c = world->channel();
    c->fill(poller);
    EXPECT_TRUE(recv(poller, c->read, buffer, sizeof buffer).is_pending());
    EXPECT_TRUE(send(poller, c->write, "y", 1).is_pending());
    poller.cancel(c->write);
    EXPECT_EQ(wait_for(poller, 1), Ops{&c->write});
    EXPECT_EQ(c->write.result.error(), Errc::canceled);
    c->feed("r");
    EXPECT_EQ(wait_for(poller, 1), Ops{&c->read});
    EXPECT_EQ(c->read.result.value(), 1);
    end(std::move(c));
}

TEST_P(PollerContract, AWaitForWhatIsThereIsDoneAtOnceAndTakesNothing) {
    auto c = world->channel();
    c->feed("hello");
    for (int i = 0; i < 3; ++i) {
        const Result r = wait_ready(poller, c->read);
        EXPECT_TRUE(r.ok());
        EXPECT_EQ(r.value(), 0);
        EXPECT_EQ(wait_ready(poller, c->write).value(), 0);
    }
    EXPECT_EQ(wait(poller, 0), Ops{}) << "an op that is over does not complete again";
    EXPECT_EQ(recv(poller, c->read, buffer, sizeof buffer).value(), 5);
    EXPECT_STREQ(buffer, "hello");
    end(std::move(c));
}

TEST_P(PollerContract, AWaitForWhatComesLaterCompletesOnceAndTakesNothing) {
    auto c = world->channel();
    EXPECT_TRUE(wait_ready(poller, c->read).is_pending());
    EXPECT_EQ(wait(poller, 0), Ops{});
    c->feed("hello");
    EXPECT_EQ(wait_for(poller, 1), Ops{&c->read});
    EXPECT_EQ(c->read.result.value(), 0);
    EXPECT_EQ(wait(poller, 0), Ops{});
    EXPECT_EQ(outcome(poller, c->read, recv(poller, c->read, buffer, sizeof buffer)), 5);
    EXPECT_STREQ(buffer, "hello");
    end(std::move(c));
}

TEST_P(PollerContract, AWaitIsDoneAgainWhileSomethingIsUnread) {
    auto c = world->channel();
    for (int round = 0; round < 3; ++round) {
        EXPECT_TRUE(wait_ready(poller, c->read).is_pending());
        c->feed("abc");
        EXPECT_EQ(wait_for(poller, 1), Ops{&c->read});
        for (const char expected : {'a', 'b', 'c'}) {
            EXPECT_EQ(outcome(poller, c->read, wait_ready(poller, c->read)), 0);
            EXPECT_EQ(outcome(poller, c->read, wait_ready(poller, c->read)), 0);
            EXPECT_EQ(outcome(poller, c->read, recv(poller, c->read, buffer, 1)), 1);
            EXPECT_EQ(buffer[0], expected);
        }
    }
    EXPECT_TRUE(wait_ready(poller, c->read).is_pending()) << "all was read";
    poller.cancel(c->read);
    EXPECT_EQ(wait_for(poller, 1), Ops{&c->read});
    end(std::move(c));
}

TEST_P(PollerContract, AWaitAfterAShortReadWaitsForMore) {
    auto c = world->channel();
    for (int round = 0; round < 10; ++round) {
        EXPECT_TRUE(wait_ready(poller, c->read).is_pending());
        c->feed("abc");
        EXPECT_EQ(wait_for(poller, 1), Ops{&c->read});
        EXPECT_EQ(outcome(poller, c->read, recv(poller, c->read, buffer, sizeof buffer)), 3);
    }
    end(std::move(c));
}

TEST_P(PollerContract, ReadableCompletesWhenThereIsSomethingAndTakesNothing) {
    auto c = world->channel();
    prepare(c->read, OpKind::readable, nullptr, 0);
    // The poller may believe that there is something until a try finds nothing.
    if (poller.submit(c->read).ok()) {
        prepare(c->read, OpKind::recv, buffer, sizeof buffer);
        EXPECT_TRUE(poller.try_now(c->read).is_pending());
        prepare(c->read, OpKind::readable, nullptr, 0);
        EXPECT_TRUE(poller.submit(c->read).is_pending());
    }
    EXPECT_EQ(wait(poller, 0), Ops{});
    c->feed("hello");
    EXPECT_EQ(wait_for(poller, 1), Ops{&c->read});
    EXPECT_EQ(c->read.result.value(), 0);
    EXPECT_EQ(outcome(poller, c->read, recv(poller, c->read, buffer, sizeof buffer)), 5);
    end(std::move(c));
}

TEST_P(PollerContract, ReadableIsCanceledOnce) {
    auto c = world->channel();
    prepare(c->read, OpKind::recv, buffer, sizeof buffer);
    EXPECT_TRUE(poller.try_now(c->read).is_pending());
    prepare(c->read, OpKind::readable, nullptr, 0);
    EXPECT_TRUE(poller.submit(c->read).is_pending());
    poller.cancel(c->read);
    EXPECT_EQ(wait_for(poller, 1), Ops{&c->read});
    EXPECT_EQ(c->read.result.error(), Errc::canceled);
    EXPECT_EQ(wait(poller, 0), Ops{});
    end(std::move(c));
}

TEST_P(PollerContract, ACanceledWaitCompletesOnce) {
    auto c = world->channel();
    c->fill(poller);
    for (IoOp* op : {&c->read, &c->write}) {
        EXPECT_TRUE(wait_ready(poller, *op).is_pending());
        poller.cancel(*op);
        EXPECT_EQ(wait(poller, kNever), Ops{op});
        EXPECT_EQ(op->result.error(), Errc::canceled);
    }
    c->feed("later");
    c->release();
    EXPECT_EQ(wait(poller, 0), Ops{});
    EXPECT_EQ(wait(poller, 0.001), Ops{});
    EXPECT_EQ(outcome(poller, c->read, wait_ready(poller, c->read)), 0);
    EXPECT_EQ(outcome(poller, c->write, wait_ready(poller, c->write)), 0);
    EXPECT_EQ(outcome(poller, c->read, recv(poller, c->read, buffer, sizeof buffer)), 5);
    end(std::move(c));
}

TEST_P(PollerContract, ACanceledReadLeavesItsBytesToAWaitAndBack) {
    auto c = world->channel();
    EXPECT_TRUE(recv(poller, c->read, buffer, sizeof buffer).is_pending());
    poller.cancel(c->read);
    EXPECT_EQ(wait_for(poller, 1), Ops{&c->read});
    EXPECT_TRUE(wait_ready(poller, c->read).is_pending());
    c->feed("data");
    EXPECT_EQ(wait_for(poller, 1), Ops{&c->read});
    EXPECT_EQ(outcome(poller, c->read, recv(poller, c->read, buffer, sizeof buffer)), 4);
    EXPECT_STREQ(buffer, "data");
    end(std::move(c));
}

TEST_P(PollerContract, BothSidesCanBeWaitedFor) {
    auto c = world->channel();
    c->fill(poller);
    EXPECT_TRUE(wait_ready(poller, c->read).is_pending());
    EXPECT_TRUE(wait_ready(poller, c->write).is_pending());
    EXPECT_EQ(wait(poller, 0), Ops{});
    c->feed("r");
    EXPECT_EQ(wait_for(poller, 1), Ops{&c->read});
    EXPECT_EQ(wait(poller, 0), Ops{});
    c->release();
    EXPECT_EQ(wait_for(poller, 1), Ops{&c->write});
    EXPECT_EQ(c->write.result.value(), 0);
    EXPECT_EQ(outcome(poller, c->write, send(poller, c->write, "y", 1)), 1);
    end(std::move(c));
}

TEST_P(PollerContract, ADetachAfterACancelEndsWaits) {
    auto c = world->channel();
    c->fill(poller);
    EXPECT_TRUE(wait_ready(poller, c->read).is_pending());
    EXPECT_TRUE(wait_ready(poller, c->write).is_pending());
    poller.cancel(c->read);
    poller.cancel(c->write);
    poller.detach(c->source);
    c->close();
    EXPECT_EQ(wait_for(poller, 2).size(), 2u);
    EXPECT_EQ(c->read.result.error(), Errc::canceled);
    EXPECT_EQ(c->write.result.error(), Errc::canceled);
    c.reset();
    EXPECT_EQ(wait(poller, 0), Ops{});
}

TEST_P(PollerContract, AWaitThatIsOverWhenItsDescriptorIsClosedAsksNoMoreOfIt) {
    auto c = world->channel();
    EXPECT_TRUE(wait_ready(poller, c->read).is_pending());
    c->feed("x");
    poller.cancel(c->read);
    poller.detach(c->source);
    c->close();
    EXPECT_EQ(wait_for(poller, 1), Ops{&c->read});
    const Result r = c->read.result;
    EXPECT_TRUE(r.ok() || r.error() == Errc::canceled) << error_word(r.value());
}

TEST_P(PollerContract, ManyWaitsEachCompleteOnce) {
    constexpr size_t kCount = 200;
    std::vector<std::unique_ptr<Channel>> channels;
    std::set<Op*> expected;
    for (size_t i = 0; i < kCount; ++i) {
        channels.push_back(world->channel());
        EXPECT_TRUE(wait_ready(poller, channels[i]->read).is_pending());
        if (i % 2 == 0) expected.insert(&channels[i]->read);
    }
    for (size_t i = 0; i < kCount; i += 2) channels[i]->feed("x");
    const Ops ops = wait_for(poller, kCount / 2);
    EXPECT_EQ(std::set<Op*>(ops.begin(), ops.end()), expected);
    EXPECT_EQ(wait(poller, 0), Ops{});
    for (size_t i = 1; i < kCount; i += 2) poller.cancel(channels[i]->read);
    EXPECT_EQ(wait_for(poller, kCount / 2).size(), kCount / 2);
    for (auto& c : channels) end(std::move(c));
}

TEST_P(PollerContract, ADetachAfterACancelEndsEverything) {
    auto c = world->channel();
    auto other = world->channel();
    c->fill(poller);
    EXPECT_TRUE(recv(poller, c->read, buffer, sizeof buffer).is_pending());
    EXPECT_TRUE(send(poller, c->write, "y", 1).is_pending());
    poller.cancel(c->read);
    poller.cancel(c->write);
    poller.detach(c->source);
    c->close();
    Ops ops = wait_for(poller, 2);
    std::sort(ops.begin(), ops.end());
    Ops expected{&c->read, &c->write};
    std::sort(expected.begin(), expected.end());
    EXPECT_EQ(ops, expected);
    EXPECT_EQ(c->read.result.error(), Errc::canceled);
    EXPECT_EQ(c->write.result.error(), Errc::canceled);
    c.reset();

    EXPECT_EQ(wait(poller, 0), Ops{});
    EXPECT_TRUE(recv(poller, other->read, buffer, sizeof buffer).is_pending());
    other->feed("z");
    EXPECT_EQ(wait_for(poller, 1), Ops{&other->read});
    end(std::move(other));
}

TEST_P(PollerContract, ASourceWithoutOpsCanBeDetached) { end(world->channel()); }

TEST_P(PollerContract, AttachIsNoCondition) {
    auto c = world->channel();
    EXPECT_TRUE(poller.attach(c->source).ok());
    c->feed("1");
    EXPECT_EQ(recv(poller, c->read, buffer, sizeof buffer).value(), 1);
    end(std::move(c));
}

TEST_P(PollerContract, ManySourcesAtOnceEachCompleteOnce) {
    constexpr size_t kCount = 200;
    std::vector<std::unique_ptr<Channel>> channels;
    std::vector<char> bytes(kCount);
    std::set<Op*> expected;
    for (size_t i = 0; i < kCount; ++i) {
        channels.push_back(world->channel());
        expected.insert(&channels[i]->read);
        EXPECT_TRUE(recv(poller, channels[i]->read, &bytes[i], 1).is_pending());
    }
    for (size_t i = 0; i < kCount; ++i) {
        const char c = static_cast<char>('a' + i % 26);
        channels[i]->feed({&c, 1});
    }
    const Ops ops = wait_for(poller, kCount);
    EXPECT_EQ(std::set<Op*>(ops.begin(), ops.end()), expected);
    EXPECT_EQ(wait(poller, 0), Ops{});
    for (size_t i = 0; i < kCount; ++i) {
        EXPECT_EQ(channels[i]->read.result.value(), 1);
        EXPECT_EQ(bytes[i], static_cast<char>('a' + i % 26));
        end(std::move(channels[i]));
    }
}

TEST_P(PollerContract, AWaitAppendsToTheList) {
    auto a = world->channel(), b = world->channel();
    char byte[2];
    EXPECT_TRUE(recv(poller, a->read, &byte[0], 1).is_pending());
    EXPECT_TRUE(recv(poller, b->read, &byte[1], 1).is_pending());
    OpList completed;
    a->feed("a");
    EXPECT_TRUE(poller.wait(kLimit, completed).ok());
    b->feed("b");
    EXPECT_TRUE(poller.wait(kLimit, completed).ok());
    EXPECT_EQ(completed.pop_front(), &a->read);
    EXPECT_EQ(completed.pop_front(), &b->read);
    EXPECT_TRUE(completed.empty());
    end(std::move(a));
    end(std::move(b));
}

TEST_P(PollerContract, AWaitIsNeverShort) {
    for (const double seconds : {0.0, 0.0001, 0.0013, 0.01, 0.05}) {
        const double begin = world->now();
        EXPECT_EQ(wait(poller, seconds), Ops{});
        const double elapsed = world->now() - begin;
        EXPECT_GE(elapsed, seconds - 1e-9);
        EXPECT_LT(elapsed, seconds + kLimit);
    }
}

TEST_P(PollerContract, AWakeEndsTheNextWaitAndNoOther) {
    poller.wake();
    poller.wake();
    EXPECT_EQ(wait(poller, kNever), Ops{});
    const double begin = world->now();
    EXPECT_EQ(wait(poller, 0.01), Ops{});
    EXPECT_GE(world->now() - begin, 0.01 - 1e-9);
}

TEST_P(PollerContract, AWakeHidesNoCompletion) {
    auto c = world->channel();
    EXPECT_TRUE(recv(poller, c->read, buffer, sizeof buffer).is_pending());
    poller.wake();
    c->feed("x");
    EXPECT_EQ(wait_for(poller, 1), Ops{&c->read});
    end(std::move(c));
}

}  // namespace
}  // namespace socket2
