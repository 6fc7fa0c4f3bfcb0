/* The parts of POSIX that the C tests use, as far as Windows has them. What it lacks reports an
 * error, and the tests of that call need_posix(). */
#ifndef SOCKET2_SPEC_WINDOWS_TEST_H
#define SOCKET2_SPEC_WINDOWS_TEST_H

#include <math.h>
#include <process.h>

#include "spec/support/windows/descriptors.h"

enum { EPOLL_CLOEXEC = 0, RLIMIT_NOFILE };
typedef unsigned long rlim_t;
struct rlimit {
    rlim_t rlim_cur, rlim_max;
};

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
static inline pid_t fork(void) { return -1; }
static inline void alarm(unsigned seconds) { (void)seconds; }
static inline pid_t waitpid(pid_t child, int* status, int flags) {
    (void)child, (void)flags;
    *status = -1;
    return -1;
}

/* Otherwise it takes a float. */
#undef isnan
#define isnan(x) __builtin_isnan(x)

/* Names that the tests use, too. */
#undef near
#undef far

#endif
