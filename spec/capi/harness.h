/* What the C tests share: checks, and a runner that gives each test a separate process. */
#ifndef SOCKET2_SPEC_HARNESS_H
#define SOCKET2_SPEC_HARNESS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capi/socket2.h"
#include "facts.h"

static int failures; /* of the running test */

#define CHECK(condition)                                                   \
    do {                                                                   \
        if (!(condition)) {                                                \
            printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            ++failures;                                                    \
        }                                                                  \
    } while (0)

/* Compares numbers; for negative ones it also shows the name. */
#define CHECK_INT(actual, expected) \
    check_int(__FILE__, __LINE__, #actual, (long long)(actual), (long long)(expected))

static inline void check_int(const char* file, int line, const char* text, long long actual,
                             long long expected) {
    if (actual == expected) return;
    printf("%s:%d: %s is %lld (%s), not %lld (%s)\n", file, line, text, actual,
           actual < 0 ? socket2_error_name((int)actual) : "value", expected,
           expected < 0 ? socket2_error_name((int)expected) : "value");
    ++failures;
}

#define CHECK_TEXT(actual, expected)                                                       \
    do {                                                                                   \
        if (strcmp((actual), (expected)) != 0) {                                           \
            printf("%s:%d: %s is '%s', not '%s'\n", __FILE__, __LINE__, #actual, (actual), \
                   (expected));                                                            \
            ++failures;                                                                    \
        }                                                                                  \
    } while (0)

/* A deadline so many seconds from now. */
static inline double in(double seconds) { return socket2_clock() + seconds; }

typedef struct {
    const char* name;
    void (*run)(void);
} test_case;

#define TEST(name) \
    { #name, test_##name }

enum { PASSED = 0, SKIPPED = 77 };

/* Ends a test that this system cannot run. */
static inline void skip(const char* reason) {
    printf("skipped: %s\n", reason);
    fflush(stdout);
    exit(SKIPPED);
}

/* For tests of what only some systems do; `fact` comes from facts.h. */
static inline void need(int fact, const char* reason) {
    if (!fact) skip(reason);
}

/* For tests of what qemu does not do for the programs that it runs. */
static inline void need_no_qemu(const char* reason) {
    if (getenv("SOCKET2_QEMU") != NULL) skip(reason);
}

/* For tests of what only Linux has. */
static inline void need_a_shared_epoll(void) {
    const int loop = socket2_loop_new();
    if (socket2_loop_epoll_fd(loop) == SOCKET2_ENOTSUPPORTED) skip("loops share no epoll here");
    socket2_loop_close(loop);
}

/* For tests of unix sockets: streams everywhere but on an old Windows, datagrams on POSIX systems. */
static inline void need_unix_sockets(void) {
    const int loop = socket2_loop_new();
    if (socket2_tcp_new(loop, SOCKET2_UNIX, 0) < 0) skip("no unix sockets here");
    socket2_loop_close(loop);
}

static inline void need_unix_datagrams(void) {
    const int loop = socket2_loop_new();
    if (socket2_udp_new(loop, SOCKET2_UNIX, 0) < 0) skip("no unix datagrams here");
    socket2_loop_close(loop);
}

/* Sets a loop to what another one works on, an epoll or a completion port. */
static inline int share(int loop, int other) {
    intptr_t port;
    if (socket2_loop_iocp(other, &port) == 0) return socket2_loop_set_iocp(loop, port);
    const int fd = socket2_loop_epoll_fd(other);
    const int r = fd < 0 ? fd : socket2_loop_set_epoll_fd(loop, fd);
    return r < 0 ? r : 0;
}

static inline void need_loops_that_share(void) {
    const int a = socket2_loop_new(), b = socket2_loop_new();
    if (share(b, a) == SOCKET2_ENOTSUPPORTED) skip("loops share nothing here");
    socket2_loop_close(a);
    socket2_loop_close(b);
}

/* Says which tests run in this process, and runs the others in separate processes, so that a crash
 * or a hang is one failure, and no test sees another's loops. Gives PASSED, SKIPPED or another
 * code. */
#include "run_test.h"

/* For main: runs all tests, or those with its argument in their name; with two arguments the test
 * of that name, in this process. Returns the exit code. */
static inline int run_tests(const test_case* tests, size_t count, int argc, char** argv) {
    int passed = 0, failed = 0;
    setvbuf(stdout, NULL, _IONBF, 0);
    for (size_t i = 0; i < count; ++i) {
        if (argc > 2 && strcmp(tests[i].name, argv[1]) == 0) return run_alone(&tests[i]);
        if (argc > 2 || (argc > 1 && strstr(tests[i].name, argv[1]) == NULL)) continue;
        const int result = run_test(&tests[i], argv[0]);
        if (result == PASSED) {
            ++passed;
        } else if (result == SKIPPED) {
            printf("SKIPPED: %s\n", tests[i].name);
        } else {
            ++failed;
            printf("FAILED: %s\n", tests[i].name);
        }
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}

#endif
