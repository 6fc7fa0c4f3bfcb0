// The socket options that all systems have.
#include "core/sys/option.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstdlib>
#include <cstring>

#include "core/sys/error.h"
#include "core/sys/option_calls.h"

namespace socket2 {
namespace {

constexpr OptionKind kBool = OptionKind::boolean;
constexpr OptionKind kInt = OptionKind::integer;

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
    both("v6only", kBool, IPPROTO_IPV6, IPV6_V6ONLY),
    {"ttl", kInt, {IPPROTO_IP, IP_TTL}, {IPPROTO_IPV6, IPV6_UNICAST_HOPS}},
    {"tos", kInt, {IPPROTO_IP, IP_TOS}, {IPPROTO_IPV6, IPV6_TCLASS}},
    {"multicast_ttl", kInt, {IPPROTO_IP, IP_MULTICAST_TTL}, {IPPROTO_IPV6, IPV6_MULTICAST_HOPS}},
    {"multicast_loop", kBool, {IPPROTO_IP, IP_MULTICAST_LOOP}, {IPPROTO_IPV6, IPV6_MULTICAST_LOOP}},
    {"multicast_if",
     OptionKind::interface,
     {IPPROTO_IP, IP_MULTICAST_IF},
     {IPPROTO_IPV6, IPV6_MULTICAST_IF}},
};

const Option* find_in(std::span<const Option> options, std::string_view name) {
    for (const Option& option : options) {
        if (name == option.name) return &option;
    }
    return nullptr;
}

OptionName name_for(const Option& option, bool inet6) { return inet6 ? option.inet6 : option.inet; }

template <typename T>
Result get(Descriptor fd, OptionName option, T& value) {
    size_t size = sizeof value;
    return sys::get_raw(fd, option, &value, size);
}

// IPv4's interface for sending multicast. The system gives an address that the interface has, or
// 0.0.0.index.
Result get_inet_interface(Descriptor fd, OptionName option, int& value) {
    in_addr ip{};
    const Result r = get(fd, option, ip);
    const uint32_t number = ntohl(ip.s_addr);
    if (r.is_error() || number < (1u << 24)) {
        value = static_cast<int>(number);
        return r;
    }
    const Result index = sys::interface_with(ip);
    if (index.is_error()) return index;
    value = index.value();
    return r;
}

Result set_linger(Descriptor fd, OptionName option, int seconds) {
    linger how{};
    how.l_onoff = seconds >= 0 ? 1 : 0;
    how.l_linger = static_cast<decltype(how.l_linger)>(seconds >= 0 ? seconds : 0);
    if (seconds > 0 && how.l_linger != seconds) return Errc::invalid_argument;  // no room for it
    return sys::set_raw(fd, option, &how, sizeof how);
}

Result get_linger(Descriptor fd, OptionName option, int& seconds) {
    linger how{};
    const Result r = get(fd, option, how);
    seconds = how.l_onoff != 0 ? how.l_linger : -1;
    return r;
}

Result get_error(Descriptor fd, OptionName option, int& value) {
    int os_code = 0;
    const Result r = get(fd, option, os_code);
    value = os_code == 0 ? 0 : static_cast<int>(sys::errc_of(os_code));
    return r;
}

}  // namespace

const Option* find_option(std::string_view name) {
    const Option* option = find_in(kOptions, name);
    return option != nullptr ? option : find_in(system_options(), name);
}

Result set_option(Descriptor fd, bool inet6, const Option& option, int value) {
    const OptionName name = name_for(option, inet6);
    switch (option.kind) {
        case OptionKind::boolean:
        case OptionKind::integer:
            return sys::set_number(fd, name, value);
        case OptionKind::linger:
            return set_linger(fd, name, value);
        case OptionKind::interface:
            return inet6 ? sys::set_inet6_interface(fd, name, value)
                         : sys::set_inet_interface(fd, name, value);
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
        case OptionKind::integer:
            return sys::get_number(fd, name, value);
        case OptionKind::linger:
            return get_linger(fd, name, value);
        case OptionKind::interface:
            return inet6 ? get(fd, name, value) : get_inet_interface(fd, name, value);
        case OptionKind::error:
            return get_error(fd, name, value);
        case OptionKind::text:
            break;
    }
    return Errc::invalid_argument;
}

Result set_option(Descriptor fd, bool inet6, const Option& option, const char* text) {
    if (option.kind == OptionKind::interface) {
        const Result index = interface_index(text);
        return index.is_error() ? index : set_option(fd, inet6, option, index.value());
    }
    if (option.kind != OptionKind::text) return Errc::invalid_argument;
    return sys::set_raw(fd, option.inet, text, std::strlen(text));
}

Result get_option(Descriptor fd, const Option& option, std::string& text) {
    if (option.kind != OptionKind::text) return Errc::invalid_argument;
    char value[256];
    size_t size = sizeof value;
    const Result r = sys::get_raw(fd, option.inet, value, size);
    if (r.ok()) text.assign(value, ::strnlen(value, size));
    return r;
}

Result set_membership(Descriptor fd, bool join, const SockAddr& group, int interface) {
    return interface < 0 ? Errc::invalid_argument : sys::set_membership(fd, join, group, interface);
}

Result interface_index(const char* text) {
    const unsigned named = ::if_nametoindex(text);
    if (named != 0) return Result::of(static_cast<int>(named));
    char* end = nullptr;
    const long number = std::strtol(text, &end, 10);
    if (end != text && *end == '\0' && number >= 0 && number <= INT32_MAX) {
        return Result::of(static_cast<int>(number));
    }
    in_addr wanted;
    if (::inet_pton(AF_INET, text, &wanted) != 1) return Errc::no_such_device;
    if (wanted.s_addr == htonl(INADDR_ANY)) return Result::of(0);
    return sys::interface_with(wanted);
}

}  // namespace socket2
