// The system's own sockets, which the core's tests give to a poller and talk to.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <string_view>
#include <utility>

#include "core/sys/posix/socket_calls.h"
#include "core/sys/socket.h"

namespace socket2 {

constexpr int kLimitMs = 20000;

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

inline void set_nonblocking(int fd) {
    ASSERT_EQ(::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK), 0);
}

inline void set_blocking(int fd) {
    ASSERT_EQ(::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_NONBLOCK), 0);
}

inline Fd new_socket(int family, int type) { return Fd(posix::new_socket(family, type, 0)); }

inline Fd new_blocking_socket(int type) {
    Fd fd = new_socket(AF_INET, type);
    set_blocking(fd.get());
    return fd;
}

// Waits until the system reports one of the events on the descriptor, because even a loopback can
// take its time. Takes no edge away from an epoll.
inline void await(int fd, short events) {
    pollfd entry{fd, events, 0};
    ASSERT_EQ(::poll(&entry, 1, kLimitMs), 1) << "no event " << events;
}

inline SockAddr local_address(int fd) {
    SockAddr address{};
    socklen_t size = SockAddr::kCapacity;
    EXPECT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(address.bytes), &size), 0);
    address.size = size;
    return address;
}

inline const sockaddr* raw(const SockAddr& address) {
    return reinterpret_cast<const sockaddr*>(address.bytes);
}

// A socket that is bound to a port of 127.0.0.1 that the system picks.
inline Fd inet_socket(int type) {
    Fd fd = new_blocking_socket(type);
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&any), sizeof any), 0);
    return fd;
}

inline Fd listener(int backlog) {
    Fd fd = inet_socket(SOCK_STREAM);
    EXPECT_EQ(::listen(fd.get(), backlog), 0);
    set_nonblocking(fd.get());
    return fd;
}

inline Fd accept_one(const Fd& server) {
    SockAddr peer{};
    socklen_t size = SockAddr::kCapacity;
    return Fd(posix::new_accepted(server.get(), reinterpret_cast<sockaddr*>(peer.bytes), &size));
}

inline Fd accept_blocking(const Fd& server) {
    Fd fd = accept_one(server);
    set_blocking(fd.get());
    return fd;
}

struct Pair {
    Fd ours;    // non-blocking
    Fd theirs;  // blocking
};

inline Pair tcp_pair() {
    const Fd server = inet_socket(SOCK_STREAM);
    EXPECT_EQ(::listen(server.get(), 1), 0);
    const SockAddr address = local_address(server.get());
    Pair pair;
    pair.theirs = new_blocking_socket(SOCK_STREAM);
    EXPECT_EQ(::connect(pair.theirs.get(), raw(address), address.size), 0);
    pair.ours = accept_one(server);
    return pair;
}

inline Pair unix_pair() {
    int fds[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    for (const int fd : fds) EXPECT_EQ(posix::make_quiet(fd), 0);
    Pair pair{Fd(fds[0]), Fd(fds[1])};
    set_nonblocking(pair.ours.get());
    return pair;
}

inline void send_all(int fd, std::string_view data) {
    while (!data.empty()) {
        const ssize_t n = ::send(fd, data.data(), data.size(), posix::kSendFlags);
        ASSERT_GT(n, 0);
        data.remove_prefix(static_cast<size_t>(n));
    }
}

inline std::string receive(int fd, size_t size) {
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

}  // namespace socket2
