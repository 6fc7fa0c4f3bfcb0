// MSG_TRUNC makes the call return the datagram's full length, which is cheaper than recvmsg(2).
#include <algorithm>

#include "core/sys/posix/socket_calls.h"

namespace socket2::posix {

ssize_t receive_datagram(int fd, void* data, size_t size, sockaddr* from, socklen_t* from_size,
                         bool& truncated) {
    const ssize_t n = ::recvfrom(fd, data, size, MSG_TRUNC, from, from_size);
    const auto room = static_cast<ssize_t>(size);
    truncated = n > room;
    return std::min(n, room);
}

}  // namespace socket2::posix
