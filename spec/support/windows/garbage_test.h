/* What of spec/capi/garbage_test.c depends on the system. */
#ifndef SOCKET2_SPEC_GARBAGE_TEST_H
#define SOCKET2_SPEC_GARBAGE_TEST_H

#include "capi/socket2.h"
#include "spec/support/windows/count_fds.h"

enum { THREAD_NAME = 63, NO_ABSTRACT_NAMES = SOCKET2_ENOTSUPPORTED };

#endif
