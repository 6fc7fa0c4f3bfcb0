/* Waits for readiness, operations without waiting, and the end of a loop while all of it waits. */
#define _GNU_SOURCE
#include <limits.h>
#include <math.h>
#include <poll.h>

#include "spec/capi/waits.h"

static void test_a_wait_takes_nothing(void) {
    const connection c = connected();
    for (int i = 0; i < 5; ++i) {
        const int waiting = wait_for(c.loop, c.server, SOCKET2_READ);
        CHECK_INT(waiting, SOCKET2_PENDING);
        check_quiet(c.loop);
        feed(&c, "hello");
        CHECK_INT(finish(c.loop, waiting, c.server, SOCKET2_READ), 0);
        CHECK_INT(detail, 0);
        CHECK_INT(pending(c.loop, c.server, SOCKET2_READ), 0);
        check_quiet(c.loop);
        check_recv(&c, "hello");
    }
    CHECK_INT(socket2_loop_close(c.loop), 0);
}

static void test_a_wait_is_done_while_something_is_unread(void) {
    const connection c = connected();
    char byte;
    feed(&c, "abc");
    for (int i = 0; i < 3; ++i) {
        for (int k = 0; k < 3; ++k) {
            CHECK_INT(
                finish(c.loop, wait_for(c.loop, c.server, SOCKET2_READ), c.server, SOCKET2_READ),
                0);
        }
        CHECK_INT(recv_some(c.loop, c.server, &byte, 1), 1);
        CHECK_INT(byte, "abc"[i]);
    }
    CHECK_INT(wait_for(c.loop, c.server, SOCKET2_READ), SOCKET2_PENDING);
    check_quiet(c.loop);
    CHECK_INT(socket2_loop_close(c.loop), 0);
}

static void test_a_wait_to_write(void) {
    const connection c = connected();
    const size_t size = (size_t)16 << 20;
    char* data = calloc(1, size);
    CHECK_INT(wait_for(c.loop, c.client, SOCKET2_WRITE), 0);
    /* It is full when sending for a while has no effect. */
    const double limit = in(LIMIT);
    int waiting = 0, sent = 0;
    while (waiting != SOCKET2_PENDING && socket2_clock() < limit) {
        do {
            const int r = socket2_stream_send(c.loop, c.client, data, size, in(0.02));
            CHECK_INT(finish(c.loop, r, c.client, SOCKET2_WRITE), SOCKET2_ETIMEOUT);
            sent += detail;
        } while (detail > 0 && socket2_clock() < limit);
        waiting = wait_for(c.loop, c.client, SOCKET2_WRITE);
    }
    CHECK_INT(waiting, SOCKET2_PENDING);
    int received = 0;
    while (received < sent && socket2_clock() < limit) {
        const int n = recv_some(c.loop, c.server, data, size);
        CHECK(n > 0);
        if (n <= 0) break;
        received += n;
    }
    CHECK_INT(received, sent);
    CHECK_INT(finish(c.loop, waiting, c.client, SOCKET2_WRITE), 0);
    CHECK_INT(detail, 0);
    CHECK_INT(send_text(c.loop, c.client, "x"), 1);
    CHECK_INT(socket2_loop_close(c.loop), 0);
    free(data);
}

static void test_the_end_of_a_stream_ends_a_wait(void) {
    for (int half = 0; half <= 1; ++half) {
        const connection c = connected();
        char byte;
        const int waiting = wait_for(c.loop, c.server, SOCKET2_READ);
        CHECK_INT(waiting, SOCKET2_PENDING);
        if (half) {
            CHECK_INT(socket2_socket_shutdown(c.loop, c.client, SOCKET2_SHUT_WRITE), 0);
        } else {
            CHECK_INT(socket2_socket_close(c.loop, c.client), 0);
        }
        CHECK_INT(finish(c.loop, waiting, c.server, SOCKET2_READ), 0);
        CHECK_INT(wait_for(c.loop, c.server, SOCKET2_READ), 0);
        CHECK_INT(recv_some(c.loop, c.server, &byte, 1), 0);
        CHECK_INT(wait_for(c.loop, c.server, SOCKET2_READ), 0);
        check_quiet(c.loop);
        CHECK_INT(socket2_loop_close(c.loop), 0);
    }
}

static void test_a_wait_on_a_listener(void) {
    connection c = {new_loop(), 0, 0, 0};
    c.listener = new_listener(c.loop, 5);
    c.client = new_tcp(c.loop);
    const socket2_addr addr = local_addr(c.loop, c.listener);
    const int waiting = wait_for(c.loop, c.listener, SOCKET2_READ);
    CHECK_INT(waiting, SOCKET2_PENDING);
    const int connecting = socket2_tcp_connect(c.loop, c.client, &addr, in(LIMIT));
    CHECK_INT(finish(c.loop, waiting, c.listener, SOCKET2_READ), 0);
    CHECK_INT(finish(c.loop, connecting, c.client, SOCKET2_WRITE), 0);
    CHECK_INT(wait_for(c.loop, c.listener, SOCKET2_READ), 0);
    c.server = finish(c.loop, socket2_tcp_accept(c.loop, c.listener, NULL, in(LIMIT)), c.listener,
                      SOCKET2_READ);
    CHECK(c.server > 0);
    feed(&c, "hi");
    check_recv(&c, "hi");
    CHECK_INT(wait_for(c.loop, c.listener, SOCKET2_READ), SOCKET2_PENDING);
    check_quiet(c.loop);
    CHECK_INT(socket2_loop_close(c.loop), 0);
}

static void test_a_wait_on_datagrams(void) {
    const int loop = new_loop();
    const int a = udp_anywhere(loop), b = udp_anywhere(loop);
    const socket2_addr addr = local_addr(loop, b);
    char data[8];
    for (int i = 0; i < 3; ++i) {
        const int waiting = wait_for(loop, b, SOCKET2_READ);
        CHECK_INT(waiting, SOCKET2_PENDING);
        CHECK_INT(wait_for(loop, b, SOCKET2_WRITE), 0);
        CHECK_INT(socket2_udp_send(loop, a, "", 0, &addr, in(LIMIT)), 0);
        CHECK_INT(finish(loop, waiting, b, SOCKET2_READ), 0);
        CHECK_INT(wait_for(loop, b, SOCKET2_READ), 0);
        CHECK_INT(socket2_udp_recv(loop, b, data, 8, NULL, NULL, 0), 0);
    }
    check_quiet(loop);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_one_operation_of_a_kind_at_a_time(void) {
    const connection c = connected();
    char data[8];
    CHECK_INT(wait_for(c.loop, c.server, SOCKET2_READ), SOCKET2_PENDING);
    CHECK_INT(wait_for(c.loop, c.server, SOCKET2_READ), SOCKET2_EBUSY);
    CHECK_INT(socket2_stream_recv(c.loop, c.server, data, 8, SOCKET2_NEVER), SOCKET2_EBUSY);
    CHECK_INT(pending(c.loop, c.server, SOCKET2_READ), SOCKET2_OP_WAIT);
    /* The other kind is free. */
    CHECK_INT(wait_for(c.loop, c.server, SOCKET2_WRITE), 0);
    CHECK_INT(send_text(c.loop, c.server, "x"), 1);
    check_cancel(c.loop, c.server, SOCKET2_READ);

    CHECK_INT(socket2_stream_recv(c.loop, c.server, data, 8, SOCKET2_NEVER), SOCKET2_PENDING);
    CHECK_INT(wait_for(c.loop, c.server, SOCKET2_READ), SOCKET2_EBUSY);
    CHECK_INT(pending(c.loop, c.server, SOCKET2_READ), SOCKET2_OP_RECV);
    feed(&c, "abc");
    CHECK_INT(finish(c.loop, SOCKET2_PENDING, c.server, SOCKET2_READ), 3);

    CHECK_INT(wait_for(c.loop, c.listener, SOCKET2_READ), SOCKET2_PENDING);
    CHECK_INT(socket2_tcp_accept(c.loop, c.listener, NULL, SOCKET2_NEVER), SOCKET2_EBUSY);
    check_cancel(c.loop, c.listener, SOCKET2_READ);

    const int deaf = new_deaf_listener(c.loop), client = new_tcp(c.loop);
    const socket2_addr addr = local_addr(c.loop, deaf);
    CHECK_INT(socket2_tcp_connect(c.loop, client, &addr, SOCKET2_NEVER), SOCKET2_PENDING);
    CHECK_INT(wait_for(c.loop, client, SOCKET2_WRITE), SOCKET2_EBUSY);
    check_cancel(c.loop, client, SOCKET2_WRITE);
    CHECK_INT(socket2_loop_close(c.loop), 0);
}

static void test_a_busy_wait_does_not_touch_what_is_pending(void) {
    const connection c = connected();
    const double deadline = in(0.02);
    CHECK_INT(socket2_socket_wait(c.loop, c.server, SOCKET2_READ, deadline), SOCKET2_PENDING);
    CHECK_INT(wait_for(c.loop, c.server, SOCKET2_READ), SOCKET2_EBUSY);
    CHECK_INT(finish(c.loop, SOCKET2_PENDING, c.server, SOCKET2_READ), SOCKET2_ETIMEOUT);
    CHECK(socket2_clock() >= deadline);
    check_quiet(c.loop);
    CHECK_INT(socket2_loop_close(c.loop), 0);
}

static void test_the_deadline_of_a_wait(void) {
    const connection c = connected();
    static const double waits[] = {0.001, 0.0123, 0.05};
    for (int i = 0; i < 3; ++i) {
        const double deadline = in(waits[i]);
        const int r = socket2_socket_wait(c.loop, c.server, SOCKET2_READ, deadline);
        CHECK_INT(r, SOCKET2_PENDING);
        CHECK_INT(finish(c.loop, r, c.server, SOCKET2_READ), SOCKET2_ETIMEOUT);
        CHECK(socket2_clock() >= deadline);
    }
    /* With a deadline that has passed it tries once, without waiting. */
    static const double passed[] = {0, -1, -INFINITY};
    for (int i = 0; i < 3; ++i) {
        const int r = socket2_socket_wait(c.loop, c.server, SOCKET2_READ, passed[i]);
        CHECK_INT(finish(c.loop, r, c.server, SOCKET2_READ), SOCKET2_ETIMEOUT);
        CHECK_INT(socket2_socket_wait(c.loop, c.server, SOCKET2_WRITE, passed[i]), 0);
    }
    feed(&c, "x");
    poll_into_inbox(c.loop, 0);
    const int r = socket2_socket_wait(c.loop, c.server, SOCKET2_READ, 0);
    CHECK_INT(finish(c.loop, r, c.server, SOCKET2_READ), 0);
    check_quiet(c.loop);
    CHECK_INT(socket2_loop_close(c.loop), 0);
}

static void test_a_close_ends_waits(void) {
    const connection c = connected();
    CHECK_INT(wait_for(c.loop, c.server, SOCKET2_READ), SOCKET2_PENDING);
    CHECK_INT(socket2_socket_close(c.loop, c.server), 0);
    CHECK_INT(pending(c.loop, c.server, SOCKET2_READ), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_socket_cancel(c.loop, c.server, SOCKET2_READ), SOCKET2_EBADHANDLE);
    CHECK_INT(wait_for(c.loop, c.server, SOCKET2_READ), SOCKET2_EBADHANDLE);
    CHECK_INT(finish(c.loop, SOCKET2_PENDING, c.server, SOCKET2_READ), SOCKET2_ECLOSED);
    check_quiet(c.loop);
    CHECK_INT(socket2_loop_close(c.loop), 0);
}

static void test_waits_of_many_sockets_each_end_once(void) {
    enum { COUNT = 100 };
    const int loop = new_loop();
    int sockets[COUNT];
    const int sender = udp_anywhere(loop);
    for (int i = 0; i < COUNT; ++i) {
        sockets[i] = udp_anywhere(loop);
        CHECK_INT(wait_for(loop, sockets[i], SOCKET2_READ), SOCKET2_PENDING);
    }
    for (int i = 0; i < COUNT; ++i) {
        const socket2_addr addr = local_addr(loop, sockets[i]);
        if (i % 3 == 0) CHECK_INT(socket2_udp_send(loop, sender, "x", 1, &addr, in(LIMIT)), 1);
        if (i % 3 == 1) CHECK_INT(socket2_socket_cancel(loop, sockets[i], SOCKET2_READ), 0);
        if (i % 3 == 2) CHECK_INT(socket2_socket_close(loop, sockets[i]), 0);
    }
    for (int i = 0; i < COUNT; ++i) {
        const int expected[] = {0, SOCKET2_ECANCELED, SOCKET2_ECLOSED};
        CHECK_INT(finish(loop, SOCKET2_PENDING, sockets[i], SOCKET2_READ), expected[i % 3]);
    }
    check_quiet(loop);
    CHECK_INT(socket2_loop_close(loop), 0);
}

/* ---- without waiting at all ------------------------------------------------------------------ */

static void test_at_once_nothing_is_ever_pending(void) {
    const connection c = connected();
    char data[8];
    CHECK_INT(socket2_stream_recv(c.loop, c.server, data, 8, SOCKET2_AT_ONCE), SOCKET2_ETIMEOUT);
    CHECK_INT(socket2_socket_wait(c.loop, c.server, SOCKET2_READ, SOCKET2_AT_ONCE),
              SOCKET2_ETIMEOUT);
    CHECK_INT(socket2_tcp_accept(c.loop, new_listener(c.loop, 5), NULL, SOCKET2_AT_ONCE),
              SOCKET2_ETIMEOUT);
    socket2_addr from;
    CHECK_INT(socket2_udp_recv(c.loop, udp_anywhere(c.loop), data, 8, NULL, &from, SOCKET2_AT_ONCE),
              SOCKET2_ETIMEOUT);
    CHECK_INT(pending(c.loop, c.server, SOCKET2_READ), 0);
    check_quiet(c.loop);
    CHECK_INT(socket2_loop_close(c.loop), 0);
}

/* What has come since is found without a poll, and the next poll returns for it, too. */
static void test_at_once_gives_what_is_there(void) {
    const connection c = connected();
    char data[8];
    for (int i = 0; i < 3; ++i) {
        CHECK_INT(socket2_stream_recv(c.loop, c.server, data, 8, SOCKET2_AT_ONCE),
                  SOCKET2_ETIMEOUT);
        feed(&c, "hello");
        CHECK_INT(socket2_stream_recv(c.loop, c.server, data, 8, SOCKET2_AT_ONCE), 5);
        CHECK(memcmp(data, "hello", 5) == 0);
    }
    CHECK_INT(socket2_socket_close(c.loop, c.client), 0);
    await(socket2_socket_fd(c.loop, c.server), POLLIN);
    CHECK_INT(socket2_stream_recv(c.loop, c.server, data, 8, SOCKET2_AT_ONCE), 0);
    CHECK_INT(socket2_loop_close(c.loop), 0);
}

/* A poll returns, without an event, when an AT_ONCE operation would find something. */
static void test_a_poll_returns_for_who_looks_at_once(void) {
    const connection c = connected();
    CHECK_INT(socket2_socket_wait(c.loop, c.server, SOCKET2_READ, SOCKET2_AT_ONCE),
              SOCKET2_ETIMEOUT);
    feed(&c, "x");
    const double limit = in(LIMIT);
    int looked;
    do {
        socket2_event event;
        CHECK_INT(socket2_poll(c.loop, &event, 1, limit), 0);
        looked = socket2_socket_wait(c.loop, c.server, SOCKET2_READ, SOCKET2_AT_ONCE);
    } while (looked == SOCKET2_ETIMEOUT && socket2_clock() < limit);
    CHECK_INT(looked, 0);
    CHECK_INT(socket2_loop_close(c.loop), 0);
}

static void test_at_once_beside_what_is_pending(void) {
    const connection c = connected();
    char data[8], other[8];
    CHECK_INT(wait_for(c.loop, c.server, SOCKET2_READ), SOCKET2_PENDING);
    feed(&c, "x");
    CHECK_INT(socket2_stream_recv(c.loop, c.server, data, 8, SOCKET2_AT_ONCE), 1);
    CHECK_INT(pending(c.loop, c.server, SOCKET2_READ), SOCKET2_OP_WAIT);
    check_cancel(c.loop, c.server, SOCKET2_READ);
    CHECK_INT(socket2_stream_recv(c.loop, c.server, data, 8, SOCKET2_NEVER), SOCKET2_PENDING);
    CHECK_INT(socket2_stream_recv(c.loop, c.server, other, 8, SOCKET2_AT_ONCE), SOCKET2_EBUSY);
    CHECK_INT(socket2_loop_close(c.loop), 0);
}

static void test_a_send_at_once_gives_a_part(void) {
    const connection c = connected();
    enum { SIZE = 64 << 20 };
    char* data = calloc(1, SIZE);
    int n, sent = 0;
    while ((n = socket2_stream_send(c.loop, c.client, data, SIZE, SOCKET2_AT_ONCE)) > 0) sent += n;
    CHECK_INT(n, SOCKET2_ETIMEOUT);
    CHECK(sent > 0 && sent < SIZE);
    CHECK_INT(pending(c.loop, c.client, SOCKET2_WRITE), 0);
    CHECK_INT(socket2_loop_close(c.loop), 0);
    free(data);
}

static void test_a_connect_at_once_goes_on(void) {
    need(DEAF_LISTENERS, "a full queue answers here");
    const int loop = new_loop();
    const int deaf = new_deaf_listener(loop);
    const socket2_addr nowhere = local_addr(loop, deaf);
    const int client = new_tcp(loop);
    CHECK_INT(socket2_tcp_connect(loop, client, &nowhere, SOCKET2_AT_ONCE), SOCKET2_ETIMEOUT);
    CHECK_INT(socket2_tcp_connect(loop, client, &nowhere, SOCKET2_AT_ONCE), SOCKET2_EBUSY);
    CHECK_INT(socket2_loop_close(loop), 0);
}

/* ---- bad arguments -------------------------------------------------------------------------- */

static void test_kinds_that_are_none(void) {
    const connection c = connected();
    static const int kinds[] = {0, -1, SOCKET2_TIMER, SOCKET2_LOOKUP, 5, INT_MAX, INT_MIN};
    double since = 7;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; ++i) {
        CHECK_INT(socket2_socket_cancel(c.loop, c.server, kinds[i]), SOCKET2_EINVAL);
        CHECK_INT(socket2_socket_wait(c.loop, c.server, kinds[i], 0), SOCKET2_EINVAL);
        CHECK_INT(socket2_socket_pending(c.loop, c.server, kinds[i], &since), SOCKET2_EINVAL);
        CHECK_INT(socket2_os_error(c.loop), 0);
    }
    CHECK(since == 7);
    CHECK_INT(socket2_socket_wait(c.loop, c.server, SOCKET2_READ, NAN), SOCKET2_EINVAL);
    CHECK_INT(socket2_socket_wait(c.loop, c.server, SOCKET2_WRITE, -NAN), SOCKET2_EINVAL);
    check_quiet(c.loop);
    CHECK_INT(socket2_loop_close(c.loop), 0);
}

static void test_handles_that_are_none(void) {
    const int loop = new_loop(), other = new_loop();
    udp_anywhere(loop);
    const int stale = udp_anywhere(loop), foreign = udp_anywhere(loop);
    CHECK_INT(socket2_socket_close(loop, stale), 0);
    const int bad[][2] = {{loop, 0},       {loop, -1},    {loop, INT_MAX},
                          {loop, INT_MIN}, {loop, stale}, {other, foreign},
                          {0, foreign},    {-1, foreign}, {INT_MAX, foreign}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
        const int l = bad[i][0], h = bad[i][1];
        CHECK_INT(socket2_socket_cancel(l, h, SOCKET2_READ), SOCKET2_EBADHANDLE);
        CHECK_INT(socket2_socket_cancel(l, h, 77), SOCKET2_EBADHANDLE);
        CHECK_INT(socket2_socket_wait(l, h, SOCKET2_READ, NAN), SOCKET2_EBADHANDLE);
        CHECK_INT(socket2_socket_pending(l, h, SOCKET2_WRITE, NULL), SOCKET2_EBADHANDLE);
    }
    CHECK_INT(socket2_loop_close(other), 0);
    CHECK_INT(socket2_fd_new(other, 0), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_fd_new(0, -1), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_loop_close(loop), 0);
}

/* ---- the end -------------------------------------------------------------------------------- */

static void test_a_loop_can_be_closed_while_all_of_it_waits(void) {
    const int before = count_fds();
    for (int round = 0; round < 3; ++round) {
        const connection c = connected();
        int fds[2];
        CHECK_INT(pipe(fds), 0);
        const int handle = new_fd(c.loop, fds[0]);
        CHECK_INT(wait_for(c.loop, handle, SOCKET2_READ), SOCKET2_PENDING);
        CHECK_INT(wait_for(c.loop, c.server, SOCKET2_READ), SOCKET2_PENDING);
        CHECK_INT(wait_for(c.loop, c.client, SOCKET2_READ), SOCKET2_PENDING);
        CHECK_INT(wait_for(c.loop, c.listener, SOCKET2_READ), SOCKET2_PENDING);
        for (int i = 0; i < 100; ++i) CHECK(socket2_timer_new(c.loop, i == 0 ? 0 : in(LIMIT)) > 0);
        if (round > 0) CHECK_INT(socket2_socket_close(c.loop, handle), 0);
        if (round > 0) CHECK_INT(socket2_socket_cancel(c.loop, c.server, SOCKET2_READ), 0);
        socket2_event event;
        if (round > 1) CHECK_INT(socket2_poll(c.loop, &event, 1, 0), 1);
        CHECK_INT(socket2_loop_close(c.loop), 0);
        CHECK_INT(write(fds[1], "x", 1), 1);
        close(fds[0]);
        close(fds[1]);
    }
    CHECK_INT(count_fds(), before);
}

/* ---- all of them ---------------------------------------------------------------------------- */

static const test_case tests[] = {
    TEST(a_wait_takes_nothing),
    TEST(a_wait_is_done_while_something_is_unread),
    TEST(a_wait_to_write),
    TEST(the_end_of_a_stream_ends_a_wait),
    TEST(a_wait_on_a_listener),
    TEST(a_wait_on_datagrams),
    TEST(one_operation_of_a_kind_at_a_time),
    TEST(a_busy_wait_does_not_touch_what_is_pending),
    TEST(the_deadline_of_a_wait),
    TEST(a_close_ends_waits),
    TEST(waits_of_many_sockets_each_end_once),
    TEST(at_once_nothing_is_ever_pending),
    TEST(at_once_gives_what_is_there),
    TEST(a_poll_returns_for_who_looks_at_once),
    TEST(at_once_beside_what_is_pending),
    TEST(a_send_at_once_gives_a_part),
    TEST(a_connect_at_once_goes_on),
    TEST(kinds_that_are_none),
    TEST(handles_that_are_none),
    TEST(a_loop_can_be_closed_while_all_of_it_waits),
};

int main(int argc, char** argv) {
    return run_tests(tests, sizeof tests / sizeof *tests, argc, argv);
}
