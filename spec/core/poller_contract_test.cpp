// The contract with this system's selectors, then what readiness pollers have to get right beyond it, with real sockets.
#include "spec/core/poller_contract.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <numeric>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "core/base/clock.h"
#include "core/poll/readiness_poller.h"
#include "core/sys/posix/socket_calls.h"
#include "core/sys/socket.h"
#include "facts.h"
#include "spec/core/selectors.h"

namespace socket2 {
namespace {

constexpr int kLimitMs = 20000;

// ---- real descriptors ---------------------------------------------------------------------------

class Fd {
   public:
    Fd() = default;
    explicit Fd(int fd) : fd_(fd) {}
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd& operator=(Fd&& other) noexcept {
        close();
        fd_ = std::exchange(other.fd_, -1);
        return *this;
    }
    ~Fd() { close(); }

    int get() const { return fd_; }
    void close() {
        if (fd_ >= 0) ::close(fd_);
        fd_ = -1;
    }

   private:
    int fd_ = -1;
};

void set_nonblocking(int fd) {
    ASSERT_EQ(::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK), 0);
}

void set_blocking(int fd) {
    ASSERT_EQ(::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_NONBLOCK), 0);
}

Fd new_socket(int family, int type) { return Fd(posix::new_socket(family, type, 0)); }

Fd new_blocking_socket(int type) {
    Fd fd = new_socket(AF_INET, type);
    set_blocking(fd.get());
    return fd;
}

// Until the system shows one of the events on the descriptor: even a loopback can take its time.
// Takes no edge away from an epoll.
void await(int fd, short events) {
    pollfd entry{fd, events, 0};
    ASSERT_EQ(::poll(&entry, 1, kLimitMs), 1) << "no event " << events;
}

SockAddr local_address(int fd) {
    SockAddr address{};
    socklen_t size = SockAddr::kCapacity;
    EXPECT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(address.bytes), &size), 0);
    address.size = size;
    return address;
}

const sockaddr* raw(const SockAddr& address) {
    return reinterpret_cast<const sockaddr*>(address.bytes);
}

// Bound to a port of 127.0.0.1 that the system picks.
Fd inet_socket(int type) {
    Fd fd = new_blocking_socket(type);
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&any), sizeof any), 0);
    return fd;
}

Fd listener(int backlog) {
    Fd fd = inet_socket(SOCK_STREAM);
    EXPECT_EQ(::listen(fd.get(), backlog), 0);
    set_nonblocking(fd.get());
    return fd;
}

Fd accept_one(const Fd& server) {
    SockAddr peer{};
    socklen_t size = SockAddr::kCapacity;
    return Fd(posix::new_accepted(server.get(), reinterpret_cast<sockaddr*>(peer.bytes), &size));
}

Fd accept_blocking(const Fd& server) {
    Fd fd = accept_one(server);
    set_blocking(fd.get());
    return fd;
}

struct Pair {
    Fd ours;    // non-blocking
    Fd theirs;  // blocking
};

Pair tcp_pair() {
    const Fd server = inet_socket(SOCK_STREAM);
    EXPECT_EQ(::listen(server.get(), 1), 0);
    const SockAddr address = local_address(server.get());
    Pair pair;
    pair.theirs = new_blocking_socket(SOCK_STREAM);
    EXPECT_EQ(::connect(pair.theirs.get(), raw(address), address.size), 0);
    pair.ours = accept_one(server);
    return pair;
}

Pair unix_pair() {
    int fds[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    for (const int fd : fds) EXPECT_EQ(posix::make_quiet(fd), 0);
    Pair pair{Fd(fds[0]), Fd(fds[1])};
    set_nonblocking(pair.ours.get());
    return pair;
}

void send_all(int fd, std::string_view data) {
    while (!data.empty()) {
        const ssize_t n = ::send(fd, data.data(), data.size(), posix::kSendFlags);
        ASSERT_GT(n, 0);
        data.remove_prefix(static_cast<size_t>(n));
    }
}

std::string receive(int fd, size_t size) {
    std::string data(size, '\0');
    size_t done = 0;
    while (done < size) {
        const ssize_t n = ::recv(fd, data.data() + done, size - done, 0);
        EXPECT_GT(n, 0);
        if (n <= 0) break;
        done += static_cast<size_t>(n);
    }
    data.resize(done);
    return data;
}

// ---- worlds of sockets ---------------------------------------------------------------------------

class SocketChannel final : public Channel {
   public:
    SocketChannel(Pair pair, bool short_read_drains) : pair_(std::move(pair)) {
        source.fd = pair_.ours.get();
        source.short_read_drains = short_read_drains;
    }

    void feed(std::string_view data) override {
        send_all(pair_.theirs.get(), data);
        await(pair_.ours.get(), POLLIN);
    }
    void fill(Poller& poller) override {
        const std::string block(1 << 16, 'x');
        while (send(poller, write, block.data(), block.size()).ok()) {
        }
        // The last one hangs: take it back, so that the side is free.
        poller.cancel(write);
        EXPECT_EQ(wait_for(poller, 1), Ops{&write});
    }
    void release() override {
        set_nonblocking(pair_.theirs.get());
        char data[1 << 16];
        for (;;) {
            pollfd entry{pair_.theirs.get(), POLLIN, 0};
            constexpr int kQuiet = 20;  // the sender's system may still be handing over
            if (::poll(&entry, 1, kQuiet) == 0) return;
            while (::recv(pair_.theirs.get(), data, sizeof data, 0) > 0) {
            }
        }
    }
    void close() override { pair_.ours.close(); }

   private:
    Pair pair_;
};

class SocketWorld final : public World {
   public:
    SocketWorld(const SelectorKind& kind, bool tcp) : tcp_(tcp), poller_(kind.make()) {}

    Poller& poller() override { return poller_; }
    double now() const override { return clock_.now(); }
    std::unique_ptr<Channel> channel() override {
        return std::make_unique<SocketChannel>(tcp_ ? tcp_pair() : unix_pair(), tcp_);
    }

   private:
    const bool tcp_;
    MonotonicClock clock_;
    ReadinessPoller poller_;
};

std::vector<Implementation> implementations() {
    std::vector<Implementation> all{{"Fake", [] { return std::make_unique<FakeWorld>(); }}};
    for (const SelectorKind& kind : selector_kinds()) {
        for (const bool tcp : {true, false}) {
            all.push_back({kind.name + std::string(tcp ? "Tcp" : "Unix"),
                           [kind, tcp] { return std::make_unique<SocketWorld>(kind, tcp); }});
        }
    }
    return all;
}

INSTANTIATE_TEST_SUITE_P(Implementations, PollerContract, ::testing::ValuesIn(implementations()),
                         [](const auto& info) { return info.param.name; });

// ---- readiness, with real sockets ---------------------------------------------------------------

// A selector that lets something happen between the failed try and the registration, and that can be told
// to fail and to tell what is not so.
class MeddlingSelector final : public Selector {
   public:
    Result add(IoSource& source) override {
        if (before_add) std::exchange(before_add, nullptr)();
        return add_fails.is_error() ? add_fails : inner_->add(source);
    }
    void remove(IoSource& source) override { inner_->remove(source); }
    Result wait(double seconds, Event* events, int capacity) override {
        ++waits;
        if (made_up.source == nullptr) return inner_->wait(seconds, events, capacity);
        events[0] = std::exchange(made_up, {});
        return Result::of(1);
    }
    void wake() const override { inner_->wake(); }
    IoSource* forget_one() override { return inner_->forget_one(); }

    std::function<void()> before_add;
    Result add_fails = Result::done();
    Event made_up{};
    int waits = 0;

   private:
    std::unique_ptr<Selector> inner_ = selector_kinds().front().make();
};

struct Socket {
    explicit Socket(int fd, bool short_read_drains = false) {
        source.fd = fd;
        source.short_read_drains = short_read_drains;
    }
    Owner owner;
    IoSource source;
    IoOp read{owner, source, Side::read};
    IoOp write{owner, source, Side::write};
};

class ReadinessPollerTest : public ::testing::Test {
   protected:
    ReadinessPollerTest() {
        auto owned = std::make_unique<MeddlingSelector>();
        selector = owned.get();
        owner = std::make_unique<ReadinessPoller>(std::move(owned));
    }

    ReadinessPoller& poller() { return *owner; }

    // One read that waits, so that the source is registered.
    void register_by_reading(Socket& s, int theirs) {
        char byte;
        ASSERT_TRUE(recv(poller(), s.read, &byte, 1).is_pending());
        send_all(theirs, "!");
        EXPECT_EQ(wait_for(poller(), 1), Ops{&s.read});
        EXPECT_TRUE(s.source.registered);
    }

    std::string read_some(Socket& s, size_t size) {
        std::string data(size, '\0');
        const int n = outcome(poller(), s.read, recv(poller(), s.read, data.data(), size));
        EXPECT_GE(n, 0) << error_word(n);
        data.resize(static_cast<size_t>(std::max(n, 0)));
        return data;
    }

    std::string read_to_end(Socket& s, size_t chunk) {
        std::string all;
        for (;;) {
            const std::string some = read_some(s, chunk);
            if (some.empty()) return all;
            all += some;
        }
    }

    void cancel(IoOp& op) {
        poller().cancel(op);
        EXPECT_EQ(wait_for(poller(), 1), Ops{&op});
    }

    MeddlingSelector* selector;
    std::unique_ptr<ReadinessPoller> owner;
};

class Streams : public ReadinessPollerTest, public ::testing::WithParamInterface<bool> {
   protected:
    bool tcp() const { return GetParam(); }
    Pair pair = tcp() ? tcp_pair() : unix_pair();
    Socket s{pair.ours.get(), tcp()};

    void TearDown() override { poller().detach(s.source); }

    // Sends what the systems between us and them take, and leaves a wait for more room.
    void fill(Socket& t) {
        const std::string data(size_t{16} << 20, 'x');
        const MonotonicClock clock;
        const double limit = clock.now() + kLimit;
        while (clock.now() < limit) {
            EXPECT_TRUE(send(poller(), t.write, data.data(), data.size()).is_pending());
            size_t before = 0;
            do {
                before = t.write.done;
                EXPECT_EQ(wait(poller(), 0.02), Ops{});
            } while (t.write.done != before);
            cancel(t.write);
            const Result r = wait_ready(poller(), t.write);
            if (r.is_pending() && wait(poller(), 0.02).empty()) return;
        }
        ADD_FAILURE() << "there is always room";
    }
};

TEST_P(Streams, DataBetweenTheTryAndTheRegistrationIsSeen) {
    selector->before_add = [&] {
        send_all(pair.theirs.get(), "abc");
        await(pair.ours.get(), POLLIN);
    };
    char data[8];
    EXPECT_TRUE(recv(poller(), s.read, data, sizeof data).is_pending());
    EXPECT_EQ(wait_for(poller(), 1), Ops{&s.read});
    EXPECT_EQ(s.read.result.value(), 3);
}

TEST_P(Streams, TheEndBetweenTheTryAndTheRegistrationIsSeen) {
    selector->before_add = [&] {
        pair.theirs.close();
        await(pair.ours.get(), POLLIN);
    };
    char data[8];
    EXPECT_TRUE(recv(poller(), s.read, data, sizeof data).is_pending());
    EXPECT_EQ(wait_for(poller(), 1), Ops{&s.read});
    EXPECT_EQ(s.read.result.value(), 0);
}

TEST_P(Streams, MoreDataAfterAShortReadIsSeen) {
    for (const bool registered : {false, true}) {
        if (registered) register_by_reading(s, pair.theirs.get());
        for (int i = 0; i < 20; ++i) {
            send_all(pair.theirs.get(), "0123456789");
            EXPECT_EQ(read_some(s, 100), "0123456789");
            // The short read said "drained", and only then more comes.
            send_all(pair.theirs.get(), "abcde");
            await(pair.ours.get(), POLLIN);
            EXPECT_EQ(read_some(s, 100), "abcde");
        }
    }
}

TEST_P(Streams, TheEndAfterAShortReadIsSeen) {
    for (const bool registered : {false, true}) {
        SCOPED_TRACE(registered);
        Pair other = tcp() ? tcp_pair() : unix_pair();
        Socket t(other.ours.get(), tcp());
        if (registered) register_by_reading(t, other.theirs.get());
        send_all(other.theirs.get(), "abc");
        await(other.ours.get(), POLLIN);
        EXPECT_EQ(read_some(t, 100), "abc");
        other.theirs.close();
        EXPECT_EQ(read_some(t, 100), "");
        EXPECT_EQ(read_some(t, 100), "") << "and stays so";
        poller().detach(t.source);
    }
}

TEST_P(Streams, DataAndTheEndAtOnceAreBothSeen) {
    for (const bool registered : {false, true}) {
        for (const bool parked : {false, true}) {
            for (const size_t chunk : {1u, 3u, 10u, 100u}) {
                SCOPED_TRACE(::testing::Message() << registered << parked << chunk);
                Pair other = tcp() ? tcp_pair() : unix_pair();
                Socket t(other.ours.get(), tcp());
                if (registered) register_by_reading(t, other.theirs.get());
                std::string first(chunk, '\0');
                std::string all;
                if (parked) {
                    EXPECT_TRUE(recv(poller(), t.read, first.data(), chunk).is_pending());
                }
                send_all(other.theirs.get(), "0123456789");
                other.theirs.close();
                await(other.ours.get(), POLL_END);
                if (parked) {
                    EXPECT_EQ(wait_for(poller(), 1), Ops{&t.read});
                    ASSERT_GT(t.read.result.value(), 0);
                    all = first.substr(0, static_cast<size_t>(t.read.result.value()));
                }
                all += read_to_end(t, chunk);
                EXPECT_EQ(all, "0123456789");
                poller().detach(t.source);
            }
        }
    }
}

TEST_P(Streams, AfterTheirHalfCloseWeCanStillSend) {
    register_by_reading(s, pair.theirs.get());
    send_all(pair.theirs.get(), "last");
    ASSERT_EQ(::shutdown(pair.theirs.get(), SHUT_WR), 0);
    EXPECT_EQ(read_to_end(s, 16), "last");
    EXPECT_EQ(outcome(poller(), s.write, send(poller(), s.write, "answer", 6)), 6);
    EXPECT_EQ(receive(pair.theirs.get(), 6), "answer");
}

TEST_P(Streams, AParkedReadEndsWithOurOwnShutdown) {
    char data[8];
    EXPECT_TRUE(recv(poller(), s.read, data, sizeof data).is_pending());
    ASSERT_EQ(::shutdown(pair.ours.get(), SHUT_RD), 0);
    EXPECT_EQ(wait_for(poller(), 1), Ops{&s.read});
    EXPECT_EQ(s.read.result.value(), 0);
}

TEST_P(Streams, SendingToAClosedPeerIsABrokenPipeWithoutASignal) {
    pair.theirs.close();
    await(pair.ours.get(), POLL_END);
    // The first bytes provoke TCP's reset.
    const MonotonicClock clock;
    const double limit = clock.now() + kLimit;
    int code = 0;
    while (code >= 0 && clock.now() < limit) {
        code = outcome(poller(), s.write, send(poller(), s.write, "x", 1));
        EXPECT_EQ(wait(poller(), 0.001), Ops{});
    }
    EXPECT_TRUE(code == static_cast<int>(Errc::broken_pipe) ||
                code == static_cast<int>(Errc::connection_reset))
        << error_word(code);
}

TEST_P(Streams, AParkedWriteEndsWhenThePeerCloses) {
    const std::string data(size_t{16} << 20, 'x');
    EXPECT_TRUE(send(poller(), s.write, data.data(), data.size()).is_pending());
    EXPECT_EQ(wait(poller(), 0), Ops{});
    std::thread peer([&] {
        receive(pair.theirs.get(), 100000);
        pair.theirs.close();
    });
    EXPECT_EQ(wait_for(poller(), 1), Ops{&s.write});
    peer.join();
    EXPECT_TRUE(s.write.result.error() == Errc::broken_pipe ||
                s.write.result.error() == Errc::connection_reset);
    EXPECT_LT(s.write.done, data.size());
}

TEST_P(Streams, ALongSendCompletesWhenAllIsWritten) {
    std::string data(size_t{8} << 20, '\0');
    for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * 31 + i / 251);
    std::string received;
    std::thread peer([&] { received = receive(pair.theirs.get(), data.size()); });
    const int n = outcome(poller(), s.write, send(poller(), s.write, data.data(), data.size()));
    peer.join();
    EXPECT_EQ(n, static_cast<int>(data.size()));
    EXPECT_EQ(s.write.done, data.size());
    EXPECT_TRUE(received == data);
}

// The receiver is this thread: the send has to stop and go on many times.
TEST_P(Streams, ASendThatIsBlockedGoesOnWhenThereIsRoom) {
    std::string data(size_t{8} << 20, '\0');
    for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * 31 + i / 251);
    std::string received;
    EXPECT_TRUE(send(poller(), s.write, data.data(), data.size()).is_pending());
    Ops ops;
    std::string some(100000, '\0');
    while (received.size() < data.size()) {
        await(pair.theirs.get(), POLLIN);
        const ssize_t n = ::recv(pair.theirs.get(), some.data(), some.size(), 0);
        ASSERT_GT(n, 0);
        received.append(some, 0, static_cast<size_t>(n));
        const Ops more = wait(poller(), 0);
        ops.insert(ops.end(), more.begin(), more.end());
        // When the receiver is ahead of the sender the room has to be noticed without this.
        if (received.size() == s.write.done && ops.empty()) ops = wait(poller(), kLimit);
    }
    EXPECT_EQ(ops, Ops{&s.write});
    EXPECT_EQ(s.write.result.value(), static_cast<int>(data.size()));
    EXPECT_TRUE(received == data);
}

// Some are empty, and many times as many as one call takes.
TEST_P(Streams, SlicesAreSentInOrder) {
    std::string data(size_t{8} << 20, '\0');
    for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * 31 + i / 251);
    std::vector<Slice> slices;
    for (size_t at = 0, size = 1; at < data.size(); at += slices.back().size) {
        slices.push_back({data.data() + at, std::min(size, data.size() - at)});
        size = size * 7919 % 30000;
        if (size % 5 == 0) slices.push_back({nullptr, 0});
    }
    slices.push_back({nullptr, 0});
    std::string received;
    std::thread peer([&] { received = receive(pair.theirs.get(), data.size()); });
    prepare(s.write, OpKind::send, const_cast<void*>(slices.front().data), slices.front().size);
    s.write.more = slices.data() + 1;
    s.write.more_count = slices.size() - 1;
    const int n = outcome(poller(), s.write, poller().submit(s.write));
    peer.join();
    EXPECT_EQ(n, static_cast<int>(data.size()));
    EXPECT_EQ(s.write.done, data.size());
    EXPECT_TRUE(received == data);
}

// A socket that keeps the bounds of what it is sent shows them.
TEST_F(ReadinessPollerTest, SlicesGoInOneCall) {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    Socket s(ends[0]);
    const Slice slices[] = {{"three", 5}, {"", 0}, {" ", 1}, {"slices", 6}};
    prepare(s.write, OpKind::send, const_cast<void*>(slices[0].data), slices[0].size);
    s.write.more = slices + 1;
    s.write.more_count = 3;
    EXPECT_EQ(poller().submit(s.write).value(), 12);
    char got[100];
    EXPECT_EQ(::recv(ends[1], got, sizeof got, 0), 12);
    EXPECT_EQ(std::string(got, 12), "three slices");
    poller().detach(s.source);
    for (const int fd : ends) ::close(fd);
}

// The system refuses the second call after it has taken the first.
TEST_P(Streams, AFailureAfterAPartIsToldWithThePart) {
    const std::string part(1000, 'x');
    std::vector<Slice> slices(sys::kMaxSlices, Slice{part.data(), part.size()});
    slices.push_back({nullptr, 10});  // no memory of ours
    prepare(s.write, OpKind::send, const_cast<char*>(part.data()), part.size());
    s.write.more = slices.data() + 1;
    s.write.more_count = slices.size() - 1;
    EXPECT_TRUE(poller().submit(s.write).is_pending());
    EXPECT_EQ(wait_for(poller(), 1), Ops{&s.write});
    EXPECT_EQ(s.write.result.error(), Errc::invalid_argument);
    EXPECT_EQ(s.write.done, part.size() * sys::kMaxSlices);
}

TEST_P(Streams, ACanceledSendTellsHowFarItCame) {
    const std::string data(size_t{16} << 20, 'x');
    EXPECT_TRUE(send(poller(), s.write, data.data(), data.size()).is_pending());
    EXPECT_EQ(wait(poller(), 0), Ops{});
    cancel(s.write);
    EXPECT_EQ(s.write.result.error(), Errc::canceled);
    EXPECT_GT(s.write.done, 0u);
    EXPECT_LT(s.write.done, data.size());
    ASSERT_EQ(::shutdown(pair.ours.get(), SHUT_WR), 0);
    const std::string got = receive(pair.theirs.get(), s.write.done);
    EXPECT_EQ(got.size(), s.write.done);
    char byte;
    EXPECT_EQ(::recv(pair.theirs.get(), &byte, 1, 0), 0) << "and not a byte more";
}

// Its caller has to learn of the part: only a completion tells.
TEST_P(Streams, ASendThatCannotBeWatchedTellsHowFarItCame) {
    const std::string data(size_t{16} << 20, 'x');
    selector->add_fails = Errc::out_of_memory;
    Result r = send(poller(), s.write, data.data(), data.size());
    EXPECT_TRUE(r.is_pending()) << error_word(r.value());
    EXPECT_EQ(wait_for(poller(), 1), Ops{&s.write});
    EXPECT_EQ(s.write.result.error(), Errc::out_of_memory);
    EXPECT_GT(s.write.done, 0u);
    EXPECT_LT(s.write.done, data.size());
    r = send(poller(), s.write, data.data(), data.size());
    EXPECT_EQ(r.error(), Errc::out_of_memory) << "nothing went out";
    selector->add_fails = Result::done();
}

// A send that could go on for ever gives the others their turn.
TEST_P(Streams, ALongSendDoesNotHoldUpOthers) {
    const std::string data(size_t{64} << 20, 'x');
    Pair other = tcp() ? tcp_pair() : unix_pair();
    Socket t(other.ours.get(), tcp());
    char byte;
    EXPECT_TRUE(recv(poller(), t.read, &byte, 1).is_pending());
    std::thread peer([&] { receive(pair.theirs.get(), data.size()); });
    EXPECT_TRUE(send(poller(), s.write, data.data(), data.size()).is_pending());
    send_all(other.theirs.get(), "y");
    const Ops ops = wait_for(poller(), 2);
    peer.join();
    EXPECT_EQ(ops, (Ops{&t.read, &s.write}));
    poller().detach(t.source);
}

TEST_P(Streams, AQueuedEventOfAClosedSourceIsForNobody) {
    char data[8];
    EXPECT_TRUE(recv(poller(), s.read, data, sizeof data).is_pending());
    send_all(pair.theirs.get(), "stale");
    await(pair.ours.get(), POLLIN);
    // The event waits in the system; now the source goes and its number gets a new owner.
    poller().cancel(s.read);
    poller().detach(s.source);
    EXPECT_FALSE(s.source.registered);
    const int number = pair.ours.get();
    Pair next = tcp() ? tcp_pair() : unix_pair();
    ASSERT_EQ(::dup2(next.ours.get(), number), number);
    Socket t(number, tcp());
    EXPECT_TRUE(recv(poller(), t.read, data, sizeof data).is_pending());
    EXPECT_EQ(wait_for(poller(), 1), Ops{&s.read});
    EXPECT_EQ(wait(poller(), 0.001), Ops{});
    send_all(next.theirs.get(), "ab");
    EXPECT_EQ(wait_for(poller(), 1), Ops{&t.read});
    EXPECT_EQ(t.read.result.value(), 2);
    poller().detach(t.source);
}

// While a child holds a copy, closing ours does not end the registration: detach has to.
TEST_P(Streams, ADescriptorThatAChildHoldsReportsNothingAfterItsClose) {
    int gate[2];
    ASSERT_EQ(::pipe(gate), 0);
    Fd child_end(gate[0]), our_end(gate[1]);
    char data[8];
    EXPECT_TRUE(recv(poller(), s.read, data, sizeof data).is_pending());
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        ::close(our_end.get());
        char byte;
        const ssize_t end = ::read(child_end.get(), &byte, 1);
        ::_exit(end == 0 ? 0 : 1);
    }
    poller().cancel(s.read);
    poller().detach(s.source);
    const int number = pair.ours.get();
    pair.ours.close();
    EXPECT_EQ(wait_for(poller(), 1), Ops{&s.read});

    // Events on the old connection, and a new source of the same number.
    send_all(pair.theirs.get(), "to the child");
    Pair next = tcp() ? tcp_pair() : unix_pair();
    if (next.ours.get() != number) {
        ASSERT_EQ(::dup2(next.ours.get(), number), number);
        next.ours = Fd(number);
    }
    Socket t(number, tcp());
    EXPECT_TRUE(recv(poller(), t.read, data, sizeof data).is_pending());
    EXPECT_EQ(wait(poller(), 0.001), Ops{});
    send_all(next.theirs.get(), "ab");
    EXPECT_EQ(wait_for(poller(), 1), Ops{&t.read});
    EXPECT_EQ(t.read.result.value(), 2);
    poller().detach(t.source);

    our_end.close();
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(wait(poller(), 0), Ops{});
}

// ---- forks --------------------------------------------------------------------------------------

// Runs `body` in a child; whether it found nothing wrong.
bool child_agrees(const std::function<bool()>& body) {
    const pid_t child = ::fork();
    EXPECT_GE(child, 0);
    if (child == 0) {
        ::alarm(kLimitMs / 1000);
        ::_exit(body() ? 0 : 1);
    }
    int status = 0;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    return status == 0;
}

TEST_P(Streams, AChildThatAbandonsAPollerLeavesItToTheParent) {
    char data[8];
    EXPECT_TRUE(recv(poller(), s.read, data, sizeof data).is_pending());
    EXPECT_TRUE(child_agrees([&] {
        poller().wake();
        OpList unfinished;
        OpList finished;
        poller().abandon(unfinished, finished);
        const bool given_back = unfinished.pop_front() == &s.read && unfinished.empty();
        poller().wake();
        poller().detach(s.source);
        poller().abandon(unfinished, finished);
        return given_back && unfinished.empty() && finished.empty() && !s.source.registered;
    }));
    EXPECT_EQ(wait(poller(), 0.001), Ops{}) << "the child has woken the parent";
    send_all(pair.theirs.get(), "ab");
    EXPECT_EQ(wait_for(poller(), 1), Ops{&s.read});
    EXPECT_EQ(s.read.result.value(), 2);
}

TEST_P(Streams, AChildHasWhatWasCanceledAndWhatIsHot) {
    char data[8];
    EXPECT_TRUE(recv(poller(), s.read, data, sizeof data).is_pending());
    poller().cancel(s.read);
    EXPECT_TRUE(child_agrees([&] {
        OpList unfinished;
        OpList finished;
        poller().abandon(unfinished, finished);
        return finished.pop_front() == &s.read && unfinished.empty();
    }));
    EXPECT_EQ(wait_for(poller(), 1), Ops{&s.read});
}

// Whoever takes all that is sent would hold the loop up: a file does.
TEST_F(ReadinessPollerTest, ALongWriteGoesInShares) {
    std::FILE* const file = std::tmpfile();
    ASSERT_NE(file, nullptr);
    const std::string data(size_t{5} << 20, 'x');
    Socket s(::fileno(file));
    prepare(s.write, OpKind::write, const_cast<char*>(data.data()), data.size());
    EXPECT_TRUE(poller().submit(s.write).is_pending());
    EXPECT_LT(s.write.done, data.size() / 2);
    const int before = selector->waits;
    EXPECT_EQ(wait_for(poller(), 1), Ops{&s.write});
    EXPECT_GT(selector->waits, before + 1) << "others have their turn in between";
    EXPECT_EQ(s.write.result.value(), static_cast<int>(data.size()));
    poller().detach(s.source);
    std::fclose(file);
}

// ---- readable: what the system told last, without asking it ---------------------------------------

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

// The descriptor is read by others, as of a library that has its own protocol.
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

TEST_F(ReadinessPollerTest, ASteadyStreamNeedsOneTryPerRead) {
    Pair pair = tcp_pair();
    Socket s(pair.ours.get(), true);
    register_by_reading(s, pair.theirs.get());
    send_all(pair.theirs.get(), "abc");
    EXPECT_EQ(read_some(s, 100), "abc");
    EXPECT_EQ(s.source.ready & kReadable, 0) << "a short read has drained a TCP socket";
    poller().detach(s.source);
}

TEST_F(ReadinessPollerTest, AResetIsAnError) {
    Pair pair = tcp_pair();
    Socket s(pair.ours.get(), true);
    char byte;
    EXPECT_TRUE(recv(poller(), s.read, &byte, 1).is_pending());
    const linger hard{1, 0};
    ASSERT_EQ(::setsockopt(pair.theirs.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard), 0);
    pair.theirs.close();
    EXPECT_EQ(wait_for(poller(), 1), Ops{&s.read});
    EXPECT_EQ(s.read.result.error(), Errc::connection_reset);
    EXPECT_EQ(s.read.result.os_code(), ECONNRESET);
    poller().detach(s.source);
}

// A read stops at the mark of urgent data: its shortness does not mean "drained".
TEST_F(ReadinessPollerTest, DataBehindUrgentDataIsSeen) {
    enum { kFresh, kRegistered, kAway };  // the last while its edges come and nobody reads
    for (const int state : {kFresh, kRegistered, kAway}) {
        SCOPED_TRACE(state);
        Pair pair = tcp_pair();
        Socket s(pair.ours.get(), true);
        if (state != kFresh) register_by_reading(s, pair.theirs.get());
        send_all(pair.theirs.get(), "ab");
        ASSERT_EQ(::send(pair.theirs.get(), "!", 1, MSG_OOB), 1);
        send_all(pair.theirs.get(), "cd");
        await(pair.ours.get(), POLLIN);
        if (state == kAway) {
            EXPECT_EQ(wait(poller(), 0), Ops{});
        }
        EXPECT_EQ(read_some(s, 100), "ab");
        EXPECT_EQ(read_some(s, 100), "cd");
        poller().detach(s.source);
    }
}

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

// The system tells of the connect and of the data by one event.
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

// A listener whose queue is full: the system drops what comes, and a client waits for its answer.
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

    // A connect that waits, and its end.
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

// Such as one of an earlier connect.
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
    // Whoever was served by the deaf one are its own clients.
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
    // Linux gives a port of its own choice back.
    const SockAddr bound = local_address(inet_socket(SOCK_STREAM).get());
    ASSERT_EQ(::bind(fd.get(), raw(bound), bound.size), 0);
    connect_in_vain();
    connect_and_talk();
    EXPECT_TRUE(local_address(fd.get()) == bound);
    poller().detach(s.source);
}

// What is called off is the connect, not the reader's patience: it sees an unconnected socket.
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
        // An empty one is one.
        ASSERT_EQ(::sendto(theirs.get(), "", 0, 0, raw(here), here.size), 0);
        EXPECT_EQ(wait_for(poller(), 1), Ops{&s.read});
        EXPECT_EQ(wait_ready(poller(), s.read).value(), 0);
        char data[8];
        ASSERT_EQ(::recv(ours.get(), data, sizeof data, 0), 0);
    }
    EXPECT_EQ(wait_ready(poller(), s.write).value(), 0);
    poller().detach(s.source);
}

// The caller closed it and its number has a new owner: nothing of the old one touches the new.
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

// The other order: the old one is let go of before the new one has to wait.
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
    // Once while there are descriptors: the sanitizers need some to look at a class first.
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

// ---- datagrams ----------------------------------------------------------------------------------

Result recv_from(Poller& poller, IoOp& op, void* data, size_t size, const SockAddr* only,
                 SockAddr* from) {
    prepare(op, OpKind::recv_from, data, size);
    op.only = only;
    op.addr = from;
    return poller.submit(op);
}

Result send_to(Poller& poller, IoOp& op, std::string_view data, const SockAddr* to) {
    prepare(op, OpKind::send_to, const_cast<char*>(data.data()), data.size());
    op.only = to;
    return poller.submit(op);
}

class Datagrams : public ReadinessPollerTest {
   protected:
    Datagrams() { set_nonblocking(fd.get()); }

    void send_from(const Fd& from, std::string_view data) {
        ASSERT_EQ(::sendto(from.get(), data.data(), data.size(), 0, raw(here), here.size),
                  static_cast<ssize_t>(data.size()));
    }

    Fd fd = inet_socket(SOCK_DGRAM);
    SockAddr here = local_address(fd.get());
    Fd friend_fd = inet_socket(SOCK_DGRAM), stranger_fd = inet_socket(SOCK_DGRAM);
    SockAddr friend_address = local_address(friend_fd.get());
    Socket s{fd.get()};
    char buffer[64] = {};
};

TEST_F(Datagrams, OneAtATimeWithTheirSender) {
    SockAddr from{};
    EXPECT_TRUE(recv_from(poller(), s.read, buffer, sizeof buffer, nullptr, &from).is_pending());
    send_from(friend_fd, "one");
    send_from(friend_fd, "");
    send_from(stranger_fd, "three");
    EXPECT_EQ(wait_for(poller(), 1), Ops{&s.read});
    EXPECT_EQ(s.read.result.value(), 3);
    EXPECT_TRUE(from == friend_address);
    const auto next = [&] {
        return outcome(poller(), s.read,
                       recv_from(poller(), s.read, buffer, sizeof buffer, nullptr, &from));
    };
    EXPECT_EQ(next(), 0) << "an empty datagram is one";
    EXPECT_EQ(next(), 5);
    EXPECT_TRUE(from == local_address(stranger_fd.get()));
    poller().detach(s.source);
}

TEST_F(Datagrams, ACutOneIsReported) {
    send_from(friend_fd, "12345678");
    send_from(friend_fd, "1234");
    await(fd.get(), POLLIN);
    EXPECT_EQ(outcome(poller(), s.read, recv_from(poller(), s.read, buffer, 4, nullptr, nullptr)),
              4);
    EXPECT_TRUE(s.read.truncated);
    EXPECT_EQ(outcome(poller(), s.read, recv_from(poller(), s.read, buffer, 4, nullptr, nullptr)),
              4);
    EXPECT_FALSE(s.read.truncated);
    poller().detach(s.source);
}

TEST_F(Datagrams, StrangersAreDroppedInShares) {
    constexpr int kStrangers = 150;
    for (int i = 0; i < kStrangers; ++i) send_from(stranger_fd, "spam");
    send_from(friend_fd, "ham");
    SockAddr from{};
    EXPECT_TRUE(
        recv_from(poller(), s.read, buffer, sizeof buffer, &friend_address, &from).is_pending());
    const int before = selector->waits;
    EXPECT_EQ(wait_for(poller(), 1), Ops{&s.read});
    EXPECT_GT(selector->waits, before + 1) << "others have their turn in between";
    EXPECT_EQ(s.read.result.value(), 3);
    EXPECT_EQ(std::string(buffer, 3), "ham");
    EXPECT_TRUE(from == friend_address);
    poller().detach(s.source);
}

// No edge would tell of the one behind them.
TEST_F(Datagrams, ATryDropsAllStrangers) {
    for (int i = 0; i < 100; ++i) send_from(stranger_fd, "spam");
    send_from(friend_fd, "ham");
    await(fd.get(), POLLIN);
    prepare(s.read, OpKind::recv_from, buffer, sizeof buffer);
    s.read.only = &friend_address;
    s.read.addr = nullptr;
    EXPECT_EQ(poller().try_now(s.read).value(), 3);
    EXPECT_EQ(std::string(buffer, 3), "ham");
    EXPECT_TRUE(poller().try_now(s.read).is_pending());
    poller().detach(s.source);
}

TEST_F(Datagrams, OnlyStrangersLeaveTheOpWaiting) {
    EXPECT_TRUE(
        recv_from(poller(), s.read, buffer, sizeof buffer, &friend_address, nullptr).is_pending());
    for (int i = 0; i < 100; ++i) send_from(stranger_fd, "spam");
    for (int i = 0; i < 10; ++i) EXPECT_EQ(wait(poller(), 0.001), Ops{});
    send_from(friend_fd, "ham");
    EXPECT_EQ(wait_for(poller(), 1), Ops{&s.read});
    EXPECT_EQ(s.read.result.value(), 3);
    poller().detach(s.source);
}

TEST_F(Datagrams, AnOpThatDropsStrangersCanBeCanceled) {
    for (int i = 0; i < 100; ++i) send_from(stranger_fd, "spam");
    await(fd.get(), POLLIN);
    EXPECT_TRUE(
        recv_from(poller(), s.read, buffer, sizeof buffer, &friend_address, nullptr).is_pending());
    cancel(s.read);
    EXPECT_EQ(s.read.result.error(), Errc::canceled);
    EXPECT_EQ(wait(poller(), 0), Ops{});
    poller().detach(s.source);
}

TEST_F(Datagrams, TooLargeIsAnError) {
    const std::string large(70000, 'x');
    const Result r = send_to(poller(), s.write, large, &friend_address);
    EXPECT_EQ(r.error(), Errc::message_too_long);
}

TEST_F(Datagrams, SendingToNobodyNeedsAnAddress) {
    EXPECT_EQ(send_to(poller(), s.write, "x", nullptr).error(), Errc::destination_address_required);
}

// ---- waking -------------------------------------------------------------------------------------

TEST_F(ReadinessPollerTest, AWakeFromAnotherThreadEndsTheWait) {
    for (int round = 0; round < 100; ++round) {
        // Whether it comes before or during the wait is left to chance.
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
