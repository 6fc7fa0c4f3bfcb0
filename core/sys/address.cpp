#include "core/sys/address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>

namespace socket2 {
namespace {

static_assert(sizeof(sockaddr_un) <= SockAddr::kCapacity);
static_assert(sizeof(sockaddr_in6) <= SockAddr::kCapacity);

constexpr size_t kPathOffset = offsetof(sockaddr_un, sun_path);
constexpr size_t kPathCapacity = sizeof(sockaddr_un) - kPathOffset;

template <typename T>
T read_as(const SockAddr& raw) {
    T value;
    std::memcpy(&value, raw.bytes, sizeof value);
    return value;
}

// BSDs store the size in the address, too, and it counts when addresses are compared.
template <typename Any = sockaddr>
void set_size(SockAddr& raw, size_t size) {
    raw.size = static_cast<uint32_t>(size);
    if constexpr (requires(Any a) { a.sa_len; }) {
        raw.bytes[offsetof(Any, sa_len)] = static_cast<uint8_t>(size);
    }
}

template <typename T>
void write_as(SockAddr& raw, const T& value) {
    std::memcpy(raw.bytes, &value, sizeof value);
    set_size(raw, sizeof value);
}

SockAddr make_inet(const in_addr& ip, uint16_t port) {
    SockAddr raw{};
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_addr = ip;
    a.sin_port = htons(port);
    write_as(raw, a);
    return raw;
}

SockAddr make_inet6(const in6_addr& ip, uint16_t port, uint32_t scope) {
    SockAddr raw{};
    sockaddr_in6 a{};
    a.sin6_family = AF_INET6;
    a.sin6_addr = ip;
    a.sin6_port = htons(port);
    a.sin6_scope_id = scope;
    write_as(raw, a);
    return raw;
}

// "@name" is abstract: no file, gone with its last socket. A file with that name is "./@name".
Result make_unix(std::string_view path, SockAddr& raw) {
    const bool abstract = !path.empty() && (path[0] == '@' || path[0] == '\0');
    const std::string_view name = path.substr(abstract ? 1 : 0);
    if (name.empty()) return Errc::invalid_argument;
    if (!abstract && name.find('\0') != std::string_view::npos) return Errc::invalid_argument;
    if (abstract && !SockAddr::kAbstractNames) return Errc::not_supported;
    // A path ends with a zero, an abstract name does not.
    const size_t needed = name.size() + 1;
    if (needed > kPathCapacity) return Errc::path_too_long;
    sockaddr_un a{};
    a.sun_family = AF_UNIX;
    std::memcpy(a.sun_path + (abstract ? 1 : 0), name.data(), name.size());
    raw = SockAddr{};
    write_as(raw, a);
    set_size(raw, kPathOffset + needed);
    return Result::done();
}

std::optional<uint16_t> parse_port(std::string_view text) {
    unsigned value = 0;
    for (const char c : text) {
        value = value * 10 + static_cast<unsigned>(c - '0');
        if (value > 65535) return std::nullopt;
    }
    return static_cast<uint16_t>(value);
}

bool is_number(std::string_view text) {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// "::1" or "fe80::1%eth0" or "fe80::1%2".
Result parse_inet6(const std::string& host, uint16_t port, SockAddr& raw) {
    const size_t percent = host.find('%');
    in6_addr ip;
    if (::inet_pton(AF_INET6, host.substr(0, percent).c_str(), &ip) != 1) return Result::pending();
    uint32_t scope = 0;
    if (percent != std::string::npos) {
        const std::string zone = host.substr(percent + 1);
        if (is_number(zone) && zone.size() < 10) {
            scope = static_cast<uint32_t>(std::stoul(zone));
        } else {
            scope = ::if_nametoindex(zone.c_str());
        }
        if (scope == 0) return Errc::no_such_device;
    }
    raw = make_inet6(ip, port, scope);
    return Result::done();
}

in6_addr v4_mapped(const in_addr& ip) {
    in6_addr mapped{};
    mapped.s6_addr[10] = mapped.s6_addr[11] = 0xff;
    std::memcpy(mapped.s6_addr + 12, &ip, 4);
    return mapped;
}

// Pending: it is not an IP literal.
Result parse_ip(const Endpoint& endpoint, uint16_t port, SockAddr& raw) {
    const bool wants4 = endpoint.family != Family::inet6;
    const bool wants6 = endpoint.family != Family::inet;
    const std::string_view host = endpoint.host == nullptr ? "" : endpoint.host;
    if (endpoint.host == nullptr || host == "*") {
        const bool any = endpoint.host != nullptr;
        if (wants4) {
            in_addr ip{};
            ip.s_addr = htonl(any ? INADDR_ANY : INADDR_LOOPBACK);
            raw = make_inet(ip, port);
        } else {
            raw = make_inet6(any ? in6addr_any : in6addr_loopback, port, 0);
        }
        return Result::done();
    }
    in_addr ip;
    if (::inet_pton(AF_INET, endpoint.host, &ip) == 1) {
        if (wants4) {
            raw = make_inet(ip, port);
        } else if ((endpoint.flags & kV4Mapped) != 0) {
            raw = make_inet6(v4_mapped(ip), port, 0);
        } else {
            return Errc::address_family_not_supported;
        }
        return Result::done();
    }
    if (host.find(':') == std::string_view::npos) return Result::pending();
    const Result r = parse_inet6(std::string(host), port, raw);
    return r.ok() && !wants6 ? Errc::address_family_not_supported : r;
}

Address complete(const SockAddr& raw, const Endpoint& endpoint) {
    Address address{};
    address.raw = raw;
    address.type = static_cast<int32_t>(endpoint.type);
    if (endpoint.type == SocketType::raw) set_port(address.raw, 0);  // raw sockets have no port
    address.protocol = endpoint.protocol != 0 ? endpoint.protocol
                                              : default_protocol(endpoint.type, address.family());
    return address;
}

std::string unix_host(const SockAddr& raw) {
    if (raw.size <= kPathOffset) return "";
    const char* path = reinterpret_cast<const char*>(raw.bytes) + kPathOffset;
    const size_t size = std::min<size_t>(raw.size, SockAddr::kCapacity) - kPathOffset;
    if (SockAddr::kAbstractNames && path[0] == '\0')
        return std::string(1, '@').append(path + 1, size - 1);
    return std::string(path, ::strnlen(path, size));
}

}  // namespace

bool is_valid(SocketType type) {
    return type == SocketType::tcp || type == SocketType::udp || type == SocketType::raw;
}

bool is_valid(Family family) { return family >= Family::unspecified && family <= Family::local; }

int os_family(Family family) {
    switch (family) {
        case Family::inet:
            return AF_INET;
        case Family::inet6:
            return AF_INET6;
        case Family::local:
            return AF_UNIX;
        case Family::unspecified:
            break;
    }
    return AF_UNSPEC;
}

int os_socket_type(SocketType type) {
    return type == SocketType::tcp ? SOCK_STREAM : type == SocketType::udp ? SOCK_DGRAM : SOCK_RAW;
}

bool socket_type_of(int os_type, SocketType& out) {
    for (const SocketType type : {SocketType::tcp, SocketType::udp, SocketType::raw}) {
        if (os_socket_type(type) != os_type) continue;
        out = type;
        return true;
    }
    return false;
}

Family family_of(const SockAddr& raw) {
    sa_family_t family;
    if (raw.size < offsetof(sockaddr, sa_data)) return Family::unspecified;
    std::memcpy(&family, raw.bytes + offsetof(sockaddr, sa_family), sizeof family);
    return family == AF_INET && raw.size >= sizeof(sockaddr_in)     ? Family::inet
           : family == AF_INET6 && raw.size >= sizeof(sockaddr_in6) ? Family::inet6
           : family == AF_UNIX                                      ? Family::local
                                                                    : Family::unspecified;
}

void set_port(SockAddr& raw, int port) {
    const auto number = htons(static_cast<uint16_t>(port));
    // The port is at the same place in both.
    static_assert(offsetof(sockaddr_in, sin_port) == offsetof(sockaddr_in6, sin6_port));
    if (family_of(raw) == Family::local || family_of(raw) == Family::unspecified) return;
    std::memcpy(raw.bytes + offsetof(sockaddr_in, sin_port), &number, sizeof number);
}

bool Address::is_valid() const {
    return raw.size <= SockAddr::kCapacity && family() != Family::unspecified &&
           socket2::is_valid(static_cast<SocketType>(type)) && protocol >= 0;
}

int Address::port() const {
    switch (family()) {
        case Family::inet:
            return ntohs(read_as<sockaddr_in>(raw).sin_port);
        case Family::inet6:
            return ntohs(read_as<sockaddr_in6>(raw).sin6_port);
        default:
            return 0;
    }
}

std::string Address::host() const {
    char text[INET6_ADDRSTRLEN];
    switch (family()) {
        case Family::inet: {
            const auto a = read_as<sockaddr_in>(raw);
            return ::inet_ntop(AF_INET, &a.sin_addr, text, sizeof text);
        }
        case Family::inet6: {
            const auto a = read_as<sockaddr_in6>(raw);
            std::string ip = ::inet_ntop(AF_INET6, &a.sin6_addr, text, sizeof text);
            if (a.sin6_scope_id == 0) return ip;
            char zone[IF_NAMESIZE];
            const bool named = ::if_indextoname(a.sin6_scope_id, zone) != nullptr;
            return ip + "%" + (named ? std::string(zone) : std::to_string(a.sin6_scope_id));
        }
        case Family::local:
            return unix_host(raw);
        case Family::unspecified:
            break;
    }
    return "";
}

std::string Address::to_string() const {
    std::string where = host();
    switch (family()) {
        case Family::inet:
            return where + ":" + std::to_string(port());
        case Family::inet6:
            return where.insert(0, 1, '[').append("]:").append(std::to_string(port()));
        default:
            return where;
    }
}

int32_t default_protocol(SocketType type, Family family) {
    if (family == Family::local) return 0;
    return type == SocketType::tcp   ? IPPROTO_TCP
           : type == SocketType::udp ? IPPROTO_UDP
                                     : IPPROTO_RAW;
}

Result unix_address(std::string_view name, const Endpoint& endpoint, Address& out) {
    SockAddr raw;
    if (name == "*") return Errc::invalid_argument;
    const Result r = make_unix(name, raw);
    if (r.ok()) out = complete(raw, endpoint);
    return r;
}

Result parse_address(const Endpoint& endpoint, Address& out) {
    if (endpoint.family == Family::local) {
        return unix_address(endpoint.host == nullptr ? "" : endpoint.host, endpoint, out);
    }
    const std::string_view service = endpoint.service == nullptr ? "0" : endpoint.service;
    if (!is_number(service)) {
        return (endpoint.flags & kNumericService) != 0 ? Errc::unknown_service : Result::pending();
    }
    const std::optional<uint16_t> port = parse_port(service);
    if (!port) return Errc::invalid_port;
    SockAddr raw;
    const Result r = parse_ip(endpoint, *port, raw);
    if (r.is_pending() && (endpoint.flags & kNumericHost) != 0) return Errc::unknown_host;
    if (r.ok()) out = complete(raw, endpoint);
    return r;
}

}  // namespace socket2
