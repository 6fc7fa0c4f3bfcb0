// The socket options that Windows has.
#include "core/io/option.h"

#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

#include "core/io/windows/error.h"
#include "core/io/windows/winsock.h"

namespace socket2 {

using windows::socket_of;

namespace {

constexpr OptionKind kBool = OptionKind::boolean;
constexpr OptionKind kInt = OptionKind::integer;

// Windows 10's, not in mingw's headers.
constexpr int kTcpKeepIdle = 3;
constexpr int kTcpKeepCount = 16;
constexpr int kTcpKeepInterval = 17;

constexpr Option kOptions[] = {
    both("acceptconn", kBool, SOL_SOCKET, SO_ACCEPTCONN),
    both("broadcast", kBool, SOL_SOCKET, SO_BROADCAST),
    both("dontroute", kBool, SOL_SOCKET, SO_DONTROUTE),
    both("error", OptionKind::error, SOL_SOCKET, SO_ERROR),
    both("keepalive", kBool, SOL_SOCKET, SO_KEEPALIVE),
    both("linger", OptionKind::linger, SOL_SOCKET, SO_LINGER),
    both("oobinline", kBool, SOL_SOCKET, SO_OOBINLINE),
    both("rcvbuf", kInt, SOL_SOCKET, SO_RCVBUF),
    both("reuseaddr", kBool, SOL_SOCKET, SO_REUSEADDR),
    both("sndbuf", kInt, SOL_SOCKET, SO_SNDBUF),
    both("tcp_nodelay", kBool, IPPROTO_TCP, TCP_NODELAY),
    both("tcp_keepcnt", kInt, IPPROTO_TCP, kTcpKeepCount),
    both("tcp_keepidle", kInt, IPPROTO_TCP, kTcpKeepIdle),
    both("tcp_keepintvl", kInt, IPPROTO_TCP, kTcpKeepInterval),
    both("v6only", kBool, IPPROTO_IPV6, IPV6_V6ONLY),
    {"ttl", kInt, {IPPROTO_IP, IP_TTL}, {IPPROTO_IPV6, IPV6_UNICAST_HOPS}},
    {"tos", kInt, {IPPROTO_IP, IP_TOS}, {IPPROTO_IPV6, IPV6_TCLASS}},
    {"hdrincl", kBool, {IPPROTO_IP, IP_HDRINCL}, {IPPROTO_IPV6, IPV6_HDRINCL}},
    {"multicast_ttl", kInt, {IPPROTO_IP, IP_MULTICAST_TTL}, {IPPROTO_IPV6, IPV6_MULTICAST_HOPS}},
    {"multicast_loop", kBool, {IPPROTO_IP, IP_MULTICAST_LOOP}, {IPPROTO_IPV6, IPV6_MULTICAST_LOOP}},
    {"multicast_if",
     OptionKind::interface,
     {IPPROTO_IP, IP_MULTICAST_IF},
     {IPPROTO_IPV6, IPV6_MULTICAST_IF}},
};

OptionName name_for(const Option& option, bool inet6) { return inet6 ? option.inet6 : option.inet; }

Result set_raw(Descriptor fd, OptionName option, const void* value, size_t size) {
    const int r = ::setsockopt(socket_of(fd), option.level, option.name,
                               static_cast<const char*>(value), static_cast<int>(size));
    return r == 0 ? Result::done() : windows::last_failure();
}

template <typename T>
Result get_raw(Descriptor fd, OptionName option, T& value) {
    int size = sizeof value;
    const int r = ::getsockopt(socket_of(fd), option.level, option.name,
                               reinterpret_cast<char*>(&value), &size);
    return r == 0 ? Result::done() : windows::last_failure();
}

// What POSIX calls so is always on for streams, whose listeners are exclusive; Windows' own would let
// others take the port.
bool is_always_on(Descriptor fd, OptionName option) {
    int type = 0;
    return option.level == SOL_SOCKET && option.name == SO_REUSEADDR &&
           get_raw(fd, {SOL_SOCKET, SO_TYPE}, type).ok() && type == SOCK_STREAM;
}

// Read back, IPv4's interface for sending multicast may be an address, or "0.0.0.index".
Result get_inet_interface(Descriptor fd, OptionName option, int& value) {
    in_addr ip{};
    const Result r = get_raw(fd, option, ip);
    const u_long number = ntohl(ip.s_addr);
    if (r.is_error() || number < (1u << 24)) {
        value = static_cast<int>(number);
        return r;
    }
    char text[INET_ADDRSTRLEN] = "";
    ::inet_ntop(AF_INET, &ip, text, sizeof text);
    const Result index = interface_index(text);
    if (index.ok()) value = index.value();
    return index.is_error() ? index : r;
}

// Calls found(index, address) with the IPv4 addresses of all interfaces, until it says true: whether it did.
template <typename Found>
Result find_interface(Found found) {
    ULONG size = 1u << 15;
    const std::unique_ptr<char[]> room(new (std::nothrow) char[size]);
    if (!room) return Errc::out_of_memory;
    auto* const list = reinterpret_cast<IP_ADAPTER_ADDRESSES*>(room.get());
    if (::GetAdaptersAddresses(AF_INET, 0, nullptr, list, &size) != 0) return Errc::no_such_device;
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

// What IPv4's options name an interface by; 0 is the system's choice.
Result address_of_interface(int index, in_addr& address) {
    address.s_addr = htonl(INADDR_ANY);
    if (index == 0) return Result::done();
    return find_interface([&](ULONG has, const in_addr& its) {
        address = its;
        return has == static_cast<ULONG>(index);
    });
}

Result set_inet_interface(Descriptor fd, OptionName option, int index) {
    in_addr address;
    const Result found = address_of_interface(index, address);
    return found.ok() ? set_raw(fd, option, &address, sizeof address) : found;
}

Result set_inet_membership(Descriptor fd, bool join, const SockAddr& group, int index) {
    ip_mreq request{};
    const Result found = address_of_interface(index, request.imr_interface);
    if (found.is_error()) return found;
    sockaddr_in address;
    std::memcpy(&address, group.bytes, sizeof address);
    request.imr_multiaddr = address.sin_addr;
    return set_raw(fd, {IPPROTO_IP, join ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP}, &request,
                   sizeof request);
}

Result set_inet6_membership(Descriptor fd, bool join, const SockAddr& group, int interface) {
    sockaddr_in6 address;
    std::memcpy(&address, group.bytes, sizeof address);
    ipv6_mreq request{address.sin6_addr, static_cast<ULONG>(interface)};
    return set_raw(fd, {IPPROTO_IPV6, join ? IPV6_ADD_MEMBERSHIP : IPV6_DROP_MEMBERSHIP}, &request,
                   sizeof request);
}

// An option of another protocol than the socket's.
bool is_strange(Descriptor fd, bool inet6, OptionName option) {
    int type = 0;
    if (option.level == IPPROTO_IPV6) return !inet6;
    return option.level == IPPROTO_TCP && get_raw(fd, {SOL_SOCKET, SO_TYPE}, type).ok() &&
           type != SOCK_STREAM;
}

}  // namespace

const Option* find_option(std::string_view name) {
    for (const Option& option : kOptions) {
        if (name == option.name) return &option;
    }
    return nullptr;
}

std::span<const Option> system_options() { return {}; }

Result set_option(Descriptor fd, bool inet6, const Option& option, int value) {
    const OptionName name = name_for(option, inet6);
    if (is_strange(fd, inet6, name)) return Errc::not_supported;
    switch (option.kind) {
        case OptionKind::boolean:
            if (is_always_on(fd, name)) return Result::done();
            [[fallthrough]];
        case OptionKind::integer:
            return set_raw(fd, name, &value, sizeof value);
        case OptionKind::linger: {
            const linger how{static_cast<u_short>(value >= 0 ? 1 : 0),
                             static_cast<u_short>(value >= 0 ? value : 0)};
            return set_raw(fd, name, &how, sizeof how);
        }
        case OptionKind::interface:
            if (!inet6) return set_inet_interface(fd, name, value);
            if (const Result r = set_raw(fd, name, &value, sizeof value);
                r.os_code() != WSAEINVAL) {
                return r;
            }
            return {Errc::no_such_device, WSAEINVAL};
        case OptionKind::text:
        case OptionKind::error:
            break;
    }
    return Errc::invalid_argument;
}

Result get_option(Descriptor fd, bool inet6, const Option& option, int& value) {
    const OptionName name = name_for(option, inet6);
    value = 0;
    if (is_strange(fd, inet6, name)) return Errc::not_supported;
    switch (option.kind) {
        case OptionKind::boolean:
            if (is_always_on(fd, name)) {
                value = 1;
                return Result::done();
            }
            [[fallthrough]];
        case OptionKind::integer:
            return get_raw(fd, name, value);
        case OptionKind::linger: {
            linger how{};
            const Result r = get_raw(fd, name, how);
            value = how.l_onoff != 0 ? how.l_linger : -1;
            return r;
        }
        case OptionKind::interface:
            return inet6 ? get_raw(fd, name, value) : get_inet_interface(fd, name, value);
        case OptionKind::error: {
            int os_code = 0;
            const Result r = get_raw(fd, name, os_code);
            value = os_code == 0 ? 0 : windows::failure(os_code).value();
            return r;
        }
        case OptionKind::text:
            break;
    }
    return Errc::invalid_argument;
}

Result set_option(Descriptor fd, bool inet6, const Option& option, const char* text) {
    if (option.kind != OptionKind::interface) return Errc::invalid_argument;
    const Result index = interface_index(text);
    return index.is_error() ? index : set_option(fd, inet6, option, index.value());
}

// There is none with a text.
Result get_option(Descriptor, const Option&, std::string&) { return Errc::invalid_argument; }

Result set_membership(Descriptor fd, bool join, const SockAddr& group, int interface) {
    if (interface < 0) return Errc::invalid_argument;
    const Result r = windows::in(group)->sa_family == AF_INET
                         ? set_inet_membership(fd, join, group, interface)
                         : set_inet6_membership(fd, join, group, interface);
    // One code for several things.
    if (r.os_code() != WSAEINVAL || !is_multicast(group)) return r;
    if (!is_there(interface)) return {Errc::no_such_device, WSAEINVAL};
    return join ? r : Result(Errc::address_not_available, WSAEINVAL);
}

Result interface_index(const char* text) {
    const unsigned named = ::if_nametoindex(text);
    if (named != 0) return Result::of(static_cast<int>(named));
    char* end = nullptr;
    const long number = std::strtol(text, &end, 10);
    if (end != text && *end == '\0' && number >= 0) return Result::of(static_cast<int>(number));
    in_addr wanted;
    if (::inet_pton(AF_INET, text, &wanted) != 1) return Errc::no_such_device;
    if (wanted.s_addr == htonl(INADDR_ANY)) return Result::of(0);
    return find_interface([&](ULONG, const in_addr& its) { return its.s_addr == wanted.s_addr; });
}

}  // namespace socket2
