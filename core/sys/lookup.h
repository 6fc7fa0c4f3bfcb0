// From names to addresses.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/sys/address.h"

namespace socket2 {

struct Lookup {
    std::vector<Address> addresses;  // in the order to try them; never empty after a success
    std::string canonical_name;      // empty unless asked for by kCanonName or kReverse
};

// Answers what needs no resolver: literals and paths. Pending: it is a name, and `out` is
// untouched. Never blocks. May throw bad_alloc.
Result lookup_literal(const Endpoint& endpoint, Lookup& out);

// Whether the host is not a name: a literal, all interfaces, or loopback. Its service may still be
// a name.
bool is_literal(const Endpoint& endpoint);

// "localhost" and names that end with ".localhost" mean this machine (RFC 6761).
bool is_localhost(std::string_view host);

// The loopback addresses for such a name. May block for a moment when the service is a name. May
// throw bad_alloc.
Result lookup_localhost(const Endpoint& endpoint, Lookup& out);

// The name that this machine calls itself.
Result own_name(std::string& out);

// Literals and paths are answered at once. Anything else goes to the system's getaddrinfo(3), which
// honours hosts files, search domains and nsswitch, and may block for as long as its name servers
// take. If it does not know a localhost name, lookup_localhost() answers. Safe on any thread. May
// throw bad_alloc.
Result lookup(const Endpoint& endpoint, Lookup& out);

}  // namespace socket2
