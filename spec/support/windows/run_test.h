/* How a C test runs in a process of its own: the program again, with the test's name and one argument more.
   Part of spec/capi/harness.h. */
#include "spec/support/windows/windows_test.h"

static inline DWORD CALLBACK end_a_hang(void* unused) {
    (void)unused;
    Sleep(100 * 1000);
    TerminateProcess(GetCurrentProcess(), 3);
    return 0;
}

static inline int run_alone(const test_case* test) {
    CreateThread(NULL, 0, end_a_hang, NULL, 0, NULL);
    test->run();
    fflush(stdout);
    return failures == 0 ? 0 : 1;
}

static inline int run_test(const test_case* test, const char* program) {
    fflush(stdout);
    return (int)_spawnl(_P_WAIT, program, program, test->name, "alone", NULL);
}

/* For tests of what Windows does not have. */
static inline void need_posix(const char* reason) { skip(reason); }

static inline int count_fds(void) {
    DWORD n = 0;
    GetProcessHandleCount(GetCurrentProcess(), &n);
    return (int)n;
}
