// For Linux, macOS and FreeBSD.
#include "core/sys/posix/multicast.h"

#include <cstdint>

namespace socket2::posix {

int set_multicast_interface(int fd, int index) {
    // getsockopt answers with the address.
    ip_mreqn how{};
    how.imr_ifindex = index;
    how.imr_address = inet_address(index);
    return ::setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &how, sizeof how);
}

int set_number(int fd, int level, int name, int value) {
    return ::setsockopt(fd, level, name, &value, sizeof value);
}

int set_membership(int fd, bool join, const sockaddr_storage& group, int index) {
    // RFC 3678's protocol-independent form.
    group_req request{};
    request.gr_interface = static_cast<uint32_t>(index);
    request.gr_group = group;
    const int level = group.ss_family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;
    const int name = join ? MCAST_JOIN_GROUP : MCAST_LEAVE_GROUP;
    return ::setsockopt(fd, level, name, &request, sizeof request);
}

}  // namespace socket2::posix
