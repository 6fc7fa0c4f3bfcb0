// For NetBSD and OpenBSD: an IPv4 interface is named by an address that it has.
#include "core/sys/posix/multicast.h"

#include <cerrno>
#include <cstring>

namespace socket2::posix {
namespace {

// An interface without an address is an error, because "any" would mean the system's choice.
int find_address(int index, in_addr& address) {
    address = inet_address(index);
    if (index == 0 || address.s_addr != htonl(INADDR_ANY)) return 0;
    errno = ENXIO;
    return -1;
}

}  // namespace

int set_multicast_interface(int fd, int index) {
    in_addr address;
    if (find_address(index, address) < 0) return -1;
    return ::setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &address, sizeof address);
}

int set_number(int fd, int level, int name, int value) {
    if (level != IPPROTO_IP || (name != IP_MULTICAST_TTL && name != IP_MULTICAST_LOOP)) {
        return ::setsockopt(fd, level, name, &value, sizeof value);
    }
    const auto byte = static_cast<unsigned char>(value);
    if (byte == value) return ::setsockopt(fd, level, name, &byte, sizeof byte);
    errno = EINVAL;
    return -1;
}

int set_membership(int fd, bool join, const sockaddr_storage& group, int index) {
    if (group.ss_family == AF_INET6) {
        sockaddr_in6 ip;
        std::memcpy(&ip, &group, sizeof ip);
        const ipv6_mreq request{ip.sin6_addr, static_cast<unsigned>(index)};
        const int name = join ? IPV6_JOIN_GROUP : IPV6_LEAVE_GROUP;
        return ::setsockopt(fd, IPPROTO_IPV6, name, &request, sizeof request);
    }
    sockaddr_in ip;
    std::memcpy(&ip, &group, sizeof ip);
    ip_mreq request{ip.sin_addr, {}};
    if (find_address(index, request.imr_interface) < 0) return -1;
    const int name = join ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP;
    return ::setsockopt(fd, IPPROTO_IP, name, &request, sizeof request);
}

}  // namespace socket2::posix
