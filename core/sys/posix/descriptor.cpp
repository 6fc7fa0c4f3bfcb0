#include "core/sys/descriptor.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/sys/posix/call.h"
#include "core/sys/posix/socket_calls.h"

namespace socket2::sys {

using posix::checked;
using posix::failure;
using posix::fd_of;

void close_descriptor(Descriptor fd) {
    // Not repeated after EINTR: Linux has released the descriptor, and another thread may own it
    // already.
    ::close(fd_of(fd));
}

Result is_ready(Descriptor fd, uint8_t direction) {
    pollfd one{};
    one.fd = fd_of(fd);
    one.events = direction == kReadable ? POLLIN : POLLOUT;
    const Result r = checked([&] { return ::poll(&one, 1, 0); });
    if ((one.revents & POLLNVAL) != 0) return Errc::bad_descriptor;
    if (r.is_error()) return r;
    return r.value() == 0 ? Result::pending() : Result::done();
}

Result make_nonblocking(Descriptor fd) {
    if (fd != fd_of(fd)) return Errc::bad_descriptor;
    const int flags = ::fcntl(fd_of(fd), F_GETFL);
    if (flags < 0 || ::fcntl(fd_of(fd), F_SETFL, flags | O_NONBLOCK) < 0 ||
        ::fcntl(fd_of(fd), F_SETFD, FD_CLOEXEC) < 0) {
        return failure();
    }
    return Result::done();
}

Result never_blocks(Descriptor fd) {
    if (fd != fd_of(fd)) return Errc::bad_descriptor;
    struct stat status;
    if (::fstat(fd_of(fd), &status) != 0) return failure();
    if (!S_ISSOCK(status.st_mode)) return Result::of(0);
    return posix::make_quiet(fd_of(fd)) == 0 ? Result::of(1) : failure();
}

}  // namespace socket2::sys
