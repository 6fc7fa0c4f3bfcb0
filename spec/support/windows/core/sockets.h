// The system's own sockets, which the core's tests give to a poller and talk to.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>

#include "core/sys/socket.h"
#include "core/sys/windows/winsock.h"

namespace socket2 {

constexpr int kLimitMs = 20000;

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

inline void set_nonblocking(const Fd& fd) {
    u_long on = 1;
    ASSERT_EQ(::ioctlsocket(fd.raw(), FIONBIO, &on), 0);
}

inline bool shows(const Fd& fd, short events, int ms) {
    WSAPOLLFD entry{fd.raw(), events, 0};
    return ::WSAPoll(&entry, 1, ms) == 1;
}

// Waits until the system reports one of the events on the socket, because even a loopback can take
// its time.
inline void await(const Fd& fd, short events) {
    ASSERT_TRUE(shows(fd, events, kLimitMs)) << "no event " << events;
}

inline SockAddr local_address(const Fd& fd) {
    SockAddr address{};
    int size = SockAddr::kCapacity;
    EXPECT_EQ(::getsockname(fd.raw(), windows::out(address), &size), 0);
    address.size = static_cast<uint32_t>(size);
    return address;
}

// A socket that is bound to a port of 127.0.0.1 that the system picks.
inline Fd inet_socket(int type) {
    Fd fd(::WSASocketW(AF_INET, type, 0, nullptr, 0, WSA_FLAG_OVERLAPPED));
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(fd.raw(), reinterpret_cast<sockaddr*>(&any), sizeof any), 0);
    if (type == SOCK_DGRAM) set_nonblocking(fd);
    return fd;
}

inline Fd listener(int backlog) {
    Fd fd = inet_socket(SOCK_STREAM);
    EXPECT_EQ(::listen(fd.raw(), backlog), 0);
    set_nonblocking(fd);
    return fd;
}

inline Fd connect_to(const SockAddr& address) {
    Fd fd(::socket(AF_INET, SOCK_STREAM, 0));
    EXPECT_EQ(::connect(fd.raw(), windows::in(address), static_cast<int>(address.size)), 0);
    return fd;
}

inline void reset(Fd& fd) {
    const linger hard{1, 0};
    ::setsockopt(fd.raw(), SOL_SOCKET, SO_LINGER, reinterpret_cast<const char*>(&hard),
                 sizeof hard);
    fd.close();
}

struct Pair {
    Fd ours;    // non-blocking
    Fd theirs;  // blocking
};

inline Pair tcp_pair() {
    const Fd server = listener(1);
    Pair pair;
    pair.theirs = connect_to(local_address(server));
    await(server, POLLRDNORM);
    pair.ours = Fd(::accept(server.raw(), nullptr, nullptr));
    set_nonblocking(pair.ours);
    return pair;
}

inline void send_all(const Fd& fd, std::string_view data) {
    while (!data.empty()) {
        const int n = ::send(fd.raw(), data.data(), static_cast<int>(data.size()), 0);
        ASSERT_GT(n, 0);
        data.remove_prefix(static_cast<size_t>(n));
    }
}

inline std::string receive(const Fd& fd, size_t size) {
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

}  // namespace socket2
