/* How a C test runs in a process of its own: the program again, with the test's name and one argument more.
   Part of spec/capi/harness.h. */
#include "spec/support/windows/windows_test.h"

#define ON_LINUX 0

static inline int run_alone(const test_case* test) {
    test->run();
    fflush(stdout);
    return failures == 0 ? 0 : 1;
}

static inline int run_test(const test_case* test, const char* program) {
    fflush(stdout);
    return _spawnl(_P_WAIT, program, program, test->name, "alone", NULL) == 0;
}

static inline int count_fds(void) {
    DWORD n = 0;
    GetProcessHandleCount(GetCurrentProcess(), &n);
    return (int)n;
}
