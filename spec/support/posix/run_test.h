/* How a C test runs in a separate process: by a fork. Part of spec/capi/harness.h. */
#include <sys/wait.h>
#include <unistd.h>

#include "spec/support/posix/descriptors.h"

static inline int run_alone(const test_case* test) {
    test->run();
    return failures == 0 ? 0 : 1;
}

static inline int run_test(const test_case* test, const char* program) {
    (void)program;
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        alarm(100);
        exit(run_alone(test));
    }
    int status = -1;
    if (child < 0 || waitpid(child, &status, 0) != child) return -1;
    if (WIFSIGNALED(status)) printf("ended by signal %d\n", WTERMSIG(status));
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static inline void need_posix(const char* reason) { (void)reason; }

/* The library makes handles for the system's own pipes. */
enum { WRAPS_PIPES = 1 };
static inline int open_system_pipe(int fds[2]) { return pipe(fds); }
static inline int close_system_pipe(const int fds[2]) { return close(fds[0]) | close(fds[1]); }
