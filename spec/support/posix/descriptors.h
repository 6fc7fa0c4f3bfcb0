/* What the C tests do to descriptors. */
#ifndef SOCKET2_SPEC_DESCRIPTORS_H
#define SOCKET2_SPEC_DESCRIPTORS_H

#include <fcntl.h>

/* How many descriptors the process has open, among those that a test can reach. */
static inline int count_fds(void) {
    enum { MOST = 1 << 14 };
    int n = 0;
    for (int fd = 0; fd < MOST; ++fd) n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static inline void set_nonblocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

#endif
