// Connects, including canceled ones, and accepts under a readiness poller.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/poll/readiness_poller.h"
#include "facts.h"
#include "spec/core/readiness_fixture.h"

namespace socket2 {
namespace {

// ---- connect ------------------------------------------------------------------------------------

Result connect(Poller& poller, IoOp& op, const SockAddr& to) {
    prepare(op, OpKind::connect, nullptr, 0);
    op.only = &to;
    return poller.submit(op);
}

TEST_F(ReadinessPollerTest, AConnectSucceeds) {
    const Fd server = listener(5);
    const SockAddr address = local_address(server.get());
    const Fd fd = new_socket(AF_INET, SOCK_STREAM);
    Socket s(fd.get(), true);
    EXPECT_EQ(outcome(poller(), s.write, connect(poller(), s.write, address)), 0);
    await(server.get(), POLLIN);
    const Fd peer = accept_blocking(server);
    EXPECT_EQ(outcome(poller(), s.write, send(poller(), s.write, "hi", 2)), 2);
    EXPECT_EQ(receive(peer.get(), 2), "hi");
    poller().detach(s.source);
}

// The system reports the connect and the data with one event.
TEST_F(ReadinessPollerTest, AReadThatWaitsForTheConnectHasWhatCameWithIt) {
    const Fd server = listener(5);
    const SockAddr address = local_address(server.get());
    const Fd fd = new_socket(AF_INET, SOCK_STREAM);
    Socket s(fd.get(), true);
    char data[8];
    if (!connect(poller(), s.write, address).is_pending()) GTEST_SKIP() << "it is over at once";
    EXPECT_TRUE(recv(poller(), s.read, data, sizeof data).is_pending());
    await(server.get(), POLLIN);
    const Fd peer = accept_blocking(server);
    send_all(peer.get(), "hello");
    await(fd.get(), POLLIN);
    Ops ops = wait_for(poller(), 2);
    std::sort(ops.begin(), ops.end());
    EXPECT_EQ(ops, (Ops{&s.read, &s.write}));
    EXPECT_EQ(s.write.result.value(), 0);
    EXPECT_EQ(s.read.result.value(), 5);
    poller().detach(s.source);
}

TEST_F(ReadinessPollerTest, AConnectToNobodyIsRefused) {
    Fd server = inet_socket(SOCK_STREAM);
    const SockAddr address = local_address(server.get());
    const Fd fd = new_socket(AF_INET, SOCK_STREAM);
    Socket s(fd.get(), true);
    EXPECT_EQ(outcome(poller(), s.write, connect(poller(), s.write, address)),
              static_cast<int>(Errc::connection_refused));
    poller().detach(s.source);
}

constexpr const char* kConnectsOnce = "a socket connects once here";

// Linux keeps the failure of a connect for the next one, unless it is undone.
TEST_F(ReadinessPollerTest, ARefusedConnectCanBeTriedAgain) {
    if (!CONNECTS_AGAIN) GTEST_SKIP() << kConnectsOnce;
    Fd server = inet_socket(SOCK_STREAM);
    const SockAddr address = local_address(server.get());
    const Fd fd = new_socket(AF_INET, SOCK_STREAM);
    Socket s(fd.get(), true);
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(outcome(poller(), s.write, connect(poller(), s.write, address)),
                  static_cast<int>(Errc::connection_refused));
    }
    ASSERT_EQ(::listen(server.get(), 1), 0);
    EXPECT_EQ(outcome(poller(), s.write, connect(poller(), s.write, address)), 0);
    poller().detach(s.source);
}

TEST_F(ReadinessPollerTest, AConnectThatNobodyAnswersCanBeCanceled) {
    if (!DEAF_LISTENERS) GTEST_SKIP() << "a full queue answers here";
    const Fd server = listener(0);
    const SockAddr address = local_address(server.get());
    // The system drops what does not fit in the queue, and a client waits for its answer.
    std::vector<Fd> fds;
    std::vector<std::unique_ptr<Socket>> sockets;
    for (int i = 0; i < 5; ++i) {
        fds.push_back(new_socket(AF_INET, SOCK_STREAM));
        sockets.push_back(std::make_unique<Socket>(fds.back().get(), true));
        if (connect(poller(), sockets.back()->write, address).is_pending()) continue;
    }
    size_t waiting = 0;
    wait(poller(), 0.05);
    for (const auto& s : sockets) {
        if (s->source.parked[1] == nullptr) continue;
        ++waiting;
        cancel(s->write);
        EXPECT_EQ(s->write.result.error(), Errc::canceled);
    }
    EXPECT_GT(waiting, 0u);
    for (const auto& s : sockets) poller().detach(s->source);
}

TEST_F(ReadinessPollerTest, AFullUnixListenerIsBusy) {
    if (!ABSTRACT_NAMES) GTEST_SKIP() << "no unix sockets without files here";
    const Fd server = new_socket(AF_UNIX, SOCK_STREAM);
    sockaddr_un any{};
    any.sun_family = AF_UNIX;
    ASSERT_EQ(::bind(server.get(), reinterpret_cast<sockaddr*>(&any), sizeof any.sun_family), 0);
    ASSERT_EQ(::listen(server.get(), 0), 0);
    const SockAddr address = local_address(server.get());
    std::vector<Fd> fds;
    Result r = Result::done();
    for (int i = 0; i < 5 && r.ok(); ++i) {
        fds.push_back(new_socket(AF_UNIX, SOCK_STREAM));
        Socket s(fds.back().get());
        r = connect(poller(), s.write, address);
    }
    EXPECT_EQ(r.error(), Errc::busy);
    EXPECT_EQ(r.os_code(), EAGAIN);
}

// ---- a connect that was canceled ----------------------------------------------------------------

// A listener with a full queue: the system drops what comes, and a client waits for its answer.
struct Deaf {
    Deaf() {
        for (int i = 0; i < 3; ++i) {
            clients.push_back(new_socket(AF_INET, SOCK_STREAM));
            const int r = ::connect(clients.back().get(), raw(address), address.size);
            EXPECT_TRUE(r == 0 || errno == EINPROGRESS);
        }
        await(clients.front().get(), POLLOUT);
    }

    Fd server = listener(0);
    SockAddr address = local_address(server.get());
    std::vector<Fd> clients;
};

class CanceledConnect : public ReadinessPollerTest {
   protected:
    void SetUp() override {
        if (!CONNECTS_AGAIN) GTEST_SKIP() << kConnectsOnce;
    }

    // A connect that waits, and how it ends.
    void connect_in_vain() {
        ASSERT_TRUE(connect(poller(), s.write, deaf.address).is_pending());
        EXPECT_EQ(wait(poller(), 0.001), Ops{});
        cancel(s.write);
        EXPECT_EQ(s.write.result.error(), Errc::canceled);
    }

    void connect_and_talk() {
        const SockAddr address = local_address(server.get());
        ASSERT_EQ(outcome(poller(), s.write, connect(poller(), s.write, address)), 0);
        await(server.get(), POLLIN);
        const Fd peer = accept_blocking(server);
        for (int i = 0; i < 5; ++i) {
            EXPECT_EQ(outcome(poller(), s.write, send(poller(), s.write, "ping", 4)), 4);
            EXPECT_EQ(receive(peer.get(), 4), "ping");
            std::string data(16, '\0');
            const Result r = recv(poller(), s.read, data.data(), data.size());
            EXPECT_TRUE(r.is_pending());
            send_all(peer.get(), "pong");
            EXPECT_EQ(outcome(poller(), s.read, r), 4);
            EXPECT_EQ(data.substr(0, 4), "pong");
        }
    }

    Deaf deaf;
    Fd server = listener(5);
    Fd fd = new_socket(AF_INET, SOCK_STREAM);
    Socket s{fd.get(), true};
};

TEST_F(CanceledConnect, TheSocketCanConnectElsewhere) {
    connect_in_vain();
    EXPECT_EQ(wait(poller(), 0.001), Ops{}) << "nobody waits any more";
    connect_and_talk();
    poller().detach(s.source);
}

TEST_F(CanceledConnect, LeavesNoError) {
    connect_in_vain();
    int error = -1;
    socklen_t size = sizeof error;
    ASSERT_EQ(::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size), 0);
    EXPECT_EQ(error, 0);
    poller().detach(s.source);
}

// For example an edge of an earlier connect.
TEST_F(CanceledConnect, AnEdgeWithoutAnEndLeavesItWaiting) {
    ASSERT_TRUE(connect(poller(), s.write, deaf.address).is_pending());
    EXPECT_EQ(wait(poller(), 0.001), Ops{});
    selector->made_up = {&s.source, kWritable};
    EXPECT_EQ(wait(poller(), 0), Ops{});
    cancel(s.write);
    EXPECT_EQ(s.write.result.error(), Errc::canceled);
    connect_and_talk();
    poller().detach(s.source);
}

TEST_F(CanceledConnect, TheSocketCanConnectElsewhereAtOnce) {
    connect_in_vain();
    connect_and_talk();
    poller().detach(s.source);
}

TEST_F(CanceledConnect, AgainAndAgain) {
    for (int i = 0; i < 10; ++i) connect_in_vain();
    connect_and_talk();
    poller().detach(s.source);
}

TEST_F(CanceledConnect, ThePeerNeverHearsOfIt) {
    connect_in_vain();
    connect_and_talk();
    // The connections that the full listener took are its own clients'.
    std::set<int> ports;
    for (const Fd& client : deaf.clients) {
        const SockAddr address = local_address(client.get());
        sockaddr_in name{};
        std::memcpy(&name, address.bytes, sizeof name);
        ports.insert(name.sin_port);
    }
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    const Fd first(::accept(deaf.server.get(), reinterpret_cast<sockaddr*>(&peer), &size));
    ASSERT_GE(first.get(), 0);
    EXPECT_EQ(ports.count(peer.sin_port), 1u);
    poller().detach(s.source);
}

TEST_F(CanceledConnect, ABoundSocketKeepsItsAddress) {
    // Linux gives back a port that it picked itself.
    const SockAddr bound = local_address(inet_socket(SOCK_STREAM).get());
    ASSERT_EQ(::bind(fd.get(), raw(bound), bound.size), 0);
    connect_in_vain();
    connect_and_talk();
    EXPECT_TRUE(local_address(fd.get()) == bound);
    poller().detach(s.source);
}

// The connect is canceled, but the reader goes on waiting: it sees an unconnected socket.
TEST_F(CanceledConnect, AReaderLearnsOfIt) {
    ASSERT_TRUE(connect(poller(), s.write, deaf.address).is_pending());
    EXPECT_TRUE(wait_ready(poller(), s.read).is_pending());
    EXPECT_EQ(wait(poller(), 0.001), Ops{});
    poller().cancel(s.write);
    Ops ops = wait_for(poller(), 2);
    std::sort(ops.begin(), ops.end());
    EXPECT_EQ(ops, (Ops{&s.read, &s.write}));
    EXPECT_EQ(s.read.result.value(), 0);
    char byte;
    EXPECT_TRUE(recv(poller(), s.read, &byte, 1).is_error());
    connect_and_talk();
    poller().detach(s.source);
}

// ---- accept -------------------------------------------------------------------------------------

Result accept(Poller& poller, IoOp& op, SockAddr* peer) {
    prepare(op, OpKind::accept, nullptr, 0);
    op.addr = peer;
    op.accepted = kNoDescriptor;
    return poller.submit(op);
}

TEST_F(ReadinessPollerTest, OneEventOfAListenerServesManyAccepts) {
    constexpr size_t kClients = 50;
    const Fd server = listener(kClients);
    const SockAddr address = local_address(server.get());
    Socket s(server.get());
    SockAddr peer{};
    EXPECT_TRUE(accept(poller(), s.read, &peer).is_pending());
    std::vector<Fd> clients;
    std::set<std::string> names, accepted_names;
    const auto name = [](const SockAddr& a) {
        return std::string(reinterpret_cast<const char*>(a.bytes), a.size);
    };
    for (size_t i = 0; i < kClients; ++i) {
        clients.push_back(new_blocking_socket(SOCK_STREAM));
        ASSERT_EQ(::connect(clients.back().get(), raw(address), address.size), 0);
        names.insert(name(local_address(clients.back().get())));
    }
    std::vector<Fd> accepted;
    EXPECT_EQ(wait_for(poller(), 1), Ops{&s.read});
    for (;;) {
        EXPECT_TRUE(s.read.result.ok());
        accepted.emplace_back(static_cast<int>(s.read.accepted));
        const int fd = accepted.back().get();
        EXPECT_NE(::fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
        EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
        accepted_names.insert(name(peer));
        if (accepted.size() == kClients) break;
        EXPECT_EQ(outcome(poller(), s.read, accept(poller(), s.read, &peer)), 0);
        s.read.result = Result::done();
    }
    EXPECT_EQ(accepted_names, names);
    EXPECT_TRUE(accept(poller(), s.read, nullptr).is_pending());
    cancel(s.read);
    poller().detach(s.source);
}

TEST_F(ReadinessPollerTest, AnAcceptOnWhatDoesNotListenIsAnError) {
    const Fd fd = inet_socket(SOCK_STREAM);
    set_nonblocking(fd.get());
    Socket s(fd.get());
    EXPECT_EQ(accept(poller(), s.read, nullptr).error(), Errc::not_listening);
}

TEST_F(ReadinessPollerTest, AnAcceptWithoutDescriptorsLosesNoConnection) {
    if (!ACCEPT_LOSES_NONE) GTEST_SKIP() << "the connection is lost here";
    const Fd server = listener(5);
    const SockAddr address = local_address(server.get());
    Socket s(server.get());
    // First once while there are descriptors, because the sanitizers need some when they first see
    // a class.
    EXPECT_TRUE(accept(poller(), s.read, nullptr).is_pending());
    cancel(s.read);
    const Fd client = new_blocking_socket(SOCK_STREAM);
    ASSERT_EQ(::connect(client.get(), raw(address), address.size), 0);
    await(server.get(), POLLIN);
    EXPECT_EQ(wait(poller(), kLimit), Ops{});

    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const Fd highest(::dup(0));
    rlimit tight = before;
    tight.rlim_cur = static_cast<rlim_t>(highest.get());
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
    const Result r = accept(poller(), s.read, nullptr);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    EXPECT_EQ(r.error(), Errc::too_many_open_files);
    EXPECT_EQ(r.os_code(), EMFILE);

    EXPECT_EQ(accept(poller(), s.read, nullptr).value(), 0);
    const Fd accepted(static_cast<int>(s.read.accepted));
    EXPECT_GE(accepted.get(), 0);
    poller().detach(s.source);
}

}  // namespace
}  // namespace socket2
