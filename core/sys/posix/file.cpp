#include "core/sys/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "core/sys/posix/call.h"
#include "core/sys/posix/socket_calls.h"

namespace socket2::sys {
namespace {

using posix::checked;
using posix::failure;
using posix::fd_of;

// Whether an open descriptor may block. An error if it is open only in the wrong mode.
Result may_block(int fd, int wrong_mode) {
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0) return failure();
    if ((flags & O_ACCMODE) == wrong_mode) return Result(Errc::bad_descriptor, EBADF);
    return Result::of((flags & O_NONBLOCK) == 0 ? 1 : 0);
}

// How much of `size` bytes a descriptor in blocking mode takes at once when it is writable.
Result room_when_writable(int fd, size_t size) {
    struct stat status;
    if (::fstat(fd, &status) != 0) return failure();
    if (S_ISFIFO(status.st_mode)) size = std::min(size, size_t{PIPE_BUF});
    // For others, such as a terminal, the system does not tell.
    const bool known =
        S_ISFIFO(status.st_mode) || S_ISREG(status.st_mode) || S_ISBLK(status.st_mode);
    return known ? Result::of(static_cast<int>(size)) : Errc::not_supported;
}

}  // namespace

Result open_path(const char* path) {
    const Result r =
        checked([&] { return ::open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC); });
    return r.is_pending() ? Result(Errc::busy, EAGAIN) : r;  // another process has a lease on it
}

Result read(Descriptor fd, void* data, size_t size) {
    Result r = may_block(fd_of(fd), O_WRONLY);
    if (r.ok() && r.value() != 0) r = is_ready(fd, kReadable);
    return r.ok() ? checked([&] { return ::read(fd_of(fd), data, size); }) : r;
}

Result write(Descriptor fd, const void* data, size_t size) {
    Result r = may_block(fd_of(fd), O_RDONLY);
    if (r.ok() && r.value() != 0) {
        const Result room = room_when_writable(fd_of(fd), size);
        if (room.is_error()) return room;
        size = static_cast<size_t>(room.value());
        r = is_ready(fd, kWritable);
    }
    if (!r.ok()) return r;
    return checked([&] { return posix::write_quietly(fd_of(fd), data, size); });
}

}  // namespace socket2::sys
