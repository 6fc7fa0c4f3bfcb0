// Sockets, descriptors and files; so far every descriptor here is a socket.
#include "core/sys/socket.h"

#include <algorithm>
#include <climits>
#include <cstring>

#include "core/sys/descriptor.h"
#include "core/sys/file.h"
#include "core/sys/windows/error.h"
#include "core/sys/windows/winsock.h"

namespace socket2::sys {
namespace {

using windows::in;
using windows::last_failure;
using windows::out;
using windows::socket_of;

// How much one call can take.
int length(size_t size) { return static_cast<int>(std::min<size_t>(size, INT_MAX)); }

constexpr DWORD kNotConnected = 0xffffffff;  // SO_CONNECT_TIME

// How much room a socket in blocking mode has when it is writable.
constexpr size_t kRoomWhenWritable = 4096;

// The value of a call that returns less than 0 on failure.
template <typename Call>
Result checked(Call call) {
    const int n = call();
    if (n >= 0) return Result::of(n);
    const Result r = last_failure();
    return r.os_code() == WSAEWOULDBLOCK ? Result::pending() : r;
}

void set_size(SockAddr& address, int size) {
    address.size = std::min(static_cast<uint32_t>(size), SockAddr::kCapacity);
}

template <typename Call>
Result address_of(SockAddr& address, Call call) {
    int size = SockAddr::kCapacity;
    if (call(out(address), &size) != 0) return last_failure();
    set_size(address, size);
    return Result::done();
}

template <typename T>
Result set(Descriptor fd, int level, int name, const T& value) {
    return checked([&] {
        return ::setsockopt(socket_of(fd), level, name, reinterpret_cast<const char*>(&value),
                            sizeof value);
    });
}

Result type_of(Descriptor fd) {
    int type = 0;
    int size = sizeof type;
    const int r =
        ::getsockopt(socket_of(fd), SOL_SOCKET, SO_TYPE, reinterpret_cast<char*>(&type), &size);
    return r == 0 ? Result::of(type) : last_failure();
}

// Whether a call would be over at once, even in blocking mode. A stream without a connection
// refuses calls at once, but a poll does not report that.
Result is_quick(Descriptor fd, uint8_t direction) {
    const Result r = is_ready(fd, direction);
    if (!r.is_pending() || type_of(fd).value() != SOCK_STREAM) return r;
    SockAddr peer;
    return remote_address(fd, peer).os_code() == WSAENOTCONN ? Result::done() : r;
}

// The address of zeros in a socket's family.
Result unbound_address(Descriptor fd, SockAddr& address) {
    const int family = windows::protocol_of(fd).iAddressFamily;
    address = SockAddr{};
    out(address)->sa_family = static_cast<ADDRESS_FAMILY>(family);
    address.size = family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
    return Result::done();
}

constexpr DWORD kReportNetReset =
    _WSAIOW(IOC_VENDOR, 15);  // SIO_UDP_NETRESET, not in mingw's headers

// Otherwise one report that a datagram did not arrive ends a receive from all senders.
void ignore_answers(Descriptor fd) {
    for (const DWORD what : {DWORD{SIO_UDP_CONNRESET}, kReportNetReset}) {
        BOOL report = FALSE;
        DWORD size = 0;
        ::WSAIoctl(socket_of(fd), what, &report, sizeof report, nullptr, 0, &size, nullptr,
                   nullptr);
    }
}

// Sets a new socket up to behave like on other systems.
Result set_up(Descriptor fd, int family, int type) {
    Result r = make_nonblocking(fd);
    if (r.is_error()) return r;
    if (type == SOCK_DGRAM) ignore_answers(fd);
    // Otherwise others can take the port of a listener.
    if (type == SOCK_STREAM && family != AF_UNIX)
        r = set(fd, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, BOOL{TRUE});
    return r;
}

}  // namespace
}  // namespace socket2::sys

WSAPROTOCOL_INFOW socket2::windows::protocol_of(Descriptor fd) {
    WSAPROTOCOL_INFOW protocol{};
    int size = sizeof protocol;
    ::getsockopt(socket_of(fd), SOL_SOCKET, SO_PROTOCOL_INFOW, reinterpret_cast<char*>(&protocol),
                 &size);
    return protocol;
}

bool socket2::windows::was_reset(Descriptor fd) {
    WSAPOLLFD one{socket_of(fd), POLLRDNORM, 0};
    return ::WSAPoll(&one, 1, 0) > 0 && (one.revents & POLLERR) != 0;
}

namespace socket2::sys {

void start() {
    // Started until the process ends, because a lookup's thread may outlive everything else.
    static const int started = [] {
        // Keeps the library loaded as long.
        HMODULE self = nullptr;
        ::GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN,
                             reinterpret_cast<LPCWSTR>(&start), &self);
        WSADATA data;
        return ::WSAStartup(MAKEWORD(2, 2), &data);
    }();
    static_cast<void>(started);
}

Result open_socket(int family, int type, int protocol) {
    start();
    const SOCKET s = ::WSASocketW(family, type, protocol, nullptr, 0,
                                  WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
    if (s == INVALID_SOCKET) return last_failure();
    // Only 32 bits of a handle are significant.
    const int fd = static_cast<int>(s);
    const Result r = set_up(fd, family, type);
    if (r.is_error()) close_descriptor(fd);
    return r.is_error() ? r : Result::of(fd);
}

void close_descriptor(Descriptor fd) {
    if (::closesocket(socket_of(fd)) == 0 || ::WSAGetLastError() != WSAEWOULDBLOCK) return;
    // A lingering socket that has data left stays open in non-blocking mode.
    u_long off = 0;
    ::ioctlsocket(socket_of(fd), FIONBIO, &off);
    ::closesocket(socket_of(fd));
}

Result bind(Descriptor fd, const SockAddr& address) {
    // Wine would bind it once more.
    SockAddr has;
    int size = SockAddr::kCapacity;
    if (::getsockname(socket_of(fd), out(has), &size) == 0 && out(has)->sa_family != AF_UNIX) {
        return windows::failure(WSAEINVAL);
    }
    return checked(
        [&] { return ::bind(socket_of(fd), in(address), static_cast<int>(address.size)); });
}

Result listen(Descriptor fd, int backlog) {
    const Result r = checked([&] { return ::listen(socket_of(fd), backlog); });
    if (r.os_code() != WSAEINVAL) return r;
    // Windows needs a bound socket; elsewhere the system picks an address.
    SockAddr any;
    const Result bound = unbound_address(fd, any).ok() ? bind(fd, any) : r;
    return bound.is_error() ? r : checked([&] { return ::listen(socket_of(fd), backlog); });
}

Result accept(Descriptor fd, Descriptor& accepted, SockAddr* peer) {
    for (;;) {
        SockAddr address;
        int size = SockAddr::kCapacity;
        const SOCKET s = ::accept(socket_of(fd), out(address), &size);
        if (s != INVALID_SOCKET) {
            accepted = static_cast<Descriptor>(s);
            set_size(address, size);
            if (peer != nullptr) *peer = address;
            return make_nonblocking(accepted);
        }
        const int code = ::WSAGetLastError();
        if (code == WSAECONNRESET || code == WSAECONNABORTED) continue;
        if (code == WSAEWOULDBLOCK) return Result::pending();
        return code == WSAEINVAL ? Result(Errc::not_listening, code) : windows::failure(code);
    }
}

Result connect(Descriptor fd, const SockAddr& address) {
    const auto call = [&] {
        return ::connect(socket_of(fd), in(address), static_cast<int>(address.size));
    };
    const Result r = checked(call);
    // Wine reports an earlier refusal once more.
    return r.os_code() == WSAECONNABORTED ? checked(call) : r;
}

Result connect_result(Descriptor fd) {
    int os_code = 0;
    int size = sizeof os_code;
    if (::getsockopt(socket_of(fd), SOL_SOCKET, SO_ERROR, reinterpret_cast<char*>(&os_code),
                     &size) != 0) {
        return last_failure();
    }
    if (os_code != 0) return windows::failure(os_code);
    SockAddr peer;
    const Result r = remote_address(fd, peer);
    return r.os_code() == WSAENOTCONN ? Result::pending() : r;
}

Result disconnect(Descriptor fd) {
    SockAddr none{};
    // Without a peer the connect would only bind it.
    if (remote_address(fd, none).os_code() == WSAENOTCONN) return Result::done();
    const Result r = local_address(fd, none);
    if (r.is_error()) return r;
    // An address of zeros, with the family.
    const sa_family_t family = out(none)->sa_family;
    std::memset(none.bytes, 0, sizeof none.bytes);
    out(none)->sa_family = family;
    return connect(fd, none);
}

Result recv(Descriptor fd, void* data, size_t size) {
    const Result r =
        checked([&] { return ::recv(socket_of(fd), static_cast<char*>(data), length(size), 0); });
    // This side is shut down: the end of the stream, like on other systems.
    if (r.os_code() == WSAESHUTDOWN) return Result::done();
    if (r.is_error()) return windows::connection_failure(r.os_code());
    // Wine reports a reset as the end.
    const bool reset = r.ok() && r.value() == 0 && size > 0 && windows::was_reset(fd);
    return reset ? windows::failure(WSAECONNRESET) : r;
}

namespace {

Result checked_send(Descriptor fd, Result r) {
    if (r.os_code() == WSAECONNABORTED) return windows::connection_failure(r.os_code());
    if (r.error() != Errc::connection_reset || windows::was_reset(fd)) return r;
    // Wine says this about a socket that was never connected. (Nor has it a peer after the end.)
    DWORD seconds = 0;
    int room = sizeof seconds;
    const int told = ::getsockopt(socket_of(fd), SOL_SOCKET, SO_CONNECT_TIME,
                                  reinterpret_cast<char*>(&seconds), &room);
    return told == 0 && seconds == kNotConnected ? windows::failure(WSAENOTCONN) : r;
}

}  // namespace

Result send(Descriptor fd, const void* data, size_t size) {
    return checked_send(fd, checked([&] {
                            return ::send(socket_of(fd), static_cast<const char*>(data),
                                          length(size), 0);
                        }));
}

Result send(Descriptor fd, const Slice* slices, size_t count) {
    WSABUF pieces[kMaxSlices];
    count = std::min(count, kMaxSlices);
    std::transform(slices, slices + count, pieces, [](const Slice& slice) {
        return WSABUF{static_cast<ULONG>(length(slice.size)),
                      static_cast<char*>(const_cast<void*>(slice.data))};
    });
    return checked_send(fd, checked([&] {
                            DWORD sent = 0;
                            const int failed =
                                ::WSASend(socket_of(fd), pieces, static_cast<DWORD>(count), &sent,
                                          0, nullptr, nullptr);
                            return failed == 0 ? static_cast<int>(sent) : SOCKET_ERROR;
                        }));
}

Result recv_from(Descriptor fd, void* data, size_t size, SockAddr& from, bool& truncated) {
    from = SockAddr{};
    int from_size = SockAddr::kCapacity;
    Result r = checked([&] {
        return ::recvfrom(socket_of(fd), static_cast<char*>(data), length(size), 0, out(from),
                          &from_size);
    });
    truncated = r.os_code() == WSAEMSGSIZE;
    if (truncated) r = Result::of(length(size));
    if (r.ok()) set_size(from, from_size);
    return r;
}

Result send_to(Descriptor fd, const void* data, size_t size, const SockAddr* to) {
    if (to == nullptr) {
        // Wine sends to nowhere after a disconnect.
        SockAddr peer;
        const Result r = remote_address(fd, peer);
        return r.ok() ? send(fd, data, size)
                      : Result(Errc::destination_address_required, r.os_code());
    }
    return checked([&] {
        return ::sendto(socket_of(fd), static_cast<const char*>(data), length(size), 0, in(*to),
                        static_cast<int>(to->size));
    });
}

Result is_ready(Descriptor fd, uint8_t direction) {
    WSAPOLLFD one{};
    one.fd = socket_of(fd);
    one.events = direction == kReadable ? POLLRDNORM : POLLWRNORM;
    const Result r = checked([&] { return ::WSAPoll(&one, 1, 0); });
    if ((one.revents & POLLNVAL) != 0) return Errc::bad_descriptor;
    if (r.is_error()) return r;
    return r.value() == 0 ? Result::pending() : Result::done();
}

Result open_path(const char*) { return Errc::not_supported; }

Result read(Descriptor fd, void* data, size_t size) {
    const Result r = is_quick(fd, kReadable);
    return r.ok() ? recv(fd, data, size) : r;
}

Result write(Descriptor fd, const void* data, size_t size) {
    const Result r = is_quick(fd, kWritable);
    return r.ok() ? send(fd, data, std::min(size, kRoomWhenWritable)) : r;
}

Result make_nonblocking(Descriptor fd) {
    u_long on = 1;
    if (::ioctlsocket(socket_of(fd), FIONBIO, &on) != 0) {
        const Result r = last_failure();
        // For a descriptor that is not a socket the code depends on what it is.
        const Result type = type_of(fd);
        return type.is_error() ? type : r;
    }
    ::SetHandleInformation(windows::handle_of(fd), HANDLE_FLAG_INHERIT, 0);
    return Result::done();
}

Result adopt_socket(Descriptor fd) {
    start();
    const Result type = type_of(fd);
    if (type.is_error()) return type;
    if (type.value() == SOCK_DGRAM) ignore_answers(fd);
    const Result r = make_nonblocking(fd);
    return r.is_error() ? r : type;
}

Result never_blocks(Descriptor fd) {
    start();
    const Result type = type_of(fd);
    return type.is_error() ? type : Result::of(0);
}

Result shutdown(Descriptor fd, int directions) {
    const int how = directions == kReadable   ? SD_RECEIVE
                    : directions == kWritable ? SD_SEND
                                              : SD_BOTH;
    return checked([&] { return ::shutdown(socket_of(fd), how); });
}

Result local_address(Descriptor fd, SockAddr& address) {
    const Result r = address_of(
        address, [&](sockaddr* a, int* n) { return ::getsockname(socket_of(fd), a, n); });
    if (r.ok()) return r;
    // For a descriptor that is not a socket the code depends on what it is.
    const Result type = type_of(fd);
    if (type.is_error()) return type;
    // On other systems an unbound socket has an address of zeros.
    return r.os_code() == WSAEINVAL ? unbound_address(fd, address) : r;
}

Result remote_address(Descriptor fd, SockAddr& address) {
    return address_of(address,
                      [&](sockaddr* a, int* n) { return ::getpeername(socket_of(fd), a, n); });
}

}  // namespace socket2::sys
