/* Signals in a C program. */
#define _GNU_SOURCE
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "spec/capi/events.h"

static int watch(int loop, int signals) {
    const int handle = socket2_signal_new(loop, signals);
    CHECK(handle > 0);
    return handle;
}

static int wait_for(int loop, int handle) {
    return finish(loop, socket2_signal_wait(loop, handle, in(LIMIT)), handle, SOCKET2_READ);
}

static int has_default(int number) {
    struct sigaction present;
    CHECK_INT(sigaction(number, NULL, &present), 0);
    return present.sa_handler == SIG_DFL;
}

static void test_each_handle_is_told(void) {
    const int loop = new_loop(), other = new_loop();
    const int a = watch(loop, SOCKET2_SIGUSR1), b = watch(loop, SOCKET2_SIGUSR1 | SOCKET2_SIGUSR2);
    const int c = watch(other, SOCKET2_SIGUSR1);
    CHECK_INT(socket2_signal_wait(loop, a, in(LIMIT)), SOCKET2_PENDING);
    CHECK_INT(raise(SIGUSR1), 0);
    CHECK_INT(finish(loop, SOCKET2_PENDING, a, SOCKET2_READ), SOCKET2_SIGUSR1);
    CHECK_INT(wait_for(loop, b), SOCKET2_SIGUSR1);
    CHECK_INT(raise(SIGUSR2), 0);
    CHECK_INT(wait_for(loop, b), SOCKET2_SIGUSR2);
    CHECK_INT(socket2_signal_wait(loop, a, SOCKET2_AT_ONCE), SOCKET2_ETIMEOUT);
    CHECK_INT(socket2_signal_wait(loop, b, SOCKET2_AT_ONCE), SOCKET2_ETIMEOUT);
    CHECK_INT(wait_for(other, c), SOCKET2_SIGUSR1);
    CHECK_INT(socket2_loop_close(other), 0);
    CHECK_INT(socket2_loop_close(loop), 0);
    CHECK(has_default(SIGUSR1) && has_default(SIGUSR2));
}

static void test_one_that_nobody_waits_for_is_kept(void) {
    const int loop = new_loop();
    const int a = watch(loop, SOCKET2_SIGUSR1 | SOCKET2_SIGTERM | SOCKET2_SIGUSR2);
    for (int i = 0; i < 5; ++i) raise(SIGUSR2);
    for (int i = 0; i < 5; ++i) raise(SIGTERM);
    /* When the signal that was raised last is there, all are. */
    const int b = watch(loop, SOCKET2_SIGUSR1);
    raise(SIGUSR1);
    CHECK_INT(wait_for(loop, b), SOCKET2_SIGUSR1);
    CHECK_INT(socket2_signal_wait(loop, a, SOCKET2_AT_ONCE), SOCKET2_SIGTERM);
    CHECK_INT(socket2_signal_wait(loop, a, SOCKET2_AT_ONCE), SOCKET2_SIGUSR1);
    CHECK_INT(socket2_signal_wait(loop, a, 0), SOCKET2_SIGUSR2);
    CHECK_INT(finish(loop, socket2_signal_wait(loop, a, 0), a, SOCKET2_READ), SOCKET2_ETIMEOUT);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_one_wait_at_a_time(void) {
    const int loop = new_loop();
    const int s = watch(loop, SOCKET2_SIGUSR1);
    double since = 0;
    CHECK_INT(socket2_socket_pending(loop, s, SOCKET2_READ, &since), 0);
    CHECK_INT(socket2_signal_wait(loop, s, SOCKET2_NEVER), SOCKET2_PENDING);
    CHECK_INT(socket2_signal_wait(loop, s, SOCKET2_NEVER), SOCKET2_EBUSY);
    CHECK_INT(socket2_signal_wait(loop, s, SOCKET2_AT_ONCE), SOCKET2_EBUSY);
    CHECK_INT(socket2_socket_pending(loop, s, SOCKET2_READ, &since), SOCKET2_OP_WAIT);
    CHECK_INT(socket2_socket_pending(loop, s, SOCKET2_WRITE, &since), 0);
    CHECK(since > 0);
    CHECK_INT(socket2_socket_cancel(loop, s, SOCKET2_WRITE), 0);
    CHECK_INT(socket2_socket_cancel(loop, s, SOCKET2_READ), 0);
    CHECK_INT(finish(loop, SOCKET2_PENDING, s, SOCKET2_READ), SOCKET2_ECANCELED);
    CHECK_INT(socket2_signal_wait(loop, s, in(0.001)), SOCKET2_PENDING);
    CHECK_INT(finish(loop, SOCKET2_PENDING, s, SOCKET2_READ), SOCKET2_ETIMEOUT);
    CHECK_INT(socket2_signal_wait(loop, s, SOCKET2_NEVER), SOCKET2_PENDING);
    CHECK_INT(socket2_signal_close(loop, s), 0);
    CHECK_INT(finish(loop, SOCKET2_PENDING, s, SOCKET2_READ), SOCKET2_ECLOSED);
    CHECK_INT(socket2_signal_close(loop, s), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_signal_wait(loop, s, 0), SOCKET2_EBADHANDLE);
    check_quiet(loop);
    CHECK_INT(socket2_loop_close(loop), 0);
}

/* A wait that was held back for a turn has its signal already, and a cancel must not take it. */
static void test_a_cancel_loses_none(void) {
    const int loop = new_loop();
    const int s = watch(loop, SOCKET2_SIGUSR1);
    for (int i = 0; i < 200; ++i) {
        raise(SIGUSR1);
        const int r = socket2_signal_wait(loop, s, SOCKET2_NEVER);
        if (r == SOCKET2_PENDING) CHECK_INT(socket2_socket_cancel(loop, s, SOCKET2_READ), 0);
        const int first = finish(loop, r, s, SOCKET2_READ);
        CHECK_INT(first == SOCKET2_ECANCELED ? wait_for(loop, s) : first, SOCKET2_SIGUSR1);
    }
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_a_later_one_ends_a_poll(void) {
    const int loop = new_loop();
    const int s = watch(loop, SOCKET2_SIGUSR1);
    raise(SIGUSR1);
    const double limit = in(LIMIT);
    while (socket2_signal_wait(loop, s, SOCKET2_AT_ONCE) == SOCKET2_ETIMEOUT) {
        CHECK(socket2_clock() < limit);
        socket2_event event;
        CHECK_INT(socket2_poll(loop, &event, 1, in(LIMIT)), 0);
    }
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_bad_arguments(void) {
    const int loop = new_loop();
    const int s = watch(loop, SOCKET2_SIGUSR1), t = socket2_timer_new(loop, in(LIMIT));
    CHECK_INT(socket2_signal_new(loop, 0), SOCKET2_EINVAL);
    CHECK_INT(socket2_signal_new(loop, -1), SOCKET2_EINVAL);
    CHECK_INT(socket2_signal_new(loop, SOCKET2_SIGXFSZ << 1), SOCKET2_EINVAL);
    CHECK_INT(socket2_signal_new(loop, SOCKET2_SIGTERM | SOCKET2_SIGBREAK), SOCKET2_ENOTSUPPORTED);
    CHECK(has_default(SIGTERM));
    CHECK_INT(socket2_signal_wait(loop, s, NAN), SOCKET2_EINVAL);
    CHECK_INT(socket2_signal_wait(loop, t, 0), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_signal_close(loop, t), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_timer_close(loop, s), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_socket_close(loop, s), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_socket_wait(loop, s, SOCKET2_READ, 0), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static volatile sig_atomic_t former_calls;

static void former_handler(int number) {
    (void)number;
    ++former_calls;
}

static void test_the_former_handler_comes_back(void) {
    const int loop = new_loop();
    struct sigaction former = {0}, present;
    former.sa_handler = former_handler;
    former.sa_flags = SA_NODEFER;
    CHECK_INT(sigaction(SIGUSR1, &former, NULL), 0);
    const int a = watch(loop, SOCKET2_SIGUSR1), b = watch(loop, SOCKET2_SIGUSR1);
    CHECK_INT(socket2_signal_close(loop, a), 0);
    raise(SIGUSR1);
    CHECK_INT(former_calls, 0);
    CHECK_INT(wait_for(loop, b), SOCKET2_SIGUSR1);
    CHECK_INT(socket2_signal_close(loop, b), 0);
    raise(SIGUSR1);
    CHECK_INT(former_calls, 1);
    CHECK_INT(sigaction(SIGUSR1, NULL, &present), 0);
    CHECK((present.sa_flags & SA_NODEFER) != 0);
    CHECK_INT(socket2_loop_close(loop), 0);
}

/* ---- threads ---- */

enum { ROUNDS = 300 };

/* Makes loops that watch, and closes them again. */
static void* come_and_go(void* unused) {
    (void)unused;
    for (int i = 0; i < ROUNDS; ++i) {
        const int loop = socket2_loop_new();
        const int s = socket2_signal_new(loop, SOCKET2_SIGUSR1 | SOCKET2_SIGUSR2);
        socket2_event event;
        if (loop < 0 || s < 0 || socket2_signal_wait(loop, s, in(LIMIT)) < SOCKET2_PENDING)
            return "";
        if (i % 2 == 0) socket2_poll(loop, &event, 1, in(0.0002));
        if (i % 3 == 0) socket2_signal_close(loop, s);
        socket2_loop_close(loop);
    }
    return NULL;
}

static void test_threads_come_and_go_while_signals_do(void) {
    const int loop = new_loop();
    const int s = watch(loop, SOCKET2_SIGUSR1), last = watch(loop, SOCKET2_SIGUSR2);
    pthread_t threads[3];
    for (int i = 0; i < 3; ++i) {
        CHECK_INT(pthread_create(&threads[i], NULL, come_and_go, NULL), 0);
    }
    for (int i = 0; i < ROUNDS; ++i) {
        CHECK_INT(kill(getpid(), SIGUSR1), 0);
        CHECK_INT(wait_for(loop, s), SOCKET2_SIGUSR1);
    }
    for (int i = 0; i < 3; ++i) {
        void* failed = NULL;
        CHECK_INT(pthread_join(threads[i], &failed), 0);
        CHECK(failed == NULL);
    }
    CHECK_INT(kill(getpid(), SIGUSR2), 0);
    CHECK_INT(wait_for(loop, last), SOCKET2_SIGUSR2);
    CHECK_INT(socket2_loop_close(loop), 0);
    CHECK(has_default(SIGUSR1) && has_default(SIGUSR2));
}

static const test_case tests[] = {
    TEST(each_handle_is_told),
    TEST(one_that_nobody_waits_for_is_kept),
    TEST(one_wait_at_a_time),
    TEST(a_cancel_loses_none),
    TEST(a_later_one_ends_a_poll),
    TEST(bad_arguments),
    TEST(the_former_handler_comes_back),
    TEST(threads_come_and_go_while_signals_do),
};

int main(int argc, char** argv) {
    return run_tests(tests, sizeof tests / sizeof *tests, argc, argv);
}
