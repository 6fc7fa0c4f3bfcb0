#include <algorithm>

#include "capi/handles.h"
#include "core/sys/lookup.h"

namespace socket2::capi {

Result endpoint_of(const char* host, const char* service, int type, int family, int protocol,
                   int flags, Endpoint& out) {
    out = {host,
           service,
           static_cast<SocketType>(type),
           static_cast<Family>(family),
           protocol,
           static_cast<unsigned>(flags)};
    if (!is_valid(out.type)) return Errc::socket_type_not_supported;
    if (!is_valid(out.family)) return Errc::address_family_not_supported;
    if (protocol < 0 || protocol > 255) return Errc::protocol_not_supported;
    return (out.flags & ~kAllLookupFlags) == 0 ? Result::done() : Errc::invalid_argument;
}

int copy_lookup(const Lookup& found, socket2_addr* out, int max, char* name, size_t name_size) {
    const size_t room = std::min(found.addresses.size(), static_cast<size_t>(max));
    for (size_t i = 0; i < room; ++i) *address(&out[i]) = found.addresses[i];
    copy_text(found.canonical_name, name, name_size);
    return static_cast<int>(found.addresses.size());
}

}  // namespace socket2::capi

using namespace socket2;
using namespace socket2::capi;

namespace {

// Runs `body(address)` on memory that holds one.
template <typename Body>
int on_address(const socket2_addr* addr, Body body) {
    if (addr == nullptr || !address(addr)->is_valid()) return SOCKET2_EINVAL;
    return guarded([&] { return body(*address(addr)); });
}

}  // namespace

int socket2_addr_parse(const char* host, const char* service, int type, int family, int protocol,
                       int flags, socket2_addr* out) {
    return guarded([&]() -> int {
        Endpoint endpoint;
        Result r = endpoint_of(host, service, type, family, protocol, flags, endpoint);
        if (r.is_error()) return r.value();
        if (out == nullptr) return SOCKET2_EINVAL;
        if ((endpoint.flags & kReverse) != 0) return 0;
        r = parse_address(endpoint, *address(out));
        if (r.is_error()) return r.value();
        return r.is_pending() ? 0 : 1;
    });
}

int socket2_addr_unix(const char* name, size_t size, int type, int protocol, socket2_addr* out) {
    return guarded([&]() -> int {
        Endpoint endpoint;
        const Result r = endpoint_of(nullptr, nullptr, type, SOCKET2_UNIX, protocol, 0, endpoint);
        if (r.is_error()) return r.value();
        if (out == nullptr || !is_buffer(name, size)) return SOCKET2_EINVAL;
        return unix_address({name, size}, endpoint, *address(out)).value();
    });
}

int socket2_addr_lookup(const char* host, const char* service, int type, int family, int protocol,
                        int flags, socket2_addr* out, int max, char* name, size_t name_size) {
    return guarded([&]() -> int {
        Endpoint endpoint;
        Result r = endpoint_of(host, service, type, family, protocol, flags, endpoint);
        if (r.is_error()) return r.value();
        if (!is_room(out, max)) return SOCKET2_EINVAL;
        Lookup found;
        r = lookup(endpoint, found);
        return r.is_error() ? r.value() : copy_lookup(found, out, max, name, name_size);
    });
}

int socket2_hostname(char* text, size_t size) {
    return guarded([&]() -> int {
        std::string name;
        const Result r = own_name(name);
        return r.is_error() ? r.value() : copy_text(name, text, size);
    });
}

int socket2_addr_type(const socket2_addr* addr) {
    return on_address(addr, [](const Address& a) { return a.type; });
}

int socket2_addr_family(const socket2_addr* addr) {
    return on_address(addr, [](const Address& a) { return static_cast<int>(a.family()); });
}

int socket2_addr_protocol(const socket2_addr* addr) {
    return on_address(addr, [](const Address& a) { return a.protocol; });
}

int socket2_addr_port(const socket2_addr* addr) {
    return on_address(addr, [](const Address& a) { return a.port(); });
}

int socket2_addr_ip(const socket2_addr* addr, char* text, size_t size) {
    return on_address(addr, [&](const Address& a) { return copy_text(a.host(), text, size); });
}

int socket2_addr_format(const socket2_addr* addr, char* text, size_t size) {
    return on_address(addr, [&](const Address& a) { return copy_text(a.to_string(), text, size); });
}
