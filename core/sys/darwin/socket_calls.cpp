// For macOS: the calls have no flags for this, so another thread's fork() may come in between.
#include "core/sys/posix/socket_calls.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace socket2::posix {
namespace {

// Returns the descriptor, or closes it after an error.
int set_up(int fd, bool may_be_over = false) {
    if (fd < 0) return fd;
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags >= 0 && ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) >= 0 &&
        ::fcntl(fd, F_SETFD, FD_CLOEXEC) >= 0 &&
        (make_quiet(fd) >= 0 || (may_be_over && errno == EINVAL))) {
        return fd;
    }
    const int error = errno;
    ::close(fd);
    errno = error;
    return -1;
}

}  // namespace

const int kSendFlags = 0;

int new_socket(int family, int type, int protocol) {
    return set_up(::socket(family, type, protocol));
}

int new_accepted(int listener, sockaddr* peer, socklen_t* size) {
    const int accepted = ::accept(listener, peer, size);
    if (accepted < 0) return accepted;
    // A connection that is over takes no options. A unix connection may still have data, and is as
    // quiet as its listener; a TCP connection was reset in the queue.
    const int fd = set_up(accepted, peer->sa_family == AF_UNIX);
    if (fd < 0 && errno == EINVAL) errno = ECONNABORTED;
    return fd;
}

int make_quiet(int fd) {
    const int on = 1;
    return ::setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
}

int new_pipe(int ends[2]) {
    if (::pipe(ends) < 0) return -1;
    // This cannot fail.
    ::fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    ::fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    return 0;
}

}  // namespace socket2::posix
