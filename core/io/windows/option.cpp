// The socket options that Windows has.
#include "core/io/option.h"

#include <cstdlib>
#include <cstring>

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

// IPv4's interface for sending multicast is set by "0.0.0.index"; read back, it may be that or an
// address.
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

// The interface that has the address.
Result index_with(const in_addr& wanted) {
    ULONG index = 0;
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr = wanted;
    const ULONG size_guess = 1u << 15;
    ULONG size = size_guess;
    Result r = Errc::no_such_device;
    auto* list = static_cast<IP_ADAPTER_ADDRESSES*>(std::malloc(size));
    if (list == nullptr) return Errc::out_of_memory;
    if (::GetAdaptersAddresses(AF_INET, 0, nullptr, list, &size) == 0) {
        for (const auto* a = list; a != nullptr && index == 0; a = a->Next) {
            for (const auto* u = a->FirstUnicastAddress; u != nullptr; u = u->Next) {
                sockaddr_in has;
                std::memcpy(&has, u->Address.lpSockaddr, sizeof has);
                if (has.sin_addr.s_addr == wanted.s_addr) index = a->IfIndex;
            }
        }
    }
    std::free(list);
    if (index != 0) r = Result::of(static_cast<int>(index));
    return r;
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
        case OptionKind::interface: {
            const DWORD index =
                inet6 ? static_cast<DWORD>(value) : htonl(static_cast<u_long>(value));
            return set_raw(fd, name, &index, sizeof index);
        }
        case OptionKind::text:
        case OptionKind::error:
            break;
    }
    return Errc::invalid_argument;
}

Result get_option(Descriptor fd, bool inet6, const Option& option, int& value) {
    const OptionName name = name_for(option, inet6);
    value = 0;
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
    GROUP_REQ request{};
    request.gr_interface = static_cast<ULONG>(interface);
    std::memcpy(&request.gr_group, group.bytes, group.size);
    const int level = request.gr_group.ss_family == AF_INET6 ? int{IPPROTO_IPV6} : int{IPPROTO_IP};
    return set_raw(fd, {level, join ? MCAST_JOIN_GROUP : MCAST_LEAVE_GROUP}, &request,
                   sizeof request);
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
    return index_with(wanted);
}

}  // namespace socket2
