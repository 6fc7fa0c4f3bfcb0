/* How many sockets the process has open (Wine does not count handles), and what else depends on the system. */
#ifndef SOCKET2_SPEC_GARBAGE_TEST_H
#define SOCKET2_SPEC_GARBAGE_TEST_H

#include "capi/socket2.h"
#include "spec/support/windows/descriptors.h"

enum { THREAD_NAME = 63, NO_ABSTRACT_NAMES = SOCKET2_ENOTSUPPORTED };

static inline int count_descriptors(void) {
    enum { MOST = 1 << 16, STEP = 4 }; /* handles are multiples of it */
    int n = 0;
    for (int fd = 0; fd < MOST; fd += STEP) {
        DWORD flags;
        if (GetHandleInformation((HANDLE)(intptr_t)fd, &flags) != 0) n += descriptor_is_open(fd);
    }
    return n;
}

#endif
