// What a completion port has to get right besides the contract, with real sockets.
#include "core/poll/iocp/iocp_poller.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "spec/core/iocp_fixture.h"

namespace socket2 {
namespace {

TEST_F(IocpPollerTest, DataAndTheEndAtOnceAreBothSeen) {
    for (const bool early : {false, true}) {
        for (const size_t chunk : {1u, 3u, 10u, 100u}) {
            Pair pair = tcp_pair();
            Source s(pair.ours);
            std::string first(chunk, '\0');
            Result r = Result::done();
            if (early) r = recv(poller(), s.read, first.data(), chunk);
            send_all(pair.theirs, "0123456789");
            pair.theirs.close();
            if (early) {
                const int n = outcome(poller(), s.read, r);
                ASSERT_GT(n, 0);
                first.resize(static_cast<size_t>(n));
            }
            EXPECT_EQ((early ? first : "") + read_to_end(s, chunk), "0123456789");
            EXPECT_EQ(read_to_end(s, chunk), "") << "and stays so";
            poller().detach(s.source);
        }
    }
}

TEST_F(IocpPollerTest, AfterTheirHalfCloseWeCanStillSend) {
    Pair pair = tcp_pair();
    Source s(pair.ours);
    send_all(pair.theirs, "last");
    ASSERT_EQ(::shutdown(pair.theirs.raw(), SD_SEND), 0);
    EXPECT_EQ(read_to_end(s, 16), "last");
    EXPECT_EQ(outcome(poller(), s.write, send(poller(), s.write, "answer", 6)), 6);
    EXPECT_EQ(receive(pair.theirs, 6), "answer");
    poller().detach(s.source);
}

TEST_F(IocpPollerTest, AResetIsAnError) {
    for (const bool foreign : {false, true}) {
        Pair pair = tcp_pair();
        Source s(pair.ours);
        s.source.foreign = foreign;
        char data[8];
        const Result r = recv(poller(), s.read, data, sizeof data);
        reset(pair.theirs);
        EXPECT_EQ(outcome(poller(), s.read, r), static_cast<int>(Errc::connection_reset))
            << foreign;
        poller().detach(s.source);
    }
}

TEST_F(IocpPollerTest, AResetThatAWaitSawIsAnErrorOfTheNextRead) {
    for (const bool foreign : {false, true}) {
        Pair pair = tcp_pair();
        Source s(pair.ours);
        s.source.foreign = foreign;
        prepare(s.read, OpKind::wait, nullptr, 0);
        const Result waiting = poller().submit(s.read);
        reset(pair.theirs);
        EXPECT_EQ(outcome(poller(), s.read, waiting), 0);
        char data[8];
        const Result r = recv(poller(), s.read, data, sizeof data);
        EXPECT_EQ(outcome(poller(), s.read, r), static_cast<int>(Errc::connection_reset))
            << foreign;
        poller().detach(s.source);
    }
}

TEST_F(IocpPollerTest, OurOwnShutdownEndsARead) {
    for (const bool foreign : {false, true}) {
        Pair pair = tcp_pair();
        Source s(pair.ours);
        s.source.foreign = foreign;
        char data[8];
        const Result r = recv(poller(), s.read, data, sizeof data);
        EXPECT_TRUE(r.is_pending());
        ASSERT_TRUE(sys::shutdown(s.source.fd, kReadable).ok());
        poller().shut(s.source, kReadable);
        EXPECT_EQ(outcome(poller(), s.read, r), 0) << foreign;
        poller().detach(s.source);
    }
}

TEST_F(IocpPollerTest, OurOwnShutdownEndsAWait) {
    Pair pair = tcp_pair();
    Source s(pair.ours);
    prepare(s.read, OpKind::wait, nullptr, 0);
    const Result r = poller().submit(s.read);
    EXPECT_TRUE(r.is_pending());
    ASSERT_TRUE(sys::shutdown(s.source.fd, kReadable).ok());
    poller().shut(s.source, kReadable);
    EXPECT_EQ(outcome(poller(), s.read, r), 0);
    poller().detach(s.source);
}

// Even if its number belongs to another socket by then.
TEST_F(IocpPollerTest, AWaitOnASocketThatOthersClosedEndsAndSaysSo) {
    for (const OpKind kind : {OpKind::wait, OpKind::recv}) {
        Pair pair = tcp_pair();
        const Descriptor number = pair.ours.get();
        Source s(pair.ours);
        s.source.foreign = true;
        char data[8];
        prepare(s.read, kind, data, sizeof data);
        const Result r = poller().submit(s.read);
        EXPECT_TRUE(r.is_pending());
        pair.ours.close();
        std::vector<Fd> others;
        do {
            others.emplace_back(::socket(AF_INET, SOCK_STREAM, 0));
        } while (others.back().get() != number && others.size() < 100);
        EXPECT_EQ(outcome(poller(), s.read, r), static_cast<int>(Errc::bad_descriptor));
        poller().detach(s.source);
    }
}

TEST_F(IocpPollerTest, ALongSendCompletesWhenAllIsWritten) {
    Pair pair = tcp_pair();
    Source s(pair.ours);
    std::string data(size_t{8} << 20, '\0');
    for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * 31 + i / 251);
    std::string received;
    std::thread other([&] { received = receive(pair.theirs, data.size()); });
    EXPECT_EQ(outcome(poller(), s.write, send(poller(), s.write, data.data(), data.size())),
              static_cast<int>(data.size()));
    other.join();
    EXPECT_TRUE(received == data);
    poller().detach(s.source);
}

TEST_F(IocpPollerTest, ACanceledSendTellsHowFarItCame) {
    Pair pair = tcp_pair();
    Source s(pair.ours);
    const std::string data(size_t{32} << 20, 'x');
    EXPECT_TRUE(send(poller(), s.write, data.data(), data.size()).is_pending());
    size_t before = 0;
    do {
        before = s.write.done;
        EXPECT_EQ(wait(poller(), 0.05), Ops{});
    } while (s.write.done != before);
    EXPECT_EQ(cancel(s.write), kCanceled);
    const size_t done = s.write.done;
    EXPECT_GT(done, 0u);
    EXPECT_LT(done, data.size());
    poller().detach(s.source);
    pair.ours.close();
    std::string all(data.size(), '\0');
    size_t got = 0;
    for (int n = 1; n > 0;) {
        n = ::recv(pair.theirs.raw(), all.data(), 1 << 20, 0);
        if (n > 0) got += static_cast<size_t>(n);
    }
    EXPECT_EQ(got, done);
}

TEST_F(IocpPollerTest, ConnectionsAreAcceptedWithTheirPeers) {
    const Fd server = listener(10);
    Source s(server);
    for (int i = 0; i < 20; ++i) {
        Fd client;
        Result r = Result::done();
        const bool early = i % 2 == 0;
        if (early) r = accept(s);
        client = connect_to(local_address(server));
        if (!early) r = accept(s);
        ASSERT_EQ(outcome(poller(), s.read, r), 0);
        const Fd accepted = take(s);
        EXPECT_EQ(peer, local_address(client));
        EXPECT_EQ(local_address(accepted), local_address(server));
        // It behaves like a socket from accept(): it knows its peer, can be shut down, and does not
        // block.
        SockAddr remote{};
        EXPECT_TRUE(sys::remote_address(accepted.get(), remote).ok());
        char byte;
        EXPECT_TRUE(sys::recv(accepted.get(), &byte, 1).is_pending());
        EXPECT_EQ(::shutdown(accepted.raw(), SD_SEND), 0);
        EXPECT_EQ(::recv(client.raw(), &byte, 1, 0), 0);
    }
    poller().detach(s.source);
}

TEST_F(IocpPollerTest, ACanceledAcceptLosesNoConnection) {
    const Fd server = listener(10);
    Source s(server);
    for (int i = 0; i < 20; ++i) {
        ASSERT_TRUE(accept(s).is_pending());
        Fd client;
        if (i % 2 == 0) client = connect_to(local_address(server));
        int r = cancel(s.read);
        if (i % 2 != 0) {
            EXPECT_EQ(r, kCanceled);
            client = connect_to(local_address(server));
        }
        if (r == kCanceled) r = outcome(poller(), s.read, accept(s));
        ASSERT_EQ(r, 0);
        const Fd accepted = take(s);
        EXPECT_EQ(peer, local_address(client));
    }
    poller().detach(s.source);
}

TEST_F(IocpPollerTest, AnAcceptOnWhatDoesNotListenIsAnError) {
    const Fd fd = inet_socket(SOCK_STREAM);
    Source s(fd);
    EXPECT_EQ(accept(s).error(), Errc::not_listening);
    poller().detach(s.source);
}

TEST_F(IocpPollerTest, AWaitOnAListenerTakesNoConnection) {
    const Fd server = listener(10);
    Source s(server);
    EXPECT_TRUE(wait_ready(poller(), s.read).is_pending());
    const Fd client = connect_to(local_address(server));
    EXPECT_EQ(wait_for(poller(), 1), Ops{&s.read});
    EXPECT_EQ(s.read.result.value(), 0);
    EXPECT_EQ(outcome(poller(), s.read, wait_ready(poller(), s.read)), 0);
    EXPECT_EQ(outcome(poller(), s.read, accept(s)), 0);
    take(s);
    poller().detach(s.source);
}

TEST_F(IocpPollerTest, AConnectSucceeds) {
    const Fd server = listener(1);
    for (const bool bound : {false, true}) {
        const Fd client = bound ? inet_socket(SOCK_STREAM) : Fd(::socket(AF_INET, SOCK_STREAM, 0));
        Source s(client);
        EXPECT_EQ(outcome(poller(), s.write, connect(s, local_address(server))), 0);
        SockAddr remote{};
        EXPECT_TRUE(sys::remote_address(client.get(), remote).ok());
        EXPECT_EQ(remote, local_address(server));
        EXPECT_EQ(::shutdown(client.raw(), SD_SEND), 0);
        poller().detach(s.source);
    }
}

TEST_F(IocpPollerTest, AConnectToNobodyIsRefused) {
    Fd nobody = inet_socket(SOCK_STREAM);
    const SockAddr address = local_address(nobody);
    nobody.close();
    const Fd client(::socket(AF_INET, SOCK_STREAM, 0));
    Source s(client);
    EXPECT_EQ(outcome(poller(), s.write, connect(s, address)),
              static_cast<int>(Errc::connection_refused));
    poller().detach(s.source);
}

TEST_F(IocpPollerTest, AConnectThatIsTriedTellsItsEndOnce) {
    const Fd ours(windows::socket_of(sys::open_socket(AF_INET, SOCK_STREAM, 0).value()));
    Fd nobody = listener(1);
    const SockAddr to = local_address(nobody);
    nobody.close();
    Source s(ours);
    const auto tried = [&](const SockAddr& address) {
        prepare(s.write, OpKind::connect, nullptr, 0);
        target = address;
        s.write.only = &target;
        const MonotonicClock clock;
        const double limit = clock.now() + kLimit;
        Result r = poller().try_now(s.write);
        while ((r.is_pending() || r.error() == Errc::busy) && clock.now() < limit) {
            wait(poller(), 0.01);
            r = poller().try_now(s.write);
        }
        return r;
    };
    EXPECT_EQ(tried(to).error(), Errc::connection_refused);
    // The error may have been asked for elsewhere.
    prepare(s.write, OpKind::connect, nullptr, 0);
    EXPECT_TRUE(poller().try_now(s.write).is_pending());
    EXPECT_TRUE(shows(ours, POLLWRNORM, kLimitMs));
    EXPECT_LT(sys::connect_result(s.source.fd).value(), 0);
    EXPECT_EQ(tried(to).error(), Errc::connection_refused);
    const Fd server = listener(1);
    EXPECT_TRUE(tried(local_address(server)).ok());
    poller().detach(s.source);
}

TEST_F(IocpPollerTest, AReadBesideAConnectWaitsForIt) {
    for (const bool refused : {false, true}) {
        Fd server = listener(1);
        const SockAddr to = local_address(server);
        if (refused) server.close();
        const Fd ours(windows::socket_of(sys::open_socket(AF_INET, SOCK_STREAM, 0).value()));
        Source s(ours);
        const Result connecting = connect(s, to);
        char data[8];
        const Result reading = recv(poller(), s.read, data, sizeof data);
        EXPECT_TRUE(reading.is_pending());
        if (refused) {
            wait_for(poller(), connecting.is_pending() ? 2 : 1);
            EXPECT_EQ(s.write.result.error(), Errc::connection_refused);
            EXPECT_TRUE(s.read.result.is_error());
        } else {
            EXPECT_EQ(outcome(poller(), s.write, connecting), 0);
            await(server, POLLRDNORM);
            const Fd theirs(::accept(server.raw(), nullptr, nullptr));
            send_all(theirs, "hello");
            EXPECT_EQ(outcome(poller(), s.read, reading), 5);
        }
        poller().detach(s.source);
    }
}

// A connection belongs to the loop that reads it, not to the loop that has accepted it.
TEST_F(IocpPollerTest, AConnectionThatIsHandedOnUnreadTakesOperationsOfItsNextLoop) {
    Pair pair = tcp_pair();
    Source first(pair.ours);
    EXPECT_TRUE(poller().attach(first.source).ok());
    poller().detach(first.source);
    const auto group = make_group();
    EXPECT_TRUE(group->add(pair.ours.get()));
}

TEST_F(IocpPollerTest, DatagramsComeOneAtATimeWithTheirSender) {
    const Fd ours = inet_socket(SOCK_DGRAM), theirs = inet_socket(SOCK_DGRAM);
    Source s(ours), t(theirs);
    const SockAddr to = local_address(ours);
    char data[4] = {};
    for (const bool early : {false, true}) {
        for (const std::string_view text : {"ab", "abcdef", ""}) {
            Result r = Result::done();
            if (early) r = recv_from(s, nullptr, data, sizeof data);
            prepare(t.write, OpKind::send_to, const_cast<char*>(text.data()), text.size());
            t.write.only = &to;
            EXPECT_EQ(outcome(poller(), t.write, poller().submit(t.write)),
                      static_cast<int>(text.size()));
            if (!early) r = recv_from(s, nullptr, data, sizeof data);
            const int n = outcome(poller(), s.read, r);
            EXPECT_EQ(std::string_view(data, static_cast<size_t>(n)), text.substr(0, 4));
            EXPECT_EQ(s.read.truncated, text.size() > 4);
            EXPECT_EQ(peer, local_address(theirs));
        }
    }
    poller().detach(s.source);
    poller().detach(t.source);
}

TEST_F(IocpPollerTest, StrangersAreDropped) {
    const Fd ours = inet_socket(SOCK_DGRAM), friend_fd = inet_socket(SOCK_DGRAM),
             stranger = inet_socket(SOCK_DGRAM);
    Source s(ours);
    const SockAddr to = local_address(ours), only = local_address(friend_fd);
    const auto send_from = [&](const Fd& fd, const char* text) {
        ::sendto(fd.raw(), text, 1, 0, windows::in(to), static_cast<int>(to.size));
    };
    char data[4] = {};
    for (int i = 0; i < 200; ++i) send_from(stranger, "s");
    const Result r = recv_from(s, &only, data, sizeof data);
    EXPECT_TRUE(r.is_pending());
    send_from(friend_fd, "f");
    EXPECT_EQ(outcome(poller(), s.read, r), 1);
    EXPECT_EQ(data[0], 'f');
    EXPECT_TRUE(recv_from(s, &only, data, sizeof data).is_pending());
    send_from(stranger, "s");
    EXPECT_EQ(wait(poller(), 0.02), Ops{});
    EXPECT_EQ(cancel(s.read), kCanceled);
    poller().detach(s.source);
}

TEST_F(IocpPollerTest, NobodyAtTheOtherPortEndsNoReceive) {
    const Fd ours(windows::socket_of(sys::open_socket(AF_INET, SOCK_DGRAM, 0).value()));
    Fd nobody = inet_socket(SOCK_DGRAM);
    const SockAddr to = local_address(nobody);
    nobody.close();
    ASSERT_EQ(::sendto(ours.raw(), "x", 1, 0, windows::in(to), static_cast<int>(to.size)), 1);
    Source s(ours);
    char data[4];
    EXPECT_TRUE(recv_from(s, nullptr, data, sizeof data).is_pending());
    EXPECT_EQ(wait(poller(), 0.05), Ops{});
    EXPECT_EQ(cancel(s.read), kCanceled);
    poller().detach(s.source);
}

TEST_F(IocpPollerTest, ATryEndsALaterWait) {
    const Pair pair = tcp_pair();
    Source s(pair.ours);
    char data[8];
    prepare(s.read, OpKind::recv, data, sizeof data);
    for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(poller().try_now(s.read).is_pending());
        EXPECT_TRUE(poller().try_now(s.read).is_pending());
        send_all(pair.theirs, "abc");
        EXPECT_EQ(wait(poller(), kLimit), Ops{});
        EXPECT_EQ(poller().try_now(s.read).value(), 3);
    }
    poller().detach(s.source);
}

TEST_F(IocpPollerTest, WhatIsStillWatchedGoesWithItsPoller) {
    const Pair pair = tcp_pair();
    Source s(pair.ours);
    char data[8];
    prepare(s.read, OpKind::recv, data, sizeof data);
    EXPECT_TRUE(poller().try_now(s.read).is_pending());
    owner.reset();
}

TEST_F(IocpPollerTest, AWakeFromAnotherThreadEndsTheWait) {
    for (int i = 0; i < 20; ++i) {
        std::thread other([&] { poller().wake(); });
        EXPECT_EQ(wait(poller(), kNever), Ops{});
        other.join();
    }
}

TEST_F(IocpPollerTest, ManyThreadsMayWake) {
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            for (int n = 0; n < 200; ++n) poller().wake();
        });
    }
    for (std::thread& t : threads) t.join();
    EXPECT_EQ(wait(poller(), kNever), Ops{});
    const MonotonicClock clock;
    const double begin = clock.now();
    EXPECT_EQ(wait(poller(), 0.01), Ops{});
    EXPECT_GE(clock.now() - begin, 0.01 - 1e-9) << "one packet for all";
}

}  // namespace
}  // namespace socket2
