#include "core/io/posix/syscalls.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "core/io/posix/socket_calls.h"

namespace socket2::posix {
namespace {

int fd_of(Descriptor fd) { return static_cast<int>(fd); }

Result failure() { return Result(errc_of(errno), errno); }

// The value of a call that may be interrupted.
template <typename Call>
Result checked(Call call) {
    for (;;) {
        const auto n = call();
        if (n >= 0) return Result::of(static_cast<int>(n));
        if (errno == EAGAIN || errno == EWOULDBLOCK) return Result::pending();
        if (errno != EINTR) return failure();
    }
}

const sockaddr* in(const SockAddr& address) {
    return reinterpret_cast<const sockaddr*>(address.bytes);
}

sockaddr* out(SockAddr& address) { return reinterpret_cast<sockaddr*>(address.bytes); }

// What the system reports may be longer than the room (a unix path of full length and its zero).
void set_size(SockAddr& address, socklen_t size) {
    address.size = size < SockAddr::kCapacity ? size : SockAddr::kCapacity;
}

// The system tells nothing at all of a unix socket that has no name.
void set_unnamed(SockAddr& address) {
    out(address)->sa_family = AF_UNIX;
    address.size = offsetof(sockaddr, sa_data);
}

template <typename Call>
Result address_of(SockAddr& address, Call call) {
    socklen_t size = SockAddr::kCapacity;
    if (call(out(address), &size) != 0) return failure();
    set_size(address, size);
    return Result::done();
}

// Whether an open descriptor may block; an error if it is open in the wrong mode alone.
Result may_block(int fd, int wrong_mode) {
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0) return failure();
    if ((flags & O_ACCMODE) == wrong_mode) return Result(Errc::bad_descriptor, EBADF);
    return Result::of((flags & O_NONBLOCK) == 0 ? 1 : 0);
}

// How much of `size` bytes a descriptor in blocking mode takes at once when it is writable.
Result room_when_writable(int fd, size_t size) {
    struct stat status;
    if (::fstat(fd, &status) != 0) return failure();
    if (S_ISFIFO(status.st_mode)) size = std::min(size, size_t{PIPE_BUF});
    // Of a terminal, for one, nobody tells.
    const bool known =
        S_ISFIFO(status.st_mode) || S_ISREG(status.st_mode) || S_ISBLK(status.st_mode);
    return known ? Result::of(static_cast<int>(size)) : Errc::not_supported;
}

}  // namespace

void start() {}

std::string hosts_path() { return "/etc/hosts"; }

bool knows_localhost() { return false; }

Errc errc_of(int os_code) {
    if (os_code == ENOTSUP) return Errc::not_supported;  // on Linux the same as EOPNOTSUPP
    switch (os_code) {
        case EACCES:
            return Errc::access_denied;
        case EPERM:
            return Errc::not_permitted;
        case EADDRINUSE:
            return Errc::address_already_in_use;
        case EADDRNOTAVAIL:
            return Errc::address_not_available;
        case EAFNOSUPPORT:
            return Errc::address_family_not_supported;
        case EPROTONOSUPPORT:
        case EPROTOTYPE:
            return Errc::protocol_not_supported;
        case ESOCKTNOSUPPORT:
            return Errc::socket_type_not_supported;
        case EOPNOTSUPP:
        case ENOPROTOOPT:
        case ENOSYS:
            return Errc::not_supported;
        case ECONNREFUSED:
            return Errc::connection_refused;
        case ECONNRESET:
            return Errc::connection_reset;
        case ECONNABORTED:
            return Errc::connection_aborted;
        case ETIMEDOUT:
            return Errc::connection_timed_out;
        case EPIPE:
            return Errc::broken_pipe;
        case ENOTCONN:
            return Errc::not_connected;
        case EISCONN:
            return Errc::already_connected;
        case EALREADY:
        case EBUSY:
            return Errc::busy;
        case ENETUNREACH:
            return Errc::network_unreachable;
        case EHOSTUNREACH:
        case EHOSTDOWN:
            return Errc::host_unreachable;
        case ENETDOWN:
            return Errc::network_down;
        case EMSGSIZE:
            return Errc::message_too_long;
        case ENOBUFS:
            return Errc::no_buffer_space;
        case ENOMEM:
            return Errc::out_of_memory;
        case EDESTADDRREQ:
            return Errc::destination_address_required;
        case ENOENT:
            return Errc::file_not_found;
        case ENAMETOOLONG:
            return Errc::path_too_long;
        case EMFILE:
            return Errc::too_many_open_files;
        case ENFILE:
            return Errc::too_many_open_files_in_system;
        case ENODEV:
        case ENXIO:
            return Errc::no_such_device;
        case EIO:
            return Errc::io_error;
        case EBADF:
        case ENOTSOCK:
            return Errc::bad_descriptor;
        case EINVAL:
        case EDOM:
        case EFAULT:
            return Errc::invalid_argument;
        default:
            return Errc::system_error;
    }
}

Result open_socket(int family, int type, int protocol) {
    return checked([&] { return new_socket(family, type, protocol); });
}

void close_descriptor(Descriptor fd) {
    // Not again after EINTR: Linux has released the descriptor, and another thread may own it now.
    ::close(fd_of(fd));
}

Result bind(Descriptor fd, const SockAddr& address) {
    return checked([&] { return ::bind(fd_of(fd), in(address), address.size); });
}

Result listen(Descriptor fd, int backlog) {
    return checked([&] { return ::listen(fd_of(fd), backlog); });
}

Result accept(Descriptor fd, Descriptor& accepted, SockAddr* peer) {
    for (;;) {
        SockAddr unused;
        SockAddr& address = peer != nullptr ? *peer : unused;
        socklen_t size = SockAddr::kCapacity;
        const Result r = checked([&] { return new_accepted(fd_of(fd), out(address), &size); });
        if (r.ok()) {
            accepted = r.value();
            set_size(address, size);
            return Result::done();
        }
        // accept(2): errors of the network that hit the connection before it was accepted.
        switch (r.os_code()) {
            case ECONNABORTED:
            case EPROTO:
            case ENETDOWN:
            case ENETUNREACH:
            case EHOSTDOWN:
            case EHOSTUNREACH:
#ifdef ENONET
            case ENONET:
#endif
                continue;
            case EINVAL:
                return Result(Errc::not_listening, EINVAL);
            default:
                return r;
        }
    }
}

Result connect(Descriptor fd, const SockAddr& address) {
    if (::connect(fd_of(fd), in(address), address.size) == 0) return Result::done();
    // An interrupted connect goes on like a non-blocking one.
    if (errno == EINPROGRESS || errno == EINTR) return Result::pending();
    // A unix listener whose queue is full (on other sockets: no local port is free). No event would
    // tell when it has room again.
    if (errno == EAGAIN) return Result(Errc::busy, EAGAIN);
    return failure();
}

Result connect_result(Descriptor fd) {
    int os_code = 0;
    socklen_t size = sizeof os_code;
    if (::getsockopt(fd_of(fd), SOL_SOCKET, SO_ERROR, &os_code, &size) != 0) return failure();
    if (os_code != 0) {
        // Else Linux fails the next connect, to another address, with a left-over ECONNABORTED.
        const Result undone = disconnect(fd);
        static_cast<void>(undone);
        return Result(errc_of(os_code), os_code);
    }
    // The edge may be an old one (of an earlier, failed connect on this socket).
    SockAddr peer;
    const Result r = remote_address(fd, peer);
    return r.os_code() == ENOTCONN ? Result::pending() : r;
}

Result disconnect(Descriptor fd) {
    sockaddr none{};
    none.sa_family = AF_UNSPEC;
    const Result r = checked([&] { return ::connect(fd_of(fd), &none, sizeof none); });
    if (r.ok()) return r;
    // BSDs undo it and then refuse the address.
    SockAddr peer;
    return remote_address(fd, peer).error() == Errc::not_connected ? Result::done() : r;
}

Result recv(Descriptor fd, void* data, size_t size) {
    return checked([&] { return ::recv(fd_of(fd), data, size, MSG_DONTWAIT); });
}

namespace {

// macOS says EPROTOTYPE while the connection is being torn down.
template <typename Call>
Result checked_send(Call call) {
    const Result r = checked(call);
    return r.os_code() == EPROTOTYPE ? Result(Errc::broken_pipe, EPROTOTYPE) : r;
}

}  // namespace

Result send(Descriptor fd, const void* data, size_t size) {
    return checked_send([&] { return ::send(fd_of(fd), data, size, kSendFlags | MSG_DONTWAIT); });
}

Result send(Descriptor fd, const Slice* slices, size_t count) {
    iovec pieces[kMaxSlices];
    count = std::min(count, kMaxSlices);
    std::transform(slices, slices + count, pieces, [](const Slice& slice) {
        return iovec{const_cast<void*>(slice.data), slice.size};
    });
    msghdr message{};
    message.msg_iov = pieces;
    message.msg_iovlen = static_cast<decltype(message.msg_iovlen)>(count);
    return checked_send([&] { return ::sendmsg(fd_of(fd), &message, kSendFlags | MSG_DONTWAIT); });
}

Result recv_from(Descriptor fd, void* data, size_t size, SockAddr& from, bool& truncated) {
    socklen_t from_size = 0;
    const Result r = checked([&] {
        from_size = SockAddr::kCapacity;
        return receive_datagram(fd_of(fd), data, size, out(from), &from_size, truncated);
    });
    if (r.ok()) set_size(from, from_size);
    if (r.ok() && from_size == 0) set_unnamed(from);
    return r;
}

Result send_to(Descriptor fd, const void* data, size_t size, const SockAddr* to) {
    const Result r = checked([&] {
        return ::sendto(fd_of(fd), data, size, kSendFlags, to != nullptr ? in(*to) : nullptr,
                        to != nullptr ? to->size : 0);
    });
    // A unix receiver whose queue is full: events come without end, but none when it has room.
    // BSDs have an error for it, and not only without a peer.
    SockAddr own;
    if (r.os_code() == ENOBUFS && local_address(fd, own).ok() && out(own)->sa_family == AF_UNIX) {
        return Result(Errc::busy, ENOBUFS);
    }
    const bool full = r.is_pending() && to != nullptr && in(*to)->sa_family == AF_UNIX;
    return full ? Result(Errc::busy, EAGAIN) : r;
}

Result is_ready(Descriptor fd, uint8_t direction) {
    pollfd one{};
    one.fd = fd_of(fd);
    one.events = direction == kReadable ? POLLIN : POLLOUT;
    const Result r = checked([&] { return ::poll(&one, 1, 0); });
    if ((one.revents & POLLNVAL) != 0) return Errc::bad_descriptor;
    if (r.is_error()) return r;
    return r.value() == 0 ? Result::pending() : Result::done();
}

Result open_path(const char* path) {
    const Result r =
        checked([&] { return ::open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC); });
    return r.is_pending() ? Result(Errc::busy, EAGAIN) : r;  // another process has a lease on it
}

Result read(Descriptor fd, void* data, size_t size) {
    Result r = may_block(fd_of(fd), O_WRONLY);
    if (r.ok() && r.value() != 0) r = is_ready(fd, kReadable);
    return r.ok() ? checked([&] { return ::read(fd_of(fd), data, size); }) : r;
}

Result write(Descriptor fd, const void* data, size_t size) {
    Result r = may_block(fd_of(fd), O_RDONLY);
    if (r.ok() && r.value() != 0) {
        const Result room = room_when_writable(fd_of(fd), size);
        if (room.is_error()) return room;
        size = static_cast<size_t>(room.value());
        r = is_ready(fd, kWritable);
    }
    if (!r.ok()) return r;
    return checked([&] { return write_quietly(fd_of(fd), data, size); });
}

Result make_nonblocking(Descriptor fd) {
    if (fd != fd_of(fd)) return Errc::bad_descriptor;
    const int flags = ::fcntl(fd_of(fd), F_GETFL);
    if (flags < 0 || ::fcntl(fd_of(fd), F_SETFL, flags | O_NONBLOCK) < 0 ||
        ::fcntl(fd_of(fd), F_SETFD, FD_CLOEXEC) < 0) {
        return failure();
    }
    return Result::done();
}

Result adopt_socket(Descriptor fd) {
    if (fd != fd_of(fd)) return Errc::bad_descriptor;
    int type = 0;
    socklen_t size = sizeof type;
    if (::getsockopt(fd_of(fd), SOL_SOCKET, SO_TYPE, &type, &size) != 0) return failure();
    const Result r = make_nonblocking(fd);
    if (r.is_error()) return r;
    return make_quiet(fd_of(fd)) == 0 ? Result::of(type) : failure();
}

Result never_blocks(Descriptor fd) {
    if (fd != fd_of(fd)) return Errc::bad_descriptor;
    struct stat status;
    if (::fstat(fd_of(fd), &status) != 0) return failure();
    if (!S_ISSOCK(status.st_mode)) return Result::of(0);
    return make_quiet(fd_of(fd)) == 0 ? Result::of(1) : failure();
}

Result shutdown(Descriptor fd, int directions) {
    const int how = directions == kReadable   ? SHUT_RD
                    : directions == kWritable ? SHUT_WR
                                              : SHUT_RDWR;
    return checked([&] { return ::shutdown(fd_of(fd), how); });
}

Result local_address(Descriptor fd, SockAddr& address) {
    return address_of(address,
                      [&](sockaddr* a, socklen_t* n) { return ::getsockname(fd_of(fd), a, n); });
}

Result remote_address(Descriptor fd, SockAddr& address) {
    const Result r = address_of(
        address, [&](sockaddr* a, socklen_t* n) { return ::getpeername(fd_of(fd), a, n); });
    // macOS says so once both directions are shut.
    return r.os_code() == EINVAL ? Result(Errc::not_connected, EINVAL) : r;
}

}  // namespace socket2::posix
