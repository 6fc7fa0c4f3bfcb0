/* How many sockets the process has open: Wine does not count handles. */
#ifndef SOCKET2_SPEC_COUNT_FDS_H
#define SOCKET2_SPEC_COUNT_FDS_H

#include "spec/support/windows/descriptors.h"

static inline int count_fds(void) {
    enum { MOST = 1 << 16, STEP = 4 }; /* handles are multiples of it */
    int n = 0;
    for (int fd = 0; fd < MOST; fd += STEP) {
        DWORD flags;
        if (GetHandleInformation((HANDLE)(intptr_t)fd, &flags) != 0) n += descriptor_is_open(fd);
    }
    return n;
}

#endif
