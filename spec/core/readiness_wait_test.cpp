// Waits for readiness, on streams and on other descriptors, and what wakes a readiness poller.
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <string>
#include <thread>
#include <vector>

#include "core/poll/readiness_poller.h"
#include "facts.h"
#include "spec/core/readiness_fixture.h"

namespace socket2 {
namespace {

// ---- readable: what the system reported last, without asking it
// -----------------------------------

TEST_P(Streams, ReadableBelievesThatThereIsSomethingUntilATryFindsNothing) {
    prepare(s.read, OpKind::readable, nullptr, 0);
    EXPECT_TRUE(poller().submit(s.read).ok());
    char byte;
    prepare(s.read, OpKind::recv, &byte, 1);
    EXPECT_TRUE(poller().try_now(s.read).is_pending());
    prepare(s.read, OpKind::readable, nullptr, 0);
    EXPECT_TRUE(poller().submit(s.read).is_pending());
    EXPECT_EQ(wait(poller(), 0), Ops{});
    send_all(pair.theirs.get(), "ab");
    EXPECT_EQ(wait_for(poller(), 1), Ops{&s.read});
    EXPECT_EQ(s.read.result.value(), 0);
    prepare(s.read, OpKind::readable, nullptr, 0);
    EXPECT_TRUE(poller().submit(s.read).ok()) << "nothing has been taken";
    EXPECT_EQ(read_some(s, 1), "a");
    prepare(s.read, OpKind::readable, nullptr, 0);
    EXPECT_TRUE(poller().submit(s.read).ok()) << "there may be more";
    EXPECT_EQ(read_some(s, 8), "b");
}

// ---- waits for readiness, with real streams -----------------------------------------------------

TEST_P(Streams, DataBetweenTheTryAndTheRegistrationEndsAWait) {
    selector->before_add = [&] {
        send_all(pair.theirs.get(), "abc");
        await(pair.ours.get(), POLLIN);
    };
    EXPECT_TRUE(wait_ready(poller(), s.read).is_pending());
    EXPECT_EQ(wait_for(poller(), 1), Ops{&s.read});
    EXPECT_EQ(s.read.result.value(), 0);
    EXPECT_EQ(read_some(s, 100), "abc");
}

TEST_P(Streams, TheirCloseEndsAWait) {
    for (const bool registered : {false, true}) {
        Pair other = tcp() ? tcp_pair() : unix_pair();
        Socket t(other.ours.get(), tcp());
        if (registered) register_by_reading(t, other.theirs.get());
        EXPECT_TRUE(wait_ready(poller(), t.read).is_pending());
        EXPECT_EQ(wait(poller(), 0), Ops{});
        other.theirs.close();
        EXPECT_EQ(wait_for(poller(), 1), Ops{&t.read});
        EXPECT_EQ(t.read.result.value(), 0);
        EXPECT_EQ(wait_ready(poller(), t.read).value(), 0) << "and so for ever";
        EXPECT_EQ(read_some(t, 100), "");
        EXPECT_EQ(wait_ready(poller(), t.read).value(), 0) << "the end is not used up";
        EXPECT_EQ(wait_ready(poller(), t.write).value(), 0);
        poller().detach(t.source);
    }
}

TEST_P(Streams, TheirHalfCloseEndsAWaitToReadAlone) {
    fill(s);
    EXPECT_TRUE(wait_ready(poller(), s.read).is_pending());
    ASSERT_EQ(::shutdown(pair.theirs.get(), SHUT_WR), 0);
    EXPECT_EQ(wait_for(poller(), 1), Ops{&s.read});
    EXPECT_EQ(wait(poller(), 0.001), Ops{});
    std::string rest(1 << 20, '\0');
    set_nonblocking(pair.theirs.get());
    const MonotonicClock clock;
    const double limit = clock.now() + kLimit;
    Ops ops;
    while (ops.empty() && clock.now() < limit) {
        while (::recv(pair.theirs.get(), rest.data(), rest.size(), 0) > 0) {
        }
        ops = wait(poller(), 0.01);
    }
    EXPECT_EQ(ops, Ops{&s.write});
    EXPECT_EQ(s.write.result.value(), 0);
}

TEST_P(Streams, TheirCloseEndsAWaitToWrite) {
    fill(s);
    pair.theirs.close();
    EXPECT_EQ(wait_for(poller(), 1), Ops{&s.write});
    EXPECT_EQ(s.write.result.value(), 0) << "a send would tell what happened";
    EXPECT_LT(outcome(poller(), s.write, send(poller(), s.write, "x", 1)), 0);
}

TEST_P(Streams, AWaitEndsWithOurOwnShutdown) {
    EXPECT_TRUE(wait_ready(poller(), s.read).is_pending());
    ASSERT_EQ(::shutdown(pair.ours.get(), SHUT_RD), 0);
    EXPECT_EQ(wait_for(poller(), 1), Ops{&s.read});
    EXPECT_EQ(s.read.result.value(), 0);
}

// Others read the descriptor, for example a library with its own protocol.
TEST_P(Streams, AWaitSeesThatOthersHaveReadEverything) {
    char data[64];
    for (int round = 0; round < 5; ++round) {
        EXPECT_TRUE(wait_ready(poller(), s.read).is_pending());
        send_all(pair.theirs.get(), "0123456789");
        EXPECT_EQ(wait_for(poller(), 1), Ops{&s.read});
        await(pair.ours.get(), POLLIN);
        ASSERT_EQ(::recv(pair.ours.get(), data, 4, 0), 4);
        EXPECT_EQ(wait_ready(poller(), s.read).value(), 0) << "six bytes are left";
        ASSERT_EQ(::recv(pair.ours.get(), data, sizeof data, 0), 6);
    }
}

TEST_P(Streams, AnEventOfWhatOthersHaveReadMeanwhileEndsNoWait) {
    char data[64];
    EXPECT_TRUE(wait_ready(poller(), s.read).is_pending());
    for (int round = 0; round < 5; ++round) {
        send_all(pair.theirs.get(), "abc");
        await(pair.ours.get(), POLLIN);
        ASSERT_EQ(::recv(pair.ours.get(), data, sizeof data, 0), 3);
        EXPECT_EQ(wait(poller(), 0.001), Ops{});
    }
    send_all(pair.theirs.get(), "abc");
    EXPECT_EQ(wait_for(poller(), 1), Ops{&s.read});
    EXPECT_EQ(read_some(s, 100), "abc");
}

TEST_P(Streams, AWaitAndASendDoNotHinderEachOther) {
    EXPECT_TRUE(wait_ready(poller(), s.read).is_pending());
    for (int i = 0; i < 10; ++i) {
        EXPECT_EQ(wait_ready(poller(), s.write).value(), 0);
        EXPECT_EQ(outcome(poller(), s.write, send(poller(), s.write, "ping", 4)), 4);
        EXPECT_EQ(receive(pair.theirs.get(), 4), "ping");
    }
    EXPECT_EQ(wait(poller(), 0), Ops{});
    send_all(pair.theirs.get(), "x");
    EXPECT_EQ(wait_for(poller(), 1), Ops{&s.read});
}

INSTANTIATE_TEST_SUITE_P(Kinds, Streams, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Tcp" : "Unix"; });

// ---- waits on other descriptors -----------------------------------------------------------------

TEST_F(ReadinessPollerTest, AWaitOnAListenerEndsWithAConnectionAndTakesNone) {
    const Fd server = listener(10);
    const SockAddr address = local_address(server.get());
    Socket s(server.get());
    for (int round = 0; round < 3; ++round) {
        EXPECT_TRUE(wait_ready(poller(), s.read).is_pending());
        EXPECT_EQ(wait(poller(), 0), Ops{});
        std::vector<Fd> clients;
        for (int i = 0; i < 3; ++i) {
            clients.push_back(new_blocking_socket(SOCK_STREAM));
            ASSERT_EQ(::connect(clients.back().get(), raw(address), address.size), 0);
            if (i == 0) {
                EXPECT_EQ(wait_for(poller(), 1), Ops{&s.read});
            }
        }
        for (int i = 0; i < 3; ++i) {
            EXPECT_EQ(outcome(poller(), s.read, wait_ready(poller(), s.read)), 0) << i;
            prepare(s.read, OpKind::accept, nullptr, 0);
            s.read.addr = nullptr;
            EXPECT_EQ(outcome(poller(), s.read, poller().submit(s.read)), 0);
            const Fd accepted(static_cast<int>(s.read.accepted));
            EXPECT_GE(accepted.get(), 0);
        }
    }
    EXPECT_TRUE(wait_ready(poller(), s.read).is_pending());
    cancel(s.read);
    poller().detach(s.source);
}

TEST_F(ReadinessPollerTest, AWaitOnAFreshSocketIsDoneAtOnce) {
    if (!FRESH_IS_READY) GTEST_SKIP() << "none is ready here";
    const Fd fd = new_socket(AF_INET, SOCK_STREAM);
    Socket s(fd.get(), true);
    EXPECT_EQ(wait_ready(poller(), s.read).value(), 0) << "a recv would fail at once";
    EXPECT_EQ(wait_ready(poller(), s.write).value(), 0);
    poller().detach(s.source);
}

TEST_F(ReadinessPollerTest, AWaitOnAClosedDescriptorIsAnError) {
    Fd fd = new_socket(AF_INET, SOCK_STREAM);
    Socket s(fd.get());
    fd.close();
    EXPECT_EQ(wait_ready(poller(), s.read).error(), Errc::bad_descriptor);
    EXPECT_EQ(wait_ready(poller(), s.write).error(), Errc::bad_descriptor);
    poller().detach(s.source);
}

TEST_F(ReadinessPollerTest, AWaitOnPipes) {
    int fds[2];
    ASSERT_EQ(::pipe(fds), 0);
    Fd reader(fds[0]), writer(fds[1]);
    Socket r(reader.get()), w(writer.get());
    EXPECT_TRUE(wait_ready(poller(), r.read).is_pending());
    EXPECT_EQ(wait_ready(poller(), w.write).value(), 0);
    ASSERT_EQ(::write(writer.get(), "abc", 3), 3);
    EXPECT_EQ(wait_for(poller(), 1), Ops{&r.read});
    EXPECT_EQ(wait_ready(poller(), r.read).value(), 0);
    char data[8];
    ASSERT_EQ(::read(reader.get(), data, sizeof data), 3);
    EXPECT_TRUE(wait_ready(poller(), r.read).is_pending());

    set_nonblocking(writer.get());
    const std::string block(4096, 'x');
    while (::write(writer.get(), block.data(), block.size()) > 0) {
    }
    EXPECT_EQ(wait_for(poller(), 1), Ops{&r.read});
    EXPECT_TRUE(wait_ready(poller(), w.write).is_pending());
    EXPECT_EQ(wait(poller(), 0.001), Ops{});
    set_nonblocking(reader.get());
    std::string all(1 << 20, '\0');
    ASSERT_GT(::read(reader.get(), all.data(), all.size()), 0);
    EXPECT_EQ(wait_for(poller(), 1), Ops{&w.write});

    EXPECT_TRUE(wait_ready(poller(), r.read).is_pending());
    poller().detach(w.source);
    writer.close();
    EXPECT_EQ(wait_for(poller(), 1), Ops{&r.read}) << "the end is something to read";
    poller().detach(r.source);
}

TEST_F(ReadinessPollerTest, AWaitToWriteToAPipeEndsWithItsReader) {
    int fds[2];
    ASSERT_EQ(::pipe(fds), 0);
    Fd reader(fds[0]), writer(fds[1]);
    set_nonblocking(writer.get());
    Socket w(writer.get());
    const std::string block(4096, 'x');
    while (::write(writer.get(), block.data(), block.size()) > 0) {
    }
    EXPECT_TRUE(wait_ready(poller(), w.write).is_pending());
    EXPECT_EQ(wait(poller(), 0.001), Ops{});
    reader.close();
    EXPECT_EQ(wait_for(poller(), 1), Ops{&w.write});
    EXPECT_EQ(w.write.result.value(), 0);
    poller().detach(w.source);
}

TEST_F(ReadinessPollerTest, AWaitOnADatagramSocketTakesNoDatagram) {
    const Fd ours = inet_socket(SOCK_DGRAM), theirs = inet_socket(SOCK_DGRAM);
    const SockAddr here = local_address(ours.get());
    set_nonblocking(ours.get());
    Socket s(ours.get());
    for (int round = 0; round < 3; ++round) {
        EXPECT_TRUE(wait_ready(poller(), s.read).is_pending());
        // An empty datagram counts, too.
        ASSERT_EQ(::sendto(theirs.get(), "", 0, 0, raw(here), here.size), 0);
        EXPECT_EQ(wait_for(poller(), 1), Ops{&s.read});
        EXPECT_EQ(wait_ready(poller(), s.read).value(), 0);
        char data[8];
        ASSERT_EQ(::recv(ours.get(), data, sizeof data, 0), 0);
    }
    EXPECT_EQ(wait_ready(poller(), s.write).value(), 0);
    poller().detach(s.source);
}

// The caller closed it, and its number has a new owner: nothing of the old source touches the new
// one.
TEST_F(ReadinessPollerTest, ADescriptorThatWasClosedTooEarlyDoesNotHarmTheNextOfItsNumber) {
    for (const bool waits : {false, true}) {
        SCOPED_TRACE(waits);
        Pair old = unix_pair(), next = tcp_pair();
        const int number = old.ours.get();
        Socket stale(number);
        register_by_reading(stale, old.theirs.get());
        if (waits) {
            EXPECT_TRUE(wait_ready(poller(), stale.read).is_pending());
        }
        ASSERT_EQ(::dup2(next.ours.get(), number), number);
        Socket fresh(number, true);
        char data[8];
        EXPECT_TRUE(recv(poller(), fresh.read, data, sizeof data).is_pending());
        if (waits) cancel(stale.read);
        poller().detach(stale.source);
        send_all(next.theirs.get(), "abc");
        EXPECT_EQ(wait_for(poller(), 1), Ops{&fresh.read});
        EXPECT_EQ(fresh.read.result.value(), 3);
        EXPECT_TRUE(recv(poller(), fresh.read, data, sizeof data).is_pending());
        send_all(next.theirs.get(), "de");
        EXPECT_EQ(wait_for(poller(), 1), Ops{&fresh.read});
        poller().detach(fresh.source);
    }
}

// The other order: the old source is detached before the new one has to wait.
TEST_F(ReadinessPollerTest, ADescriptorThatWasClosedTooEarlyCanBeLetGoFirst) {
    Pair old = unix_pair(), next = tcp_pair();
    const int number = old.ours.get();
    Socket stale(number);
    register_by_reading(stale, old.theirs.get());
    ASSERT_EQ(::dup2(next.ours.get(), number), number);
    Socket fresh(number, true);
    poller().detach(stale.source);
    char data[8];
    EXPECT_TRUE(recv(poller(), fresh.read, data, sizeof data).is_pending());
    send_all(next.theirs.get(), "abc");
    EXPECT_EQ(wait_for(poller(), 1), Ops{&fresh.read});
    poller().detach(fresh.source);
}

// ---- waking -------------------------------------------------------------------------------------

TEST_F(ReadinessPollerTest, AWakeFromAnotherThreadEndsTheWait) {
    for (int round = 0; round < 100; ++round) {
        // Whether the wake comes before or during the wait is left to chance.
        std::thread other([&] { poller().wake(); });
        EXPECT_EQ(wait(poller(), kNever), Ops{});
        other.join();
    }
}

TEST_F(ReadinessPollerTest, ManyThreadsMayWake) {
    Pair pair = tcp_pair();
    Socket s(pair.ours.get(), true);
    std::atomic<bool> stop = false;
    std::vector<std::thread> others;
    for (int i = 0; i < 4; ++i) {
        others.emplace_back([&] {
            while (!stop) poller().wake();
        });
    }
    for (int i = 0; i < 200; ++i) {
        char byte;
        EXPECT_TRUE(recv(poller(), s.read, &byte, 1).is_pending());
        send_all(pair.theirs.get(), "x");
        EXPECT_EQ(wait_for(poller(), 1), Ops{&s.read});
    }
    stop = true;
    for (std::thread& other : others) other.join();
    wait(poller(), 0);
    EXPECT_EQ(wait(poller(), 0.001), Ops{});
    poller().detach(s.source);
}

TEST_F(ReadinessPollerTest, ASignalEndsTheWait) {
    struct sigaction action {};
    action.sa_handler = [](int) {};
    struct sigaction before {};
    ASSERT_EQ(::sigaction(SIGUSR1, &action, &before), 0);
    const pthread_t waiter = ::pthread_self();
    std::atomic<bool> returned = false;
    std::thread other([&] {
        const timespec pause{0, 1000000};
        while (!returned) {
            ::pthread_kill(waiter, SIGUSR1);
            ::nanosleep(&pause, nullptr);
        }
    });
    const MonotonicClock clock;
    const double begin = clock.now();
    EXPECT_EQ(wait(poller(), kLimit), Ops{});
    returned = true;
    other.join();
    EXPECT_LT(clock.now() - begin, kLimit);
    ASSERT_EQ(::sigaction(SIGUSR1, &before, nullptr), 0);
}

}  // namespace
}  // namespace socket2
