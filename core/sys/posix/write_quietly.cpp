// For Linux, FreeBSD and OpenBSD: the signal of a pipe without a reader goes to the writing thread.
#include <pthread.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "core/sys/posix/socket_calls.h"

namespace socket2::posix {
namespace {

bool is_pending(int signal) {
    sigset_t pending;
    sigemptyset(&pending);
    ::sigpending(&pending);
    return sigismember(&pending, signal) == 1;
}

}  // namespace

// The signal is blocked meanwhile and taken back, unless the program has it blocked and pending
// already.
ssize_t write_quietly(int fd, const void* data, size_t size) {
    sigset_t sigpipe;
    sigset_t before;
    sigemptyset(&sigpipe);
    sigaddset(&sigpipe, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &sigpipe, &before);
    const bool pending = sigismember(&before, SIGPIPE) == 1 && is_pending(SIGPIPE);
    const ssize_t n = ::write(fd, data, size);
    const int error = errno;
    if (n < 0 && error == EPIPE && !pending && is_pending(SIGPIPE)) {
        int taken;
        ::sigwait(&sigpipe, &taken);
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    errno = error;
    return n;
}

}  // namespace socket2::posix
