#include "core/io/option.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "core/io/posix/multicast.h"
#include "core/io/posix/syscalls.h"

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
    both("rcvlowat", kInt, SOL_SOCKET, SO_RCVLOWAT),
    both("reuseaddr", kBool, SOL_SOCKET, SO_REUSEADDR),
    both("reuseport", kBool, SOL_SOCKET, SO_REUSEPORT),
    both("sndbuf", kInt, SOL_SOCKET, SO_SNDBUF),
    both("tcp_nodelay", kBool, IPPROTO_TCP, TCP_NODELAY),
    both("tcp_maxseg", kInt, IPPROTO_TCP, TCP_MAXSEG),
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

Result result_of(int r) { return r == 0 ? Result::done() : Result(posix::errc_of(errno), errno); }

Result set_raw(Descriptor fd, OptionName option, const void* value, size_t size) {
    return result_of(::setsockopt(static_cast<int>(fd), option.level, option.name, value,
                                  static_cast<socklen_t>(size)));
}

Result get_raw(Descriptor fd, OptionName option, void* value, socklen_t& size) {
    return result_of(::getsockopt(static_cast<int>(fd), option.level, option.name, value, &size));
}

template <typename T>
Result get_raw(Descriptor fd, OptionName option, T& value) {
    socklen_t size = sizeof value;
    return get_raw(fd, option, &value, size);
}

// Calls visit(name, address) for the interfaces' IPv4 addresses until it returns true.
template <typename Visit>
Result visit_inet_addresses(Visit visit) {
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list) != 0) return Result(posix::errc_of(errno), errno);
    for (const ifaddrs* i = list; i != nullptr; i = i->ifa_next) {
        if (i->ifa_addr == nullptr || i->ifa_addr->sa_family != AF_INET) continue;
        sockaddr_in address;
        std::memcpy(&address, i->ifa_addr, sizeof address);
        if (visit(i->ifa_name, address.sin_addr)) break;
    }
    ::freeifaddrs(list);
    return Result::done();
}

// The interface that has the address.
Result index_with(const in_addr& wanted) {
    Result found = Errc::no_such_device;
    const Result r = visit_inet_addresses([&](const char* name, const in_addr& address) {
        if (address.s_addr != wanted.s_addr) return false;
        found = Result::of(static_cast<int>(::if_nametoindex(name)));
        return true;
    });
    return r.is_error() ? r : found;
}

// IPv4's interface for sending multicast: the struct that takes an index cannot be read back as
// one, so the address that the system answers with is looked up.
Result get_inet_interface(Descriptor fd, OptionName option, int& value) {
    in_addr ip{};
    const Result r = get_raw(fd, option, ip);
    value = 0;
    if (r.is_error() || ip.s_addr == htonl(INADDR_ANY)) return r;
    const Result index = index_with(ip);
    if (index.is_error()) return index;
    value = index.value();
    return r;
}

}  // namespace

in_addr posix::inet_address(int index) {
    in_addr found{htonl(INADDR_ANY)};
    const Result r = visit_inet_addresses([&](const char* name, const in_addr& address) {
        if (static_cast<int>(::if_nametoindex(name)) != index) return false;
        found = address;
        return true;
    });
    static_cast<void>(r);
    return found;
}

const Option* find_option(std::string_view name) {
    const Option* option = find_in(kOptions, name);
    return option != nullptr ? option : find_in(system_options(), name);
}

Result set_option(Descriptor fd, bool inet6, const Option& option, int value) {
    const OptionName name = name_for(option, inet6);
    switch (option.kind) {
        case OptionKind::boolean:
        case OptionKind::integer:
            return result_of(posix::set_number(static_cast<int>(fd), name.level, name.name, value));
        case OptionKind::linger: {
            const linger how{value >= 0 ? 1 : 0, value >= 0 ? value : 0};
            return set_raw(fd, name, &how, sizeof how);
        }
        case OptionKind::interface: {
            if (inet6) return set_raw(fd, name, &value, sizeof value);
            return result_of(posix::set_multicast_interface(static_cast<int>(fd), value));
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
            value = os_code == 0 ? 0 : static_cast<int>(posix::errc_of(os_code));
            return r;
        }
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
    return set_raw(fd, option.inet, text, std::strlen(text));
}

Result get_option(Descriptor fd, const Option& option, std::string& text) {
    if (option.kind != OptionKind::text) return Errc::invalid_argument;
    char value[256];
    socklen_t size = sizeof value;
    const Result r = get_raw(fd, option.inet, value, size);
    if (r.ok()) text.assign(value, ::strnlen(value, size));
    return r;
}

Result set_membership(Descriptor fd, bool join, const SockAddr& group, int interface) {
    if (interface < 0) return Errc::invalid_argument;
    sockaddr_storage address{};
    std::memcpy(&address, group.bytes, group.size);
    return result_of(posix::set_membership(static_cast<int>(fd), join, address, interface));
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
    return index_with(wanted);
}

}  // namespace socket2
