// For Linux, FreeBSD, NetBSD and OpenBSD.
#include "core/sys/posix/socket_calls.h"

#include <fcntl.h>
#include <unistd.h>

namespace socket2::posix {

const int kSendFlags = MSG_NOSIGNAL;

int new_socket(int family, int type, int protocol) {
    return ::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
}

int new_accepted(int listener, sockaddr* peer, socklen_t* size) {
    return ::accept4(listener, peer, size, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

int make_quiet(int) { return 0; }

int new_pipe(int ends[2]) { return ::pipe2(ends, O_CLOEXEC); }

}  // namespace socket2::posix
