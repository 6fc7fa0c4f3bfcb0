#include "core/sys/socket.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "core/sys/error.h"
#include "core/sys/posix/call.h"
#include "core/sys/posix/socket_calls.h"

namespace socket2::sys {
namespace {

using posix::checked;
using posix::failure;
using posix::fd_of;

const sockaddr* in(const SockAddr& address) {
    return reinterpret_cast<const sockaddr*>(address.bytes);
}

sockaddr* out(SockAddr& address) { return reinterpret_cast<sockaddr*>(address.bytes); }

// The reported size may exceed the room (a unix path of full length and its zero).
void set_size(SockAddr& address, socklen_t size) {
    address.size = size < SockAddr::kCapacity ? size : SockAddr::kCapacity;
}

// The system reports nothing at all for a unix socket that has no name.
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

}  // namespace

void start() {}

Result open_socket(int family, int type, int protocol) {
    return checked([&] { return posix::new_socket(family, type, protocol); });
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
        const Result r =
            checked([&] { return posix::new_accepted(fd_of(fd), out(address), &size); });
        if (r.ok()) {
            accepted = r.value();
            set_size(address, size);
            return Result::done();
        }
        // accept(2): network errors that hit the connection before it was accepted.
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
    // The queue of a unix listener is full (on other sockets: no local port is free). No event
    // would tell when it has room again.
    if (errno == EAGAIN) return Result(Errc::busy, EAGAIN);
    return failure();
}

Result connect_result(Descriptor fd) {
    int os_code = 0;
    socklen_t size = sizeof os_code;
    if (::getsockopt(fd_of(fd), SOL_SOCKET, SO_ERROR, &os_code, &size) != 0) return failure();
    if (os_code != 0) {
        // Otherwise Linux fails the next connect, to another address, with a left-over
        // ECONNABORTED.
        const Result undone = disconnect(fd);
        static_cast<void>(undone);
        return Result(errc_of(os_code), os_code);
    }
    // The edge may be old, from an earlier, failed connect on this socket.
    SockAddr peer;
    const Result r = remote_address(fd, peer);
    return r.os_code() == ENOTCONN ? Result::pending() : r;
}

Result disconnect(Descriptor fd) {
    sockaddr none{};
    none.sa_family = AF_UNSPEC;
    const Result r = checked([&] { return ::connect(fd_of(fd), &none, sizeof none); });
    if (r.ok()) return r;
    // BSDs undo the connect and then refuse the address.
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
    return checked_send(
        [&] { return ::send(fd_of(fd), data, size, posix::kSendFlags | MSG_DONTWAIT); });
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
    return checked_send(
        [&] { return ::sendmsg(fd_of(fd), &message, posix::kSendFlags | MSG_DONTWAIT); });
}

Result recv_from(Descriptor fd, void* data, size_t size, SockAddr& from, bool& truncated) {
    socklen_t from_size = 0;
    const Result r = checked([&] {
        from_size = SockAddr::kCapacity;
        return posix::receive_datagram(fd_of(fd), data, size, out(from), &from_size, truncated);
    });
    if (r.ok()) set_size(from, from_size);
    if (r.ok() && from_size == 0) set_unnamed(from);
    return r;
}

Result send_to(Descriptor fd, const void* data, size_t size, const SockAddr* to) {
    const Result r = checked([&] {
        return ::sendto(fd_of(fd), data, size, posix::kSendFlags, to != nullptr ? in(*to) : nullptr,
                        to != nullptr ? to->size : 0);
    });
    // The queue of a unix receiver is full: events come without end, but none when it has room.
    // BSDs have an error for this, and not only without a peer.
    SockAddr own;
    if (r.os_code() == ENOBUFS && local_address(fd, own).ok() && out(own)->sa_family == AF_UNIX) {
        return Result(Errc::busy, ENOBUFS);
    }
    const bool full = r.is_pending() && to != nullptr && in(*to)->sa_family == AF_UNIX;
    return full ? Result(Errc::busy, EAGAIN) : r;
}

Result adopt_socket(Descriptor fd) {
    if (fd != fd_of(fd)) return Errc::bad_descriptor;
    int type = 0;
    socklen_t size = sizeof type;
    if (::getsockopt(fd_of(fd), SOL_SOCKET, SO_TYPE, &type, &size) != 0) return failure();
    const Result r = make_nonblocking(fd);
    if (r.is_error()) return r;
    return posix::make_quiet(fd_of(fd)) == 0 ? Result::of(type) : failure();
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

}  // namespace socket2::sys
