/* What of spec/capi/garbage_test.c depends on the system. */
#ifndef SOCKET2_SPEC_GARBAGE_TEST_H
#define SOCKET2_SPEC_GARBAGE_TEST_H

#include "spec/support/posix/count_fds.h"

enum { THREAD_NAME = 15, NO_ABSTRACT_NAMES = 1 }; /* as many are found */

#endif
