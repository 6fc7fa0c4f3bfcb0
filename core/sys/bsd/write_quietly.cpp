// For macOS and NetBSD: the signal of a pipe without a reader goes to the process, so a thread
// cannot hold it back, but a descriptor can be set to raise none. Others may use the descriptor,
// too, so the setting is undone.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "core/sys/posix/socket_calls.h"

namespace socket2::posix {

ssize_t write_quietly(int fd, const void* data, size_t size) {
    const bool loud = ::fcntl(fd, F_GETNOSIGPIPE) == 0 && ::fcntl(fd, F_SETNOSIGPIPE, 1) == 0;
    const ssize_t n = ::write(fd, data, size);
    const int error = errno;
    if (loud) ::fcntl(fd, F_SETNOSIGPIPE, 0);
    errno = error;
    return n;
}

}  // namespace socket2::posix
