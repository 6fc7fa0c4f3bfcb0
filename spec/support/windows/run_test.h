/* How a C test runs in a separate process: the program again, with the test's name and one more
 * argument. Part of spec/capi/harness.h. */
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

/* For tests of things that Windows lacks. */
static inline void need_posix(const char* reason) { skip(reason); }

/* The library makes no handles for the system's own pipes. */
enum { WRAPS_PIPES = 0 };
static inline int open_system_pipe(int fds[2]) {
    HANDLE ends[2];
    if (!CreatePipe(&ends[0], &ends[1], NULL, 0)) return -1;
    for (int i = 0; i < 2; ++i) fds[i] = (int)(intptr_t)ends[i];
    return 0;
}
static inline int close_system_pipe(const int fds[2]) {
    return CloseHandle((HANDLE)(intptr_t)fds[0]) && CloseHandle((HANDLE)(intptr_t)fds[1]) ? 0 : -1;
}
