/* How a C test runs in a process of its own: a fork. Part of spec/capi/harness.h. */
#include <netinet/in.h>
#include <sys/socket.h>
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

/* For tests of sockets that connect after a connect that failed. */
static inline void need_reconnects(void) {
    const int listener = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in addr = {.sin_family = AF_INET};
    struct sockaddr* const any = (struct sockaddr*)&addr;
    socklen_t size = sizeof addr;
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK_INT(bind(listener, any, size), 0);
    CHECK_INT(getsockname(listener, any, &size), 0);
    CHECK_INT(connect(fd, any, size), -1);
    CHECK_INT(listen(listener, 1), 0);
    if (connect(fd, any, size) != 0) skip("a socket connects once here");
    close(fd);
    close(listener);
}

/* The system's own pipe, of which the library makes handles. */
enum { WRAPS_PIPES = 1 };
static inline int open_system_pipe(int fds[2]) { return pipe(fds); }
static inline int close_system_pipe(const int fds[2]) { return close(fds[0]) | close(fds[1]); }
