/* What the C tests share: checks, and a runner that gives each test a process of its own. */
#ifndef SOCKET2_SPEC_HARNESS_H
#define SOCKET2_SPEC_HARNESS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capi/socket2.h"

static int failures; /* of the running test */

#define CHECK(condition)                                                   \
    do {                                                                   \
        if (!(condition)) {                                                \
            printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            ++failures;                                                    \
        }                                                                  \
    } while (0)

/* Numbers; of negative ones the name is shown too. */
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

/* A deadline, of a clock that starts somewhere. */
static inline double in(double seconds) { return socket2_clock() + seconds; }

typedef struct {
    const char* name;
    void (*run)(void);
    int linux_only;
} test_case;

#define TEST(name) \
    { #name, test_##name, 0 }

/* Of what other systems do not have: their runs leave it out. */
#define LINUX(name) \
    { #name, test_##name, 1 }

#include "run_test.h"

/* For main: all tests, or those whose name contains its argument; with two arguments the one of that name,
   in this process. Its exit code. */
static inline int run_tests(const test_case* tests, size_t count, int argc, char** argv) {
    int passed = 0, failed = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < count; ++i) {
        if (argc > 2 && strcmp(tests[i].name, argv[1]) == 0) return run_alone(&tests[i]);
        if (argc > 2 || (argc > 1 && strstr(tests[i].name, argv[1]) == NULL)) continue;
        if (tests[i].linux_only && !ON_LINUX) continue;
        if (run_test(&tests[i], argv[0])) {
            ++passed;
        } else {
            ++failed;
            printf("FAILED: %s\n", tests[i].name);
        }
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}

#endif
