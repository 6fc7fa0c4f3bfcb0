/* Calls of loops and their timers. */
#define _GNU_SOURCE
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "spec/capi/garbage/calls.h"

static void call_loop_new(void) {
    const int l = below(LOOPS);
    if (loops[l].handle != 0 && !one_in(20)) return;
    const int old = loops[l].handle;
    if (old != 0) {
        if (socket2_loop_close(old) != 0) fail("a live loop cannot be closed", old);
        PICK(stale_loops) = old;
    }
    memset(&loops[l], 0, sizeof loops[l]);
    loops[l].handle = socket2_loop_new();
    if (loops[l].handle <= 0) fail("no loop", loops[l].handle);
}

static void call_loop_close(void) {
    const int loop = one_in(50) ? any_loop() : PICK(stale_loops);
    const int l = loop_index(loop);
    check_loop(loop, socket2_loop_close(loop));
    if (l < 0) return;
    PICK(stale_loops) = loop;
    memset(&loops[l], 0, sizeof loops[l]);
    loops[l].handle = socket2_loop_new();
}

void call_poll(void) {
    const int loop = any_loop();
    socket2_event events[16];
    static const int maxima[] = {16, 16, 16, 1, 2, 0, -1, INT_MIN};
    const int max = PICK(maxima);
    static const double waits[] = {0, 0, 0, 1e-4, -INFINITY, NAN};
    const double wait = PICK(waits);
    socket2_event* const room = one_in(20) ? NULL : events;
    const int n =
        check_loop(loop, socket2_poll(loop, room, max, wait > 0 ? socket2_clock() + wait : wait));
    if ((room == NULL || max <= 0 || isnan(wait)) && loop_index(loop) >= 0 && n != SOCKET2_EINVAL) {
        fail("bad arguments are taken", n);
    }
    if (n > 0 && n > max) fail("more events than there is room for", n);
    for (int i = 0; i < n; ++i) check_event(loop, &events[i]);
}

static void call_wake(void) {
    const int loop = any_loop();
    check_loop(loop, socket2_wake(loop));
}

static void call_os_error(void) {
    const int loop = any_loop();
    const int code = check_loop(loop, socket2_os_error(loop));
    if (code < 0 && code != SOCKET2_EBADHANDLE) fail("a negative system code", code);
}

static void call_loop_epoll_fd(void) {
    const int loop = any_loop();
    check_loop(loop, socket2_loop_epoll_fd(loop));
}

/* Not another loop's epoll, because events would go astray, like the header says. */
static void call_loop_set_epoll_fd(void) {
    const int loop = any_loop();
    static const int fds[] = {-1, INT_MIN, INT_MAX, 1 << 20, -2};
    const int fd = one_in(4) ? socket2_loop_epoll_fd(loop) : PICK(fds);
    check_loop(loop, socket2_loop_set_epoll_fd(loop, fd));
}

static void call_loop_iocp(void) {
    const int loop = any_loop();
    intptr_t port = 0;
    check_loop(loop, socket2_loop_iocp(loop, one_in(2) ? &port : NULL));
}

static void call_loop_set_iocp(void) {
    const int loop = any_loop();
    static const intptr_t bad[] = {0, -1, INTPTR_MIN, INTPTR_MAX, 1};
    intptr_t port = PICK(bad);
    if (one_in(4)) socket2_loop_iocp(loop, &port);
    check_loop(loop, socket2_loop_set_iocp(loop, port));
}

static void call_timer_new(void) {
    const int loop = any_loop();
    if (is_full(loop) || !one_in(2)) return;
    const double deadline = any_deadline();
    const int handle = socket2_timer_new(loop, deadline);
    made_socket(loop, handle, TIMER);
    if (handle < 0) return;
    find_live(loop, handle)->deadline = deadline;
    if (isnan(deadline) || deadline == SOCKET2_NEVER) fail("a time that is none", handle);
}

static void call_timer_close(void) {
    const int loop = any_loop(), handle = any_handle(loop, TIMER);
    if (check_socket(loop, handle, TIMER, socket2_timer_close(loop, handle)) == 0) {
        remove_socket(loop, handle);
    }
}

static call calls[] = {
    CALL(loop_close),        CALL(loop_epoll_fd), CALL(loop_iocp), CALL(loop_new),
    CALL(loop_set_epoll_fd), CALL(loop_set_iocp), CALL(os_error),  CALL(poll),
    CALL(timer_close),       CALL(timer_new),     CALL(wake),
};
const call_table loop_calls = {calls, sizeof calls / sizeof *calls};
