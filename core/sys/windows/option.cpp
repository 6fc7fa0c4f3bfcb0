// The socket options that Windows has besides the portable ones, and where it differs in the
// portable ones.
#include <cstring>
#include <memory>
#include <new>

#include "core/sys/option_calls.h"
#include "core/sys/windows/error.h"
#include "core/sys/windows/winsock.h"

namespace socket2 {

using windows::protocol_of;
using windows::socket_of;

namespace {

// Since Windows 10, but not in mingw's headers.
constexpr int kTcpKeepIdle = 3;
constexpr int kTcpKeepCount = 16;
constexpr int kTcpKeepInterval = 17;

constexpr Option kOptions[] = {
    both("tcp_keepcnt", OptionKind::integer, IPPROTO_TCP, kTcpKeepCount),
    both("tcp_keepidle", OptionKind::integer, IPPROTO_TCP, kTcpKeepIdle),
    both("tcp_keepintvl", OptionKind::integer, IPPROTO_TCP, kTcpKeepInterval),
    {"hdrincl", OptionKind::boolean, {IPPROTO_IP, IP_HDRINCL}, {IPPROTO_IPV6, IPV6_HDRINCL}},
};

// Whether an option belongs to another protocol than the socket's.
bool is_strange(Descriptor fd, OptionName option) {
    if (option.level == IPPROTO_IPV6) return protocol_of(fd).iAddressFamily != AF_INET6;
    return option.level == IPPROTO_TCP && protocol_of(fd).iSocketType != SOCK_STREAM;
}

// POSIX' option of this name is always on for streams, because their listeners are exclusive.
// Windows' own option of this name would let others take the port.
bool is_always_on(Descriptor fd, OptionName option) {
    return option.level == SOL_SOCKET && option.name == SO_REUSEADDR &&
           protocol_of(fd).iSocketType == SOCK_STREAM;
}

// Calls found(index, address) with the IPv4 addresses of all interfaces, until it returns true.
// Returns whether it did.
template <typename Found>
Result find_interface(Found found) {
    constexpr ULONG kFlags =
        GAA_FLAG_SKIP_ANYCAST | GAA_FLAG_SKIP_MULTICAST | GAA_FLAG_SKIP_DNS_SERVER;
    ULONG size = 1u << 15;
    std::unique_ptr<char[]> room;
    IP_ADAPTER_ADDRESSES* list = nullptr;
    ULONG code = ERROR_BUFFER_OVERFLOW;
    while (code == ERROR_BUFFER_OVERFLOW) {  // size is then what the call needs
        room.reset(new (std::nothrow) char[size]);
        if (!room) return Errc::out_of_memory;
        list = reinterpret_cast<IP_ADAPTER_ADDRESSES*>(room.get());
        code = ::GetAdaptersAddresses(AF_INET, kFlags, nullptr, list, &size);
    }
    if (code != 0) return Errc::no_such_device;
    for (const auto* a = list; a != nullptr; a = a->Next) {
        for (const auto* u = a->FirstUnicastAddress; u != nullptr; u = u->Next) {
            sockaddr_in has;
            std::memcpy(&has, u->Address.lpSockaddr, sizeof has);
            if (found(a->IfIndex, has.sin_addr)) return Result::of(static_cast<int>(a->IfIndex));
        }
    }
    return Errc::no_such_device;
}

bool is_there(int interface) {
    NET_LUID luid;
    return interface == 0 ||
           ::ConvertInterfaceIndexToLuid(static_cast<NET_IFINDEX>(interface), &luid) == NO_ERROR;
}

bool is_multicast(const SockAddr& address) {
    if (windows::in(address)->sa_family == AF_INET6) {
        sockaddr_in6 inet6;
        std::memcpy(&inet6, address.bytes, sizeof inet6);
        return inet6.sin6_addr.s6_addr[0] == 0xff;
    }
    sockaddr_in inet;
    std::memcpy(&inet, address.bytes, sizeof inet);
    return IN_MULTICAST(ntohl(inet.sin_addr.s_addr));
}

// What an IPv4 option names the interface by; 0 is the system's choice.
Result address_of_interface(int index, in_addr& address) {
    address.s_addr = htonl(INADDR_ANY);
    if (index == 0) return Result::done();
    return find_interface([&](ULONG has, const in_addr& its) {
        address = its;
        return has == static_cast<ULONG>(index);
    });
}

Result set_inet_membership(Descriptor fd, bool join, const SockAddr& group, int index) {
    ip_mreq request{};
    const Result found = address_of_interface(index, request.imr_interface);
    if (found.is_error()) return found;
    sockaddr_in address;
    std::memcpy(&address, group.bytes, sizeof address);
    request.imr_multiaddr = address.sin_addr;
    return sys::set_raw(fd, {IPPROTO_IP, join ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP}, &request,
                        sizeof request);
}

Result set_inet6_membership(Descriptor fd, bool join, const SockAddr& group, int interface) {
    sockaddr_in6 address;
    std::memcpy(&address, group.bytes, sizeof address);
    ipv6_mreq request{address.sin6_addr, static_cast<ULONG>(interface)};
    return sys::set_raw(fd, {IPPROTO_IPV6, join ? IPV6_ADD_MEMBERSHIP : IPV6_DROP_MEMBERSHIP},
                        &request, sizeof request);
}

}  // namespace

std::span<const Option> system_options() { return kOptions; }

namespace sys {

Result set_raw(Descriptor fd, OptionName option, const void* value, size_t size) {
    if (is_strange(fd, option)) return Errc::not_supported;
    const int r = ::setsockopt(socket_of(fd), option.level, option.name,
                               static_cast<const char*>(value), static_cast<int>(size));
    return r == 0 ? Result::done() : windows::last_failure();
}

Result get_raw(Descriptor fd, OptionName option, void* value, size_t& size) {
    if (is_strange(fd, option)) return Errc::not_supported;
    int length = static_cast<int>(size);
    const int r =
        ::getsockopt(socket_of(fd), option.level, option.name, static_cast<char*>(value), &length);
    size = static_cast<size_t>(length);
    return r == 0 ? Result::done() : windows::last_failure();
}

Result set_number(Descriptor fd, OptionName option, int value) {
    return is_always_on(fd, option) ? Result::done() : set_raw(fd, option, &value, sizeof value);
}

Result get_number(Descriptor fd, OptionName option, int& value) {
    size_t size = sizeof value;
    if (!is_always_on(fd, option)) return get_raw(fd, option, &value, size);
    value = 1;
    return Result::done();
}

Result set_inet_interface(Descriptor fd, OptionName option, int index) {
    in_addr address;
    const Result found = address_of_interface(index, address);
    return found.ok() ? set_raw(fd, option, &address, sizeof address) : found;
}

Result set_inet6_interface(Descriptor fd, OptionName option, int index) {
    const Result r = set_raw(fd, option, &index, sizeof index);
    return r.os_code() == WSAEINVAL ? Result(Errc::no_such_device, WSAEINVAL) : r;
}

Result set_membership(Descriptor fd, bool join, const SockAddr& group, int index) {
    const Result r = windows::in(group)->sa_family == AF_INET
                         ? set_inet_membership(fd, join, group, index)
                         : set_inet6_membership(fd, join, group, index);
    // The system has one code for several errors.
    if (r.os_code() != WSAEINVAL || !is_multicast(group)) return r;
    if (!is_there(index)) return {Errc::no_such_device, WSAEINVAL};
    return join ? r : Result(Errc::address_not_available, WSAEINVAL);
}

Result interface_with(const in_addr& address) {
    return find_interface([&](ULONG, const in_addr& its) { return its.s_addr == address.s_addr; });
}

}  // namespace sys
}  // namespace socket2
