// Channels: step by step with loops of one thread, and then with many threads at once.
#include "core/thread/channel.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/poll/system_poller.h"
#include "core/sys/descriptor.h"
#include "core/sys/socket.h"
#include "core/thread/port.h"

namespace socket2 {
namespace {

// Long enough for a loaded machine; nothing that works waits for it.
constexpr double kLimit = 60;

using PortPtr = std::unique_ptr<Port>;
using ChannelPtr = std::shared_ptr<Channel>;

double now() { return MonotonicClock().now(); }

std::unique_ptr<Poller> make_poller() {
    std::unique_ptr<Poller> poller;
    EXPECT_TRUE(SystemPollers().make(-1, poller).ok());
    return poller;
}

MessagePtr text(const std::string& bytes) { return std::make_unique<Message>(bytes); }

std::string bytes_of(const Port& port) { return std::string(port.message()->bytes()); }

MessagePtr with_descriptor(Descriptor fd) {
    auto message = text("fd");
    message->descriptors.push_back(fd);
    return message;
}

MessagePtr with_channel(ChannelPtr channel) {
    auto message = text("channel");
    message->channels.push_back(std::move(channel));
    return message;
}

Descriptor make_descriptor() { return sys::open_socket(AF_INET, SOCK_DGRAM, 0).value(); }
bool is_open(Descriptor fd) { return !sys::never_blocks(fd).is_error(); }

// A loop of the test, in one thread.
struct TestLoop {
    PortPtr open(const ChannelPtr& channel) { return std::make_unique<Port>(loop, channel); }

    void close(PortPtr port) { loop.close(std::move(port)); }
    void cancel(Port& port, Side side) { loop.cancel(*port.op(side), Errc::canceled); }

    // The ops that one look finds.
    std::vector<Op*> look() {
        EXPECT_TRUE(loop.poll(0).ok());
        std::vector<Op*> ops;
        while (Op* op = loop.take()) ops.push_back(op);
        return ops;
    }

    // The op's result, at once or with its event, which must be the first.
    Result finish(Result r, const Op& op) {
        if (!r.is_pending()) return r;
        const double limit = now() + kLimit;
        while (now() < limit) {
            EXPECT_TRUE(loop.poll(limit).ok());
            if (Op* done = loop.take()) {
                EXPECT_EQ(done, &op);
                return done->result;
            }
        }
        ADD_FAILURE() << "no event";
        return r;
    }

    Result send(Port& port, const std::string& bytes, double deadline = now() + kLimit) {
        return finish(port.send(text(bytes), deadline), *port.op(Side::write));
    }

    // The text, or the word of the error.
    std::string recv(Port& port, double deadline = now() + kLimit) {
        const Result r = finish(port.recv(deadline), *port.op(Side::read));
        if (!r.ok()) return std::string("(") + error_word(r.value()) + ")";
        EXPECT_EQ(static_cast<size_t>(r.value()), port.message()->size);
        return bytes_of(port);
    }

    Loop loop{make_poller(), std::make_unique<MonotonicClock>()};
};

void wait_until(double time) {
    while (now() < time) std::this_thread::yield();
}

// Two loops, each with a handle on one channel.
struct Pair {
    explicit Pair(size_t capacity)
        : channel(std::make_shared<Channel>(capacity)),
          a(left.open(channel)),
          b(right.open(channel)) {}
    ~Pair() {
        if (a) left.close(std::move(a));
        if (b) right.close(std::move(b));
    }

    TestLoop left;
    TestLoop right;
    ChannelPtr channel;
    PortPtr a;
    PortPtr b;
};

// ---- room and order -----------------------------------------------------------------------------

TEST(Channel, MessagesComeInTheirOrder) {
    Pair p(3);
    for (const char* s : {"one", "", "three"}) EXPECT_TRUE(p.left.send(*p.a, s).ok());
    EXPECT_EQ(p.channel->length(), 3u);
    EXPECT_EQ(p.right.recv(*p.b), "one");
    EXPECT_EQ(p.right.recv(*p.b), "");
    EXPECT_EQ(p.right.recv(*p.b), "three");
    EXPECT_EQ(p.channel->length(), 0u);
}

TEST(Channel, AtOnceNeverWaits) {
    Pair p(1);
    EXPECT_EQ(p.b->recv(kAtOnce).error(), Errc::timeout);
    EXPECT_TRUE(p.a->send(text("x"), kAtOnce).ok());
    EXPECT_EQ(p.a->send(text("y"), kAtOnce).error(), Errc::timeout);
    EXPECT_EQ(p.b->recv(kAtOnce).value(), 1);
    EXPECT_EQ(p.b->message()->bytes(), "x");
    EXPECT_TRUE(p.left.look().empty());
    EXPECT_TRUE(p.right.look().empty());
    EXPECT_EQ(p.channel->length(), 0u);
}

TEST(Channel, AFullChannelKeepsItsSenderUntilThereIsRoom) {
    Pair p(1);
    EXPECT_TRUE(p.left.send(*p.a, "1").ok());
    EXPECT_TRUE(p.a->send(text("2"), kNever).is_pending());
    EXPECT_EQ(p.a->send(text("3"), kNever).error(), Errc::busy);
    EXPECT_TRUE(p.left.look().empty());
    EXPECT_EQ(p.channel->length(), 1u);
    EXPECT_EQ(p.right.recv(*p.b), "1");
    EXPECT_EQ(p.channel->length(), 1u);
    EXPECT_TRUE(p.left.finish(Result::pending(), *p.a->op(Side::write)).ok());
    EXPECT_EQ(p.right.recv(*p.b), "2");
}

TEST(Channel, WithoutCapacityASendEndsWhenAReceiverHasIt) {
    Pair p(0);
    EXPECT_TRUE(p.a->send(text("x"), kNever).is_pending());
    EXPECT_EQ(p.channel->length(), 0u);
    EXPECT_TRUE(p.left.look().empty());
    EXPECT_EQ(p.b->recv(kAtOnce).value(), 1);
    EXPECT_TRUE(p.left.finish(Result::pending(), *p.a->op(Side::write)).ok());
    EXPECT_TRUE(p.b->recv(kNever).is_pending());
    EXPECT_TRUE(p.a->send(text("yy"), kAtOnce).ok());
    EXPECT_EQ(p.b->message(), nullptr) << "it was not taken yet";
    EXPECT_EQ(p.right.finish(Result::pending(), *p.b->op(Side::read)).value(), 2);
    EXPECT_EQ(p.b->message()->bytes(), "yy");
}

TEST(Channel, WaitersAreServedInTheOrderOfComing) {
    TestLoop loop;
    const auto channel = std::make_shared<Channel>(0);
    std::vector<PortPtr> ports(6);
    for (PortPtr& port : ports) port = loop.open(channel);
    for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(
            ports[static_cast<size_t>(i)]->send(text(std::to_string(i)), kNever).is_pending());
    }
    EXPECT_EQ(ports[3]->recv(kAtOnce).value(), 1);
    EXPECT_EQ(bytes_of(*ports[3]), "0");
    loop.cancel(*ports[1], Side::write);
    EXPECT_EQ(ports[3]->recv(kAtOnce).value(), 1);
    EXPECT_EQ(bytes_of(*ports[3]), "2");
    EXPECT_EQ(loop.look().size(), 3u);
    for (size_t i = 3; i < 6; ++i) EXPECT_TRUE(ports[i]->recv(kNever).is_pending());
    for (const char* s : {"a", "b", "c"}) EXPECT_TRUE(ports[0]->send(text(s), kAtOnce).ok());
    EXPECT_EQ(loop.look().size(), 3u);
    EXPECT_EQ(bytes_of(*ports[3]) + bytes_of(*ports[4]) + bytes_of(*ports[5]), "abc");
    for (PortPtr& port : ports) loop.close(std::move(port));
}

TEST(Channel, AForcedMessageNeedsNoRoom) {
    Pair p(0);
    p.channel->force(text("1"));
    p.channel->force(text("2"));
    EXPECT_EQ(p.channel->length(), 2u);
    EXPECT_EQ(p.right.recv(*p.b), "1");
    EXPECT_EQ(p.right.recv(*p.b), "2");
    EXPECT_TRUE(p.b->recv(kNever).is_pending());
    p.channel->force(text("3"));
    EXPECT_EQ(p.right.finish(Result::pending(), *p.b->op(Side::read)).value(), 1);
    p.channel->shutdown();
    p.channel->force(text("4"));
    EXPECT_EQ(p.right.recv(*p.b), "(closed)");
}

// ---- deadlines, cancels, shutdowns --------------------------------------------------------------

TEST(Channel, ADeadlineEndsAWait) {
    Pair p(0);
    EXPECT_EQ(p.right.recv(*p.b, now() + 0.01), "(timeout)");
    EXPECT_EQ(p.left.send(*p.a, "x", now() + 0.01).error(), Errc::timeout);
    EXPECT_EQ(p.right.recv(*p.b, 0), "(timeout)");
    EXPECT_EQ(p.b->recv(kAtOnce).error(), Errc::timeout) << "nothing is left of the send";
}

TEST(Channel, ACancelEndsAWait) {
    Pair p(0);
    EXPECT_TRUE(p.b->recv(kNever).is_pending());
    p.right.cancel(*p.b, Side::read);
    EXPECT_EQ(p.a->send(text("x"), kAtOnce).error(), Errc::timeout) << "nobody waits any more";
    EXPECT_EQ(p.right.finish(Result::pending(), *p.b->op(Side::read)).error(), Errc::canceled);
    EXPECT_TRUE(p.a->send(text("x"), kNever).is_pending());
    p.left.cancel(*p.a, Side::write);
    EXPECT_EQ(p.b->recv(kAtOnce).error(), Errc::timeout);
    EXPECT_EQ(p.left.finish(Result::pending(), *p.a->op(Side::write)).error(), Errc::canceled);
}

TEST(Channel, WhatCameBeforeACancelOrADeadlineIsKept) {
    for (const bool late : {false, true}) {
        Pair p(0);
        EXPECT_TRUE(p.b->recv(late ? now() + 0.01 : kNever).is_pending());
        EXPECT_TRUE(p.a->send(text("x"), kAtOnce).ok());
        if (late) {
            wait_until(p.b->op(Side::read)->deadline);
        } else {
            p.right.cancel(*p.b, Side::read);
        }
        EXPECT_EQ(p.right.finish(Result::pending(), *p.b->op(Side::read)).value(), 1);
        EXPECT_EQ(p.b->message()->bytes(), "x");

        EXPECT_TRUE(p.a->send(text("y"), late ? now() + 0.01 : kNever).is_pending());
        EXPECT_EQ(p.b->recv(kAtOnce).value(), 1);
        if (late) {
            wait_until(p.a->op(Side::write)->deadline);
        } else {
            p.left.cancel(*p.a, Side::write);
        }
        EXPECT_TRUE(p.left.finish(Result::pending(), *p.a->op(Side::write)).ok());
        EXPECT_TRUE(p.left.look().empty());
        EXPECT_TRUE(p.right.look().empty());
    }
}

TEST(Channel, AShutdownEndsSendsAndLeavesWhatIsThere) {
    Pair p(1);
    EXPECT_TRUE(p.left.send(*p.a, "1").ok());
    EXPECT_TRUE(p.a->send(text("2"), kNever).is_pending());
    p.channel->shutdown();
    p.channel->shutdown();
    EXPECT_EQ(p.left.finish(Result::pending(), *p.a->op(Side::write)).error(), Errc::closed);
    EXPECT_EQ(p.left.send(*p.a, "3").error(), Errc::closed);
    EXPECT_EQ(p.right.recv(*p.b), "1");
    EXPECT_EQ(p.right.recv(*p.b), "(closed)");
    EXPECT_EQ(p.b->recv(kAtOnce).error(), Errc::closed);
    EXPECT_EQ(p.b->message(), nullptr);
}

TEST(Channel, AShutdownEndsReceives) {
    Pair p(0);
    const PortPtr& other = p.a;
    EXPECT_TRUE(p.b->recv(kNever).is_pending());
    EXPECT_TRUE(other->recv(kNever).is_pending());
    p.channel->shutdown();
    EXPECT_EQ(p.right.finish(Result::pending(), *p.b->op(Side::read)).error(), Errc::closed);
    EXPECT_EQ(p.left.finish(Result::pending(), *other->op(Side::read)).error(), Errc::closed);
}

// ---- closing ------------------------------------------------------------------------------------

TEST(Channel, AClosedHandleWaitsNoLonger) {
    Pair p(0);
    const PortPtr third = p.left.open(p.channel);
    const Op* const read = p.b->op(Side::read);
    EXPECT_TRUE(p.b->recv(kNever).is_pending());
    p.right.close(std::move(p.b));
    EXPECT_EQ(third->send(text("x"), kAtOnce).error(), Errc::timeout);
    EXPECT_EQ(p.right.finish(Result::pending(), *read).error(), Errc::closed);

    const Op* const write = p.a->op(Side::write);
    EXPECT_TRUE(p.a->send(text("x"), kNever).is_pending());
    p.left.close(std::move(p.a));
    EXPECT_EQ(third->recv(kAtOnce).error(), Errc::timeout);
    EXPECT_EQ(p.left.finish(Result::pending(), *write).error(), Errc::closed);
}

// At every stage between the sender and the receiver's event.
TEST(Channel, AMessageThatNobodyTookGoesBack) {
    for (const bool arrived : {false, true}) {
        Pair p(4);
        const Op* const read = p.b->op(Side::read);
        EXPECT_TRUE(p.b->recv(kNever).is_pending());
        EXPECT_TRUE(p.left.send(*p.a, "1").ok());
        EXPECT_TRUE(p.left.send(*p.a, "2").ok());
        if (arrived) {
            EXPECT_TRUE(p.right.loop.poll(0).ok());
        }
        p.right.close(std::move(p.b));
        EXPECT_EQ(p.channel->length(), 2u);
        EXPECT_EQ(p.right.finish(Result::pending(), *read).error(), Errc::closed);
        EXPECT_TRUE(p.right.look().empty());
        EXPECT_EQ(p.left.recv(*p.a), "1");
        EXPECT_EQ(p.left.recv(*p.a), "2");
    }
}

TEST(Channel, AMessageThatGoesBackIsForWhoWaits) {
    Pair p(0);
    EXPECT_TRUE(p.b->recv(kNever).is_pending());
    p.channel->force(text("x"));
    EXPECT_TRUE(p.a->recv(kNever).is_pending());
    p.right.close(std::move(p.b));
    EXPECT_EQ(p.left.finish(Result::pending(), *p.a->op(Side::read)).value(), 1);
    EXPECT_EQ(p.a->message()->bytes(), "x");
}

TEST(Channel, MessagesThatGoBackKeepTheirOrder) {
    TestLoop loop;
    const auto channel = std::make_shared<Channel>(0);
    std::vector<PortPtr> ports(4);
    for (PortPtr& port : ports) {
        port = loop.open(channel);
        EXPECT_TRUE(port->recv(kNever).is_pending());
    }
    for (const char* s : {"1", "2", "3", "4", "5"}) channel->force(text(s));
    for (const size_t i : {1u, 0u, 3u, 2u}) loop.close(std::move(ports[i]));
    const PortPtr last = loop.open(channel);
    std::string all;
    while (last->recv(kAtOnce).ok()) all += last->message()->bytes();
    EXPECT_EQ(all, "12345");
    EXPECT_EQ(loop.look().size(), 4u);
}

TEST(Channel, ATakenMessageGoesWithItsHandle) {
    Pair p(1);
    EXPECT_TRUE(p.left.send(*p.a, "x").ok());
    EXPECT_EQ(p.right.recv(*p.b), "x");
    p.right.close(std::move(p.b));
    EXPECT_EQ(p.channel->length(), 0u);
}

TEST(Channel, ASendThatWasAcceptedBeforeTheCloseSucceeds) {
    Pair p(0);
    const Op* const write = p.a->op(Side::write);
    const Descriptor fd = make_descriptor();
    EXPECT_TRUE(p.a->send(with_descriptor(fd), kNever).is_pending());
    EXPECT_EQ(p.b->recv(kAtOnce).value(), 2);
    p.left.close(std::move(p.a));
    EXPECT_TRUE(p.left.finish(Result::pending(), *write).ok());
    EXPECT_TRUE(p.left.look().empty());
    EXPECT_TRUE(is_open(fd));
    p.right.close(std::move(p.b));
    EXPECT_FALSE(is_open(fd));
}

TEST(Channel, ALoopMayGoWhileItsHandlesWait) {
    const auto channel = std::make_shared<Channel>(0);
    TestLoop rest;
    const PortPtr port = rest.open(channel);
    for (const bool served : {false, true}) {
        TestLoop loop;
        PortPtr reader = loop.open(channel);
        EXPECT_TRUE(reader->recv(kNever).is_pending());
        if (served) {
            EXPECT_TRUE(port->send(text("x"), kAtOnce).ok());
        }
        PortPtr writer = loop.open(channel);
        loop.close(std::move(reader));
        // Not while a message is there, because it would be the next.
        if (!served) {
            EXPECT_TRUE(writer->send(text("y"), kNever).is_pending());
        }
        loop.close(std::move(writer));
    }
    EXPECT_EQ(rest.recv(*port), "x");
    EXPECT_EQ(port->recv(kAtOnce).error(), Errc::timeout);
}

// ---- what messages carry ------------------------------------------------------------------------

TEST(Channel, DescriptorsOfDroppedMessagesAreClosed) {
    std::array<Descriptor, 4> fds{};
    for (Descriptor& fd : fds) fd = make_descriptor();
    {
        Pair p(4);
        for (const Descriptor fd : fds) EXPECT_TRUE(p.a->send(with_descriptor(fd), kAtOnce).ok());
        EXPECT_EQ(p.right.recv(*p.b), "fd");
        EXPECT_EQ(std::exchange(p.b->message()->descriptors[0], kNoDescriptor), fds[0]);
        EXPECT_EQ(p.right.recv(*p.b), "fd");
        EXPECT_TRUE(is_open(fds[1]));
        EXPECT_EQ(p.right.recv(*p.b), "fd");
        EXPECT_FALSE(is_open(fds[1])) << "it was not taken before the next recv";
        EXPECT_TRUE(is_open(fds[3]));
    }
    EXPECT_TRUE(is_open(fds[0])) << "it was taken";
    EXPECT_FALSE(is_open(fds[2])) << "its handle is closed";
    EXPECT_FALSE(is_open(fds[3])) << "its channel is gone";
    sys::close_descriptor(fds[0]);
}

TEST(Channel, DescriptorsOfAMessageThatWasNotSentAtOnceAreTheSenders) {
    const Descriptor fd = make_descriptor();
    {
        Pair p(0);
        EXPECT_EQ(p.a->send(with_descriptor(fd), kAtOnce).error(), Errc::timeout);
        p.channel->shutdown();
        EXPECT_EQ(p.a->send(with_descriptor(fd), kNever).error(), Errc::closed);
        EXPECT_EQ(p.a->unsent(), nullptr);
    }
    EXPECT_TRUE(is_open(fd));
    sys::close_descriptor(fd);
}

TEST(Channel, AMessageThatWasNotSentLaterComesBack) {
    Pair p(0);
    const PortPtr other = p.left.open(p.channel);
    const Descriptor fd = make_descriptor();
    const auto take_back = [&](const PortPtr& port) {
        ASSERT_NE(port->unsent(), nullptr);
        EXPECT_EQ(port->unsent()->descriptors, std::vector<Descriptor>{fd});
        port->unsent()->descriptors.clear();
    };
    EXPECT_TRUE(p.a->send(with_descriptor(fd), kNever).is_pending());
    EXPECT_EQ(p.a->unsent(), nullptr);
    EXPECT_EQ(p.a->send(with_descriptor(fd), kNever).error(), Errc::busy);
    p.left.cancel(*p.a, Side::write);
    EXPECT_EQ(p.left.look().size(), 1u);
    take_back(p.a);
    EXPECT_TRUE(other->send(with_descriptor(fd), now() + 0.01).is_pending());
    EXPECT_EQ(p.left.finish(Result::pending(), *other->op(Side::write)).error(), Errc::timeout);
    take_back(other);
    EXPECT_TRUE(other->send(with_descriptor(fd), kNever).is_pending());
    p.channel->shutdown();
    EXPECT_EQ(p.left.finish(Result::pending(), *other->op(Side::write)).error(), Errc::closed);
    take_back(other);
    EXPECT_TRUE(is_open(fd));
    sys::close_descriptor(fd);
}

TEST(Channel, WhatIsPendingIsClosedWithItsLoop) {
    const Descriptor fd = make_descriptor();
    {
        Pair p(0);
        EXPECT_TRUE(p.a->send(with_descriptor(fd), kNever).is_pending());
    }
    EXPECT_FALSE(is_open(fd));
}

TEST(Channel, AChannelThatIsSentLives) {
    Pair p(1);
    std::weak_ptr<Channel> sent;
    {
        auto channel = std::make_shared<Channel>(1);
        sent = channel;
        EXPECT_TRUE(p.a->send(with_channel(std::move(channel)), kAtOnce).ok());
    }
    EXPECT_EQ(p.right.recv(*p.b), "channel");
    EXPECT_EQ(p.b->message_channel(0), sent.lock());
    EXPECT_NE(p.b->message_channel(0), nullptr);
    EXPECT_EQ(p.b->message_channel(1), nullptr);
    EXPECT_EQ(p.b->recv(kAtOnce).error(), Errc::timeout);
    EXPECT_TRUE(sent.expired());
    EXPECT_EQ(p.b->message_channel(0), nullptr);
}

TEST(Channel, AChannelInItselfIsFreed) {
    std::weak_ptr<Channel> watch;
    {
        Pair p(2);
        watch = p.channel;
        for (int i = 0; i < 2; ++i) EXPECT_TRUE(p.a->send(with_channel(p.channel), kAtOnce).ok());
        EXPECT_TRUE(p.a->send(with_channel(p.channel), kNever).is_pending());
        EXPECT_EQ(p.right.recv(*p.b), "channel");
        EXPECT_EQ(p.b->message_channel(0), p.channel);
    }
    EXPECT_TRUE(watch.expired());
}

TEST(Channel, ADeepNestOfChannelsIsFreed) {
    TestLoop loop;
    auto outermost = std::make_shared<Channel>(1);
    std::weak_ptr<Channel> innermost = outermost;
    for (int i = 0; i < 200000; ++i) {
        auto next = std::make_shared<Channel>(1);
        next->force(with_channel(std::move(outermost)));
        outermost = std::move(next);
    }
    EXPECT_FALSE(innermost.expired());
    outermost = nullptr;
    EXPECT_TRUE(innermost.expired());
}

// ---- threads ------------------------------------------------------------------------------------

struct Crowd {
    size_t capacity;
    int producers;
    int consumers;
    int messages;    // of each producer
    bool impatient;  // short deadlines, and cancels
    bool closes;     // handles come and go
};

// Every member has a loop of its own. Messages are "producer number".
class Throng {
   public:
    explicit Throng(const Crowd& crowd)
        : crowd_(crowd),
          channel_(std::make_shared<Channel>(crowd.capacity)),
          seen_(static_cast<size_t>(crowd.producers * crowd.messages)) {}

    void run() {
        std::vector<std::thread> threads;
        for (int i = 0; i < crowd_.consumers; ++i) threads.emplace_back([this, i] { consume(i); });
        std::vector<std::thread> producers;
        for (int i = 0; i < crowd_.producers; ++i)
            producers.emplace_back([this, i] { produce(i); });
        for (std::thread& thread : producers) thread.join();
        channel_->shutdown();
        for (std::thread& thread : threads) thread.join();
        // A message may have gone back after the others had seen the end.
        TestLoop loop;
        PortPtr port = loop.open(channel_);
        while (port->recv(kAtOnce).ok()) saw(bytes_of(*port));
        loop.close(std::move(port));
        for (size_t i = 0; i < seen_.size(); ++i) {
            ASSERT_EQ(seen_[i].load(), 1) << "message " << i;
        }
        EXPECT_EQ(channel_.use_count(), 1);
    }

   private:
    using Random = std::minstd_rand;

    double some_deadline(Random& random) const {
        if (!crowd_.impatient) return now() + kLimit;
        const unsigned n = random() % 4;
        return n == 0 ? kAtOnce : n == 1 ? now() - 1 : n == 2 ? now() + 1e-4 : now() + kLimit;
    }

    // Finishes a send or recv that was begun. Sometimes closes the handle.
    Result finish(TestLoop& loop, PortPtr& port, Side side, Result r, Random& random) {
        if (!r.is_pending()) return r;
        const Op& op = *port->op(side);
        if (crowd_.impatient && random() % 4 == 0) loop.cancel(*port, side);
        if (crowd_.closes && random() % 4 == 0) {
            if (random() % 2 == 0) {
                EXPECT_TRUE(loop.loop.poll(0).ok());
            }
            loop.close(std::move(port));
            port = loop.open(channel_);
        }
        return loop.finish(r, op);
    }

    void produce(int producer) {
        TestLoop loop;
        PortPtr port = loop.open(channel_);
        Random random(static_cast<unsigned>(producer) + 1);
        for (int n = 0; n < crowd_.messages;) {
            const std::string bytes = std::to_string(producer) + " " + std::to_string(n);
            const Result begun = port->send(text(bytes), some_deadline(random));
            const Result r = finish(loop, port, Side::write, begun, random);
            const bool expected =
                r.ok() ||
                (crowd_.impatient && (r.error() == Errc::timeout || r.error() == Errc::canceled)) ||
                (crowd_.closes && r.error() == Errc::closed);
            ASSERT_TRUE(expected) << error_word(r.value());
            if (r.ok()) ++n;
        }
        loop.close(std::move(port));
    }

    void consume(int consumer) {
        TestLoop loop;
        PortPtr port = loop.open(channel_);
        Random random(static_cast<unsigned>(consumer) + 1000);
        std::vector<int> last(static_cast<size_t>(crowd_.producers), -1);
        for (bool over = false; !over;) {
            const Port* const before = port.get();
            const Result begun = port->recv(some_deadline(random));
            const Result r = finish(loop, port, Side::read, begun, random);
            const bool closed_own = port.get() != before;
            if (r.ok()) {
                ASSERT_FALSE(closed_own);
                const auto [producer, n] = saw(bytes_of(*port));
                int& newest = last[static_cast<size_t>(producer)];
                // Closing a handle gives messages back, and they then come behind later ones.
                if (!crowd_.closes) {
                    ASSERT_GT(n, newest);
                }
                newest = n;
            } else if (r.error() == Errc::closed && !closed_own) {
                over = true;
            }
        }
        loop.close(std::move(port));
    }

    std::pair<int, int> saw(const std::string& bytes) {
        size_t space = 0;
        const int producer = std::stoi(bytes, &space);
        const int n = std::stoi(bytes.substr(space));
        ++seen_[static_cast<size_t>(producer * crowd_.messages + n)];
        return {producer, n};
    }

    const Crowd crowd_;
    const ChannelPtr channel_;
    std::vector<std::atomic<int>> seen_;
};

class CrowdTest : public ::testing::TestWithParam<size_t> {};

TEST_P(CrowdTest, EveryMessageComesOnce) { Throng({GetParam(), 4, 4, 2000, false, false}).run(); }

TEST_P(CrowdTest, ManyProducersOneConsumer) { Throng({GetParam(), 8, 1, 500, false, false}).run(); }

TEST_P(CrowdTest, OneProducerManyConsumers) {
    Throng({GetParam(), 1, 8, 3000, false, false}).run();
}

TEST_P(CrowdTest, DeadlinesAndCancelsLoseAndDoubleNothing) {
    Throng({GetParam(), 4, 4, 1000, true, false}).run();
}

TEST_P(CrowdTest, HandlesThatComeAndGoLoseAndDoubleNothing) {
    Throng({GetParam(), 4, 4, 500, true, true}).run();
}

// All that was sent with success before the end is received, no more and no less.
TEST_P(CrowdTest, AShutdownInTheMidstLosesNothing) {
    for (int round = 0; round < 20; ++round) {
        const auto channel = std::make_shared<Channel>(GetParam());
        std::atomic<int> sent = 0;
        std::atomic<int> received = 0;
        std::vector<std::thread> threads;
        for (int i = 0; i < 3; ++i) {
            threads.emplace_back([&] {
                TestLoop loop;
                PortPtr port = loop.open(channel);
                while (loop.send(*port, "x").ok()) ++sent;
                loop.close(std::move(port));
            });
            threads.emplace_back([&] {
                TestLoop loop;
                PortPtr port = loop.open(channel);
                while (loop.recv(*port) != "(closed)") ++received;
                loop.close(std::move(port));
            });
        }
        const double limit = now() + kLimit;
        while (received < 50 && now() < limit) std::this_thread::yield();
        channel->shutdown();
        for (std::thread& thread : threads) thread.join();
        EXPECT_EQ(sent, received);
        EXPECT_EQ(channel->length(), 0u);
    }
}

INSTANTIATE_TEST_SUITE_P(Capacities, CrowdTest, ::testing::Values(0, 1, 2, 64));

}  // namespace
}  // namespace socket2
