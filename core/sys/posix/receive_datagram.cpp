// For systems that do not report the length of a cut datagram, but set a flag.
#include <sys/uio.h>

#include "core/sys/posix/socket_calls.h"

namespace socket2::posix {

ssize_t receive_datagram(int fd, void* data, size_t size, sockaddr* from, socklen_t* from_size,
                         bool& truncated) {
    iovec part{data, size};
    msghdr message{};
    message.msg_name = from;
    message.msg_namelen = *from_size;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    const ssize_t n = ::recvmsg(fd, &message, 0);
    *from_size = message.msg_namelen;
    truncated = (message.msg_flags & MSG_TRUNC) != 0;
    return n;
}

}  // namespace socket2::posix
