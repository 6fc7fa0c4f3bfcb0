/* How many descriptors the process has open, and what else depends on the system. */
#ifndef SOCKET2_SPEC_GARBAGE_TEST_H
#define SOCKET2_SPEC_GARBAGE_TEST_H

#include <dirent.h>
#include <stddef.h>

enum { THREAD_NAME = 15, NO_ABSTRACT_NAMES = 1 }; /* as many are found */

static inline int count_descriptors(void) {
    DIR* dir = opendir("/proc/self/fd");
    int n = 0;
    while (readdir(dir) != NULL) ++n;
    closedir(dir);
    return n;
}

#endif
