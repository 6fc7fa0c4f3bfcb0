#include "core/sys/lookup.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <utility>

#include "core/sys/error.h"
#include "core/sys/process.h"
#include "core/sys/socket.h"

namespace socket2 {
namespace {

// NetBSD and OpenBSD lack these two, and getaddrinfo() refuses unknown flags.
#ifdef AI_V4MAPPED
constexpr int kOsAll = AI_ALL;
constexpr int kOsV4Mapped = AI_V4MAPPED;
#else
constexpr int kOsAll = 1 << 30;
constexpr int kOsV4Mapped = 1 << 30;
#endif

int os_flags(unsigned flags) {
    constexpr struct {
        unsigned ours;
        int theirs;
    } kMap[] = {
        {kPassive, AI_PASSIVE},
        {kCanonName, AI_CANONNAME},
        {kNumericHost, AI_NUMERICHOST},
        {kNumericService, AI_NUMERICSERV},
        {kAll, kOsAll},
        {kV4Mapped, kOsV4Mapped},
        {kAddrConfig, AI_ADDRCONFIG},
    };
    int result = 0;
    for (const auto& flag : kMap) {
        if ((flags & flag.ours) != 0) result |= flag.theirs;
    }
    return result;
}

Errc errc_of(int eai) {
    switch (eai) {
        case EAI_NONAME:
#ifdef EAI_NODATA
        case EAI_NODATA:
#endif
            return Errc::unknown_host;
        case EAI_SERVICE:
            return Errc::unknown_service;
        case EAI_AGAIN:
            return Errc::temporary_lookup_failure;
        case EAI_FAIL:
            return Errc::lookup_failure;
        case EAI_MEMORY:
            return Errc::out_of_memory;
        case EAI_FAMILY:
#ifdef EAI_ADDRFAMILY
        case EAI_ADDRFAMILY:
#endif
            return Errc::address_family_not_supported;
        case EAI_SOCKTYPE:
            return Errc::socket_type_not_supported;
        case EAI_BADFLAGS:
            return Errc::invalid_argument;
        default:
            return Errc::system_error;
    }
}

struct FreeAddrInfo {
    void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};

// Whether the text can be a name; no server is asked for others. A name is not empty, is no longer
// than DNS allows, and is not an address that is misspelled or has a port.
bool can_be_name(const char* host) {
    constexpr size_t kLongest = 253;
    const std::string_view name = host;
    return !name.empty() && name.size() <= kLongest && name.find(':') == std::string_view::npos;
}

// getaddrinfo also takes "+80" and " 80", and cuts such numbers to 16 bits.
bool can_be_service(const char* service) {
    const char first = service == nullptr ? '0' : service[0];
    return (first >= '0' && first <= '9') || (first >= 'a' && first <= 'z') ||
           (first >= 'A' && first <= 'Z');
}

// Asks the system for the service alone, so that the host "*" or loopback keeps this library's
// meaning.
const char* os_host(const Endpoint& endpoint) {
    if (endpoint.host == nullptr) return nullptr;
    return std::string_view(endpoint.host) == "*" ? nullptr : endpoint.host;
}

// Parses the host alone. Pending: it is a name.
Result parse_host(Endpoint endpoint) {
    Address address;
    endpoint.service = nullptr;
    return parse_address(endpoint, address);
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool ends_with(std::string_view text, std::string_view end) {
    return text.size() >= end.size() && std::equal(end.rbegin(), end.rend(), text.rbegin(),
                                                   [](char a, char b) { return a == lower(b); });
}

int get_addresses(const char* host, const char* service, const addrinfo& hints, addrinfo** list) {
    const CallAroundForks call;
    return ::getaddrinfo(host, service, &hints, list);
}

Result lookup_name(const Endpoint& endpoint, Lookup& out) {
    Address address;
    const Result parsed = parse_address(endpoint, address);
    if (parsed.is_pending()) return Errc::unknown_host;
    if (parsed.is_error()) return parsed;
    char name[NI_MAXHOST];
    const CallAroundForks call;
    const int eai = ::getnameinfo(reinterpret_cast<const sockaddr*>(address.raw.bytes),
                                  static_cast<socklen_t>(address.raw.size), name, sizeof name,
                                  nullptr, 0, NI_NAMEREQD);
    if (eai == EAI_SYSTEM) return Result(sys::errc_of(errno), errno);
    if (eai != 0) return errc_of(eai);
    out.addresses.assign(1, address);
    out.canonical_name = name;
    return Result::done();
}

}  // namespace

bool is_literal(const Endpoint& endpoint) { return parse_host(endpoint).ok(); }

bool is_localhost(std::string_view host) {
    if (ends_with(host, ".")) host.remove_suffix(1);
    return ends_with(host, ".localhost") || (host.size() == 9 && ends_with(host, "localhost"));
}

Result lookup_localhost(const Endpoint& endpoint, Lookup& out) {
    Lookup all;
    for (const Family family : {Family::inet6, Family::inet}) {
        if (endpoint.family != family && endpoint.family != Family::unspecified) continue;
        Endpoint literal = endpoint;
        literal.host = family == Family::inet6 ? "::1" : "127.0.0.1";
        literal.family = family;
        Lookup found;
        const Result r = lookup(literal, found);
        if (!r.ok()) return r;
        all.addresses.push_back(found.addresses.front());
    }
    if ((endpoint.flags & kCanonName) != 0) all.canonical_name = endpoint.host;
    out = std::move(all);
    return Result::done();
}

Result own_name(std::string& out) {
    char name[NI_MAXHOST] = "";
    sys::start();
    if (::gethostname(name, sizeof name - 1) != 0) return Result(sys::errc_of(errno), errno);
    out = name;
    return Result::done();
}

Result lookup_literal(const Endpoint& endpoint, Lookup& out) {
    Address address;
    const Result parsed = parse_address(endpoint, address);
    if (!parsed.ok()) return parsed;
    if ((endpoint.flags & kReverse) != 0) return Result::pending();
    out.addresses.assign(1, address);
    if ((endpoint.flags & kCanonName) != 0) out.canonical_name = address.host();
    return parsed;
}

Result lookup(const Endpoint& endpoint, Lookup& out) {
    sys::start();
    if ((endpoint.flags & kReverse) != 0) return lookup_name(endpoint, out);
    const Result literal = lookup_literal(endpoint, out);
    if (!literal.is_pending()) return literal;

    const char* host = os_host(endpoint);
    const Result parsed = parse_host(endpoint);
    if (parsed.is_error()) return parsed;
    if (parsed.is_pending() && !can_be_name(host)) return Errc::unknown_host;
    if (!can_be_service(endpoint.service)) return Errc::unknown_service;
    addrinfo hints{};
    hints.ai_family = os_family(endpoint.family);
    // A service belongs to a transport, which a raw socket does not have: any transport will do.
    const bool raw = endpoint.type == SocketType::raw;
    hints.ai_socktype = os_socket_type(raw ? SocketType::udp : endpoint.type);
    hints.ai_protocol = raw ? 0 : endpoint.protocol;
    hints.ai_flags = os_flags(endpoint.flags);
    if (host == nullptr) {
        hints.ai_flags &= ~AI_CANONNAME;
        if (endpoint.host != nullptr) hints.ai_flags |= AI_PASSIVE;
        if (endpoint.family == Family::unspecified) hints.ai_family = AF_INET;
    }
    addrinfo* list = nullptr;
    const int eai = get_addresses(host, endpoint.service, hints, &list);
    if (eai == EAI_SYSTEM) return Result(sys::errc_of(errno), errno);
    // With a literal only the service can be unknown, but macOS does not say which one is.
    if (eai == EAI_NONAME && parsed.ok()) return Errc::unknown_service;
    if (eai != 0 && host != nullptr && is_localhost(host)) return lookup_localhost(endpoint, out);
    if (eai != 0) return errc_of(eai);
    const std::unique_ptr<addrinfo, FreeAddrInfo> owner(list);

    for (const addrinfo* ai = list; ai != nullptr; ai = ai->ai_next) {
        if (ai->ai_addrlen > SockAddr::kCapacity) continue;
        Address found{};
        std::memcpy(found.raw.bytes, ai->ai_addr, ai->ai_addrlen);
        found.raw.size = static_cast<uint32_t>(ai->ai_addrlen);
        found.type = static_cast<int32_t>(endpoint.type);
        if (found.family() == Family::unspecified) continue;
        if (raw) set_port(found.raw, 0);
        found.protocol = endpoint.protocol != 0 ? endpoint.protocol
                                                : default_protocol(endpoint.type, found.family());
        out.addresses.push_back(found);
    }
    if (out.addresses.empty()) return Errc::unknown_host;
    if (list != nullptr && list->ai_canonname != nullptr) out.canonical_name = list->ai_canonname;
    return Result::done();
}

}  // namespace socket2
