// The address of a socket, and the kind of socket that it is for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.h"
#include "core/sys/sockaddr.h"

namespace socket2 {

// Numbers of the ABI, the same on every system. Local is what users call unix (GNU compilers
// predefine that word).
enum class SocketType : int { tcp = 1, udp = 2, raw = 3 };
enum class Family : int { unspecified = 0, inet = 1, inet6 = 2, local = 3 };

bool is_valid(SocketType type);
bool is_valid(Family family);

// The system's numbers. A family that the library does not know becomes unspecified.
int os_family(Family family);
int os_socket_type(SocketType type);
bool socket_type_of(int os_type, SocketType& out);
Family family_of(const SockAddr& raw);

// Does nothing for families without ports.
void set_port(SockAddr& raw, int port);

// Plain data of a fixed size. Callers of the ABI hold it in memory of their own, so every function
// is safe on any content.
struct Address {
    SockAddr raw;
    int32_t protocol;  // IANA's number, 0 for none
    int32_t type;      // a SocketType

    // False for memory that the library has not filled.
    bool is_valid() const;

    Family family() const { return family_of(raw); }
    // 0 for unix.
    int port() const;
    // "1.2.3.4", "fe80::1%eth0", the path ("@name" for Linux's abstract names, "" if unnamed).
    std::string host() const;
    // "1.2.3.4:80", "[::1]:80", the path.
    std::string to_string() const;
};

// What to look up. Names end with a zero.
struct Endpoint {
    const char* host;     // a name, an IP literal, a path; "*": all interfaces; null: loopback
    const char* service;  // a port number, a service name; null: 0
    SocketType type;
    Family family;     // unspecified: inet and inet6
    int32_t protocol;  // 0: the type's own
    unsigned flags;    // LookupFlag bits
};

enum LookupFlag : unsigned {
    kPassive = 1,
    kCanonName = 2,
    kNumericHost = 4,
    kNumericService = 8,
    kAll = 16,
    kV4Mapped = 32,
    kAddrConfig = 64,
    kReverse = 128,  // the host is an address: its name is looked up
};
constexpr unsigned kAllLookupFlags = 255;

// The endpoint as an address, if that needs no resolver: "*", loopback, IP literals and unix paths,
// with a numeric port. Pending: it is a name, and `out` is untouched.
Result parse_address(const Endpoint& endpoint, Address& out);

// The address of a unix name, which may contain zero bytes, with the endpoint's type and protocol.
Result unix_address(std::string_view name, const Endpoint& endpoint, Address& out);

// The default protocol of the type in that family.
int32_t default_protocol(SocketType type, Family family);

}  // namespace socket2
