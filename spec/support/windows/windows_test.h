/* What the C tests use of POSIX, as far as Windows has it; what it has not says so, and its tests
   need_posix(). */
#ifndef SOCKET2_SPEC_WINDOWS_TEST_H
#define SOCKET2_SPEC_WINDOWS_TEST_H

#include <errno.h>
#include <process.h>
#include <stdint.h>
#include <winsock2.h>
#include <ws2tcpip.h>

enum {
    F_GETFL,
    F_SETFL,
    F_GETFD,
    O_NONBLOCK = 1,
    FD_CLOEXEC = 2,
    O_CLOEXEC = 0,
    EPOLL_CLOEXEC = 0
};
enum { RLIMIT_NOFILE, EFD_CLOEXEC = 0, EFD_NONBLOCK = 0 };
typedef unsigned long rlim_t;
struct rlimit {
    rlim_t rlim_cur, rlim_max;
};

static inline int fcntl(int fd, int what, ...) {
    (void)fd;
    return what == F_GETFD ? FD_CLOEXEC : O_NONBLOCK;
}
static inline int getrlimit(int what, struct rlimit* limit) {
    (void)what;
    limit->rlim_cur = limit->rlim_max = 1 << 20;
    return 0;
}
static inline int setrlimit(int what, const struct rlimit* limit) {
    (void)what;
    (void)limit;
    return 0;
}
static inline int epoll_create1(int flags) {
    (void)flags;
    return -1;
}
static inline int pipe(int fds[2]) {
    fds[0] = fds[1] = -1;
    return -1;
}
#define poll WSAPoll

/* The numbers that sockets give here. */
#undef ECONNREFUSED
#undef ENOTCONN
#define ECONNREFUSED WSAECONNREFUSED
#define ENOTCONN WSAENOTCONN

/* The interface of the loopback. */
#define LOOPBACK "127.0.0.1"

#endif
