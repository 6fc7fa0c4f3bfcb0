// The contract with a completion port, then what it has to get right beyond it, with real sockets.
#include "core/io/windows/iocp_poller.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "core/base/clock.h"
#include "core/io/posix/syscalls.h"
#include "spec/core/poller_contract.h"

namespace socket2 {
namespace {

constexpr int kLimitMs = 20000;

// ---- real sockets -------------------------------------------------------------------------------

class Fd {
   public:
    Fd() = default;
    explicit Fd(SOCKET fd) : fd_(static_cast<Descriptor>(fd)) {}
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, kNoDescriptor)) {}
    Fd& operator=(Fd&& other) noexcept {
        close();
        fd_ = std::exchange(other.fd_, kNoDescriptor);
        return *this;
    }
    ~Fd() { close(); }

    Descriptor get() const { return fd_; }
    SOCKET raw() const { return windows::socket_of(fd_); }
    void close() {
        if (fd_ != kNoDescriptor) ::closesocket(raw());
        fd_ = kNoDescriptor;
    }

   private:
    Descriptor fd_ = kNoDescriptor;
};

void set_nonblocking(const Fd& fd) {
    u_long on = 1;
    ASSERT_EQ(::ioctlsocket(fd.raw(), FIONBIO, &on), 0);
}

bool shows(const Fd& fd, short events, int ms) {
    WSAPOLLFD entry{fd.raw(), events, 0};
    return ::WSAPoll(&entry, 1, ms) == 1;
}

// Until the system shows one of the events on the socket: even a loopback can take its time.
void await(const Fd& fd, short events) {
    ASSERT_TRUE(shows(fd, events, kLimitMs)) << "no event " << events;
}

SockAddr local_address(const Fd& fd) {
    SockAddr address{};
    int size = SockAddr::kCapacity;
    EXPECT_EQ(::getsockname(fd.raw(), windows::out(address), &size), 0);
    address.size = static_cast<uint32_t>(size);
    return address;
}

// Bound to a port of 127.0.0.1 that the system picks.
Fd inet_socket(int type) {
    Fd fd(::WSASocketW(AF_INET, type, 0, nullptr, 0, WSA_FLAG_OVERLAPPED));
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(fd.raw(), reinterpret_cast<sockaddr*>(&any), sizeof any), 0);
    return fd;
}

Fd listener(int backlog) {
    Fd fd = inet_socket(SOCK_STREAM);
    EXPECT_EQ(::listen(fd.raw(), backlog), 0);
    set_nonblocking(fd);
    return fd;
}

Fd connect_to(const SockAddr& address) {
    Fd fd(::socket(AF_INET, SOCK_STREAM, 0));
    EXPECT_EQ(::connect(fd.raw(), windows::in(address), static_cast<int>(address.size)), 0);
    return fd;
}

struct Pair {
    Fd ours;    // non-blocking
    Fd theirs;  // blocking
};

Pair tcp_pair() {
    const Fd server = listener(1);
    Pair pair;
    pair.theirs = connect_to(local_address(server));
    await(server, POLLRDNORM);
    pair.ours = Fd(::accept(server.raw(), nullptr, nullptr));
    set_nonblocking(pair.ours);
    return pair;
}

void send_all(const Fd& fd, std::string_view data) {
    while (!data.empty()) {
        const int n = ::send(fd.raw(), data.data(), static_cast<int>(data.size()), 0);
        ASSERT_GT(n, 0);
        data.remove_prefix(static_cast<size_t>(n));
    }
}

std::string receive(const Fd& fd, size_t size) {
    std::string data(size, '\0');
    size_t done = 0;
    while (done < size) {
        const int n = ::recv(fd.raw(), data.data() + done, static_cast<int>(size - done), 0);
        EXPECT_GT(n, 0);
        if (n <= 0) break;
        done += static_cast<size_t>(n);
    }
    data.resize(done);
    return data;
}

// ---- the contract -------------------------------------------------------------------------------

class SocketChannel final : public Channel {
   public:
    SocketChannel() { source.fd = pair_.ours.get(); }

    void feed(std::string_view data) override {
        send_all(pair_.theirs, data);
        // A read in flight takes it before anybody sees it.
        const Op* reader = source.parked[static_cast<size_t>(Side::read)];
        if (reader == nullptr || reader->kind != OpKind::recv) await(pair_.ours, POLLRDNORM);
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
        set_nonblocking(pair_.theirs);
        std::string data(1 << 16, '\0');
        constexpr int kQuiet = 20;  // the sender's system may still be handing over
        while (shows(pair_.theirs, POLLRDNORM, kQuiet)) {
            while (::recv(pair_.theirs.raw(), data.data(), static_cast<int>(data.size()), 0) > 0) {
            }
        }
    }
    void close() override { pair_.ours.close(); }

   private:
    Pair pair_ = tcp_pair();
};

std::unique_ptr<IocpPoller> make_poller() {
    std::unique_ptr<IocpPoller> poller;
    EXPECT_TRUE(IocpPoller::create(poller).ok());
    return poller;
}

class SocketWorld final : public World {
   public:
    Poller& poller() override { return *poller_; }
    double now() const override { return clock_.now(); }
    std::unique_ptr<Channel> channel() override { return std::make_unique<SocketChannel>(); }

   private:
    MonotonicClock clock_;
    const std::unique_ptr<IocpPoller> poller_ = make_poller();
};

INSTANTIATE_TEST_SUITE_P(Implementations, PollerContract,
                         ::testing::Values(Implementation{"Fake", make_world<FakeWorld>},
                                           Implementation{"IocpTcp", make_world<SocketWorld>}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace socket2
