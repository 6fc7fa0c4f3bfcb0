/* Loops: several of them, their wakes from other threads, and what they share. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include "spec/capi/sockets.h"

static void test_two_loops(void) {
    const int a = new_loop(), b = new_loop();
    CHECK(a != b);
    const int listener = listen_anywhere(a);
    const socket2_addr addr = local_addr(a, listener);
    const int client = socket2_tcp_new(b, SOCKET2_INET, 0);
    const int accepting = socket2_tcp_accept(a, listener, NULL, in(LIMIT));
    const int connecting = socket2_tcp_connect(b, client, &addr, in(LIMIT));
    CHECK_INT(finish(b, connecting, client, SOCKET2_WRITE), 0);
    const int server = finish(a, accepting, listener, SOCKET2_READ);
    char data[16];
    for (int i = 0; i < 50; ++i) {
        const int receiving = socket2_stream_recv(a, server, data, sizeof data, in(LIMIT));
        CHECK_INT(send_text(b, client, "abc"), 3);
        CHECK_INT(finish(a, receiving, server, SOCKET2_READ), 3);
        CHECK_INT(send_text(a, server, "defg"), 4);
        CHECK_INT(recv_some(b, client, data, sizeof data), 4);
    }
    check_quiet(a);
    check_quiet(b);
    CHECK_INT(socket2_loop_close(a), 0);
    CHECK_INT(recv_some(b, client, data, sizeof data), 0);
    CHECK_INT(socket2_loop_close(b), 0);
}

static void* wake_once(void* loop) { return (void*)(intptr_t)socket2_wake(*(int*)loop); }

static void test_wake_from_another_thread(void) {
    int loop = new_loop();
    socket2_event event;
    for (int i = 0; i < 50; ++i) {
        pthread_t thread;
        void* result;
        CHECK_INT(pthread_create(&thread, NULL, wake_once, &loop), 0);
        CHECK_INT(socket2_poll(loop, &event, 1, SOCKET2_NEVER), 0);
        CHECK_INT(pthread_join(thread, &result), 0);
        CHECK_INT((intptr_t)result, 0);
    }
    /* A wake before the poll; and one wake ends one poll. */
    CHECK_INT(socket2_wake(loop), 0);
    CHECK_INT(socket2_wake(loop), 0);
    CHECK_INT(socket2_poll(loop, &event, 1, SOCKET2_NEVER), 0);
    const double deadline = in(0.01);
    CHECK_INT(socket2_poll(loop, &event, 1, deadline), 0);
    CHECK(socket2_clock() >= deadline);
    CHECK_INT(socket2_loop_close(loop), 0);
}

typedef struct {
    atomic_int stop;
    int loop;
    int bad;
} worker;

static void* wake_until_stopped(void* argument) {
    worker* w = argument;
    while (!atomic_load(&w->stop)) {
        const int r = socket2_wake(w->loop);
        if (r != 0 && r != SOCKET2_EBADHANDLE) ++w->bad;
    }
    return NULL;
}

static void test_wakes_while_the_loop_closes(void) {
    for (int i = 0; i < 20; ++i) {
        worker w = {0, new_loop(), 0};
        pthread_t thread;
        CHECK_INT(pthread_create(&thread, NULL, wake_until_stopped, &w), 0);
        socket2_event event;
        socket2_poll(w.loop, &event, 1, SOCKET2_NEVER);
        CHECK_INT(socket2_loop_close(w.loop), 0);
        atomic_store(&w.stop, 1);
        CHECK_INT(pthread_join(thread, NULL), 0);
        CHECK_INT(w.bad, 0);
    }
}

static void test_a_wake_outlives_a_change_of_what_is_shared(void) {
    need_loops_that_share();
    const int loop = new_loop(), other = new_loop();
    CHECK_INT(socket2_wake(loop), 0);
    CHECK_INT(share(loop, other), 0);
    socket2_event event;
    const double limit = in(LIMIT);
    CHECK_INT(socket2_poll(loop, &event, 1, limit), 0);
    CHECK(socket2_clock() < limit);
    CHECK_INT(socket2_loop_close(loop), 0);
    CHECK_INT(socket2_loop_close(other), 0);
}

static void test_wakes_while_what_is_shared_changes(void) {
    need_loops_that_share();
    worker w = {0, new_loop(), 0};
    const int others[] = {new_loop(), new_loop()};
    pthread_t thread;
    CHECK_INT(pthread_create(&thread, NULL, wake_until_stopped, &w), 0);
    const double limit = in(0.2);
    for (int i = 0; socket2_clock() < limit; ++i) CHECK_INT(share(w.loop, others[i % 2]), 0);
    atomic_store(&w.stop, 1);
    CHECK_INT(pthread_join(thread, NULL), 0);
    CHECK_INT(w.bad, 0);
    CHECK_INT(socket2_loop_close(w.loop), 0);
    for (int i = 0; i < 2; ++i) CHECK_INT(socket2_loop_close(others[i]), 0);
}

static void* make_and_close_loops(void* argument) {
    worker* w = argument;
    while (!atomic_load(&w->stop)) {
        const int loop = socket2_loop_new();
        if (loop <= 0 || socket2_loop_close(loop) != 0) ++w->bad;
    }
    return NULL;
}

/* Another thread's loop takes the place of a closed loop. */
static void test_stale_loops_while_other_threads_make_loops(void) {
    enum { THREADS = 2, STALE = 1023 };
    static int stale[STALE];
    for (int i = 0; i < STALE; ++i) {
        stale[i] = socket2_loop_new();
        CHECK_INT(socket2_loop_close(stale[i]), 0);
    }
    worker workers[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; ++i) {
        workers[i] = (worker){0, 0, 0};
        CHECK_INT(pthread_create(&threads[i], NULL, make_and_close_loops, &workers[i]), 0);
    }
    const double limit = in(0.5);
    socket2_event event;
    int bad = 0;
    while (socket2_clock() < limit) {
        for (int i = 0; i < STALE; ++i) {
            bad += socket2_poll(stale[i], &event, 1, 0) != SOCKET2_EBADHANDLE;
            bad += socket2_os_error(stale[i]) != SOCKET2_EBADHANDLE;
        }
    }
    CHECK_INT(bad, 0);
    for (int i = 0; i < THREADS; ++i) {
        atomic_store(&workers[i].stop, 1);
        CHECK_INT(pthread_join(threads[i], NULL), 0);
        CHECK_INT(workers[i].bad, 0);
    }
}

static void test_too_many_loops(void) {
    enum { MOST = 1023 };
    struct rlimit before, wanted;
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &before), 0);
    wanted = before;
    wanted.rlim_cur = before.rlim_max < 4096 ? before.rlim_max : 4096;
    if (wanted.rlim_cur < 2 * MOST + 100) return; /* cannot be tried here */
    if (before.rlim_cur < wanted.rlim_cur) CHECK_INT(setrlimit(RLIMIT_NOFILE, &wanted), 0);
    static int loops[MOST];
    const int fds = count_fds();
    for (int i = 0; i < MOST; ++i) {
        loops[i] = socket2_loop_new();
        CHECK(loops[i] > 0);
    }
    CHECK_INT(socket2_loop_new(), SOCKET2_ENOHANDLE);
    CHECK_INT(socket2_loop_close(loops[500]), 0);
    const int again = socket2_loop_new();
    CHECK(again > 0 && again != loops[500]);
    CHECK_INT(socket2_os_error(loops[500]), SOCKET2_EBADHANDLE);
    loops[500] = again;
    for (int i = 0; i < MOST; ++i) CHECK_INT(socket2_loop_close(loops[i]), 0);
    CHECK_INT(count_fds(), fds);
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void test_an_epoll_of_the_callers(void) {
    need_a_shared_epoll();
    const int loop = new_loop();
    const int mine = epoll_create1(EPOLL_CLOEXEC);
    const int fds = count_fds();
    CHECK(socket2_loop_epoll_fd(loop) >= 0);
    CHECK_INT(socket2_loop_set_epoll_fd(loop, -1), SOCKET2_EINVAL);
    CHECK_INT(socket2_loop_set_epoll_fd(loop, 1 << 20), SOCKET2_EDESCRIPTOR);
    int no_epoll[2];
    CHECK_INT(pipe(no_epoll), 0);
    CHECK(socket2_loop_set_epoll_fd(loop, no_epoll[0]) < SOCKET2_PENDING);
    close(no_epoll[0]);
    close(no_epoll[1]);
    const int used = socket2_loop_set_epoll_fd(loop, mine);
    CHECK(used >= 0 && used != mine);
    CHECK_INT(socket2_loop_epoll_fd(loop), used);
    CHECK_INT(socket2_loop_set_epoll_fd(loop, used), used);
    CHECK_INT(count_fds(), fds);
    close(mine);

    const int a = udp_anywhere(loop);
    CHECK_INT(socket2_loop_set_epoll_fd(loop, used + 1000), SOCKET2_EBUSY);
    const socket2_addr to = local_addr(loop, a);
    char data[8];
    const int receiving = socket2_udp_recv(loop, a, data, sizeof data, NULL, NULL, in(LIMIT));
    CHECK_INT(receiving, SOCKET2_PENDING);
    CHECK_INT(udp_send(loop, a, "abc", &to), 3);
    CHECK_INT(finish(loop, receiving, a, SOCKET2_READ), 3);
    CHECK_INT(socket2_wake(loop), 0);
    socket2_event event;
    CHECK_INT(socket2_poll(loop, &event, 1, SOCKET2_NEVER), 0);
    CHECK_INT(socket2_loop_close(loop), 0);
}

/* Whichever loop takes an event, it reaches the loop that waits for it. */
static void test_loops_that_share(void) {
    need_loops_that_share();
    const int fds = count_fds();
    const int a = new_loop(), b = new_loop(), c = new_loop();
    CHECK_INT(share(b, a), 0);
    CHECK_INT(share(c, b), 0);
    CHECK_INT(socket2_loop_close(a), 0);
    const int in_b = udp_anywhere(b), in_c = udp_anywhere(c);
    char b_data[8], c_data[8];
    for (int i = 0; i < 100; ++i) {
        CHECK_INT(socket2_udp_recv(b, in_b, b_data, 8, NULL, NULL, SOCKET2_NEVER), SOCKET2_PENDING);
        CHECK_INT(socket2_udp_recv(c, in_c, c_data, 8, NULL, NULL, SOCKET2_NEVER), SOCKET2_PENDING);
        const socket2_addr to_b = local_addr(b, in_b), to_c = local_addr(c, in_c);
        CHECK_INT(udp_send(b, in_b, "xy", &to_c), 2);
        CHECK_INT(udp_send(c, in_c, "z", &to_b), 1);
        socket2_event event;
        CHECK_INT(socket2_poll(i % 2 ? b : c, &event, 1, SOCKET2_NEVER), 1);
        CHECK_INT(event.result, i % 2 ? 1 : 2);
        CHECK_INT(socket2_poll(i % 2 ? c : b, &event, 1, SOCKET2_NEVER), 1);
        CHECK_INT(event.result, i % 2 ? 2 : 1);
    }
    CHECK_INT(socket2_loop_close(b), 0);
    CHECK_INT(socket2_loop_close(c), 0);
    CHECK_INT(count_fds(), fds);
}

/* ---- all of them ---------------------------------------------------------------------------- */

static const test_case tests[] = {
    TEST(two_loops),
    TEST(wake_from_another_thread),
    TEST(wakes_while_the_loop_closes),
    TEST(a_wake_outlives_a_change_of_what_is_shared),
    TEST(wakes_while_what_is_shared_changes),
    TEST(stale_loops_while_other_threads_make_loops),
    TEST(too_many_loops),
    TEST(an_epoll_of_the_callers),
    TEST(loops_that_share),
};

int main(int argc, char** argv) {
    return run_tests(tests, sizeof tests / sizeof *tests, argc, argv);
}
