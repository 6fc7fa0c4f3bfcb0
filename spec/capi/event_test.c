/* A pending operation has exactly one event, and a deadline is never early. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <math.h>

#include "spec/capi/sockets.h"

/* ---- pending and events --------------------------------------------------------------------- */

static void test_pending_gives_exactly_one_event(void) {
    connection c = connected();
    char data[16];
    CHECK_INT(socket2_stream_recv(c.loop, c.server, data, sizeof data, SOCKET2_NEVER),
              SOCKET2_PENDING);
    check_quiet(c.loop);
    CHECK_INT(socket2_stream_recv(c.loop, c.server, data, sizeof data, SOCKET2_NEVER),
              SOCKET2_EBUSY);
    CHECK_INT(socket2_tcp_accept(c.loop, c.server, NULL, SOCKET2_NEVER), SOCKET2_EBUSY);
    CHECK_INT(send_text(c.loop, c.server, "out"), 3);
    CHECK_INT(send_text(c.loop, c.client, "hello"), 5);
    socket2_event event;
    memset(&event, 0x5a, sizeof event);
    int n = 0;
    while (n == 0) n = socket2_poll(c.loop, &event, 1, in(LIMIT));
    CHECK_INT(n, 1);
    CHECK_INT(event.handle, c.server);
    CHECK_INT(event.kind, SOCKET2_READ);
    CHECK_INT(event.result, 5);
    CHECK_INT(event.detail, 0);
    CHECK(memcmp(data, "hello", 5) == 0);
    check_quiet(c.loop);
    CHECK_INT(socket2_loop_close(c.loop), 0);
}

static void test_a_busy_call_changes_nothing(void) {
    connection c = connected();
    char data[16] = "", other[16];
    memset(other, 0x5a, sizeof other);
    const int receiving = socket2_stream_recv(c.loop, c.server, data, sizeof data, in(LIMIT));
    CHECK_INT(receiving, SOCKET2_PENDING);
    CHECK_INT(socket2_stream_recv(c.loop, c.server, other, sizeof other, 0), SOCKET2_EBUSY);
    CHECK_INT(send_text(c.loop, c.client, "hello"), 5);
    CHECK_INT(finish(c.loop, receiving, c.server, SOCKET2_READ), 5);
    CHECK_TEXT(data, "hello");
    CHECK(all_bytes(other, sizeof other, 0x5a));
    CHECK_INT(socket2_loop_close(c.loop), 0);
}

/* Nor does it take over the filter and the address of the recv that waits. */
static void test_a_busy_recv_of_datagrams_changes_nothing(void) {
    const int loop = new_loop();
    const int a = udp_anywhere(loop), b = udp_anywhere(loop), stranger = udp_anywhere(loop);
    const socket2_addr a_addr = local_addr(loop, a), b_addr = local_addr(loop, b);
    const socket2_addr stranger_addr = local_addr(loop, stranger);
    char data[16] = "", other[16];
    socket2_addr from, other_from;
    memset(&other_from, 0x5a, sizeof other_from);
    const int receiving = socket2_udp_recv(loop, b, data, sizeof data, &a_addr, &from, in(LIMIT));
    CHECK_INT(receiving, SOCKET2_PENDING);
    CHECK_INT(socket2_udp_recv(loop, b, other, sizeof other, NULL, NULL, 0), SOCKET2_EBUSY);
    CHECK_INT(
        socket2_udp_recv(loop, b, other, sizeof other, &stranger_addr, &other_from, in(LIMIT)),
        SOCKET2_EBUSY);
    CHECK_INT(udp_send(loop, stranger, "spam", &b_addr), 4);
    CHECK_INT(udp_send(loop, a, "ham", &b_addr), 3);
    CHECK_INT(finish(loop, receiving, b, SOCKET2_READ), 3);
    CHECK(memcmp(data, "ham", 3) == 0);
    CHECK(same_addr(&from, &a_addr));
    CHECK(all_bytes((const char*)&other_from, sizeof other_from, 0x5a));
    check_quiet(loop);
    CHECK_INT(socket2_loop_close(loop), 0);
}

/* A datagram that waits for room goes where it was sent. */
static void test_a_busy_send_of_datagrams_changes_nothing(void) {
    need_unix_datagrams();
    const int loop = new_loop();
    const socket2_addr paths[] = {unix_addr(SOCKET2_UDP), unix_addr(SOCKET2_UDP)};
    int receivers[2];
    for (int i = 0; i < 2; ++i) {
        receivers[i] = socket2_udp_new(loop, SOCKET2_UNIX, 0);
        CHECK_INT(socket2_socket_bind(loop, receivers[i], &paths[i]), 0);
    }
    const int other = socket2_udp_new(loop, SOCKET2_UNIX, 0);
    const int sender = socket2_udp_new(loop, SOCKET2_UNIX, 0);
    int queued = 0;
    while (socket2_udp_send(loop, other, "y", 1, &paths[0], SOCKET2_AT_ONCE) == 1) ++queued;
    const int sending = socket2_udp_send(loop, sender, "x", 1, &paths[0], in(LIMIT));
    CHECK_INT(sending, SOCKET2_PENDING);
    CHECK_INT(socket2_udp_send(loop, sender, "z", 1, &paths[1], 0), SOCKET2_EBUSY);
    char byte = 0;
    for (int i = 0; i <= queued; ++i) {
        CHECK_INT(udp_recv(loop, receivers[0], &byte, 1, NULL), 1);
    }
    CHECK(byte == 'x');
    CHECK_INT(finish(loop, sending, sender, SOCKET2_WRITE), 1);
    CHECK_INT(socket2_udp_recv(loop, receivers[1], &byte, 1, NULL, NULL, SOCKET2_AT_ONCE),
              SOCKET2_ETIMEOUT);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_a_busy_connect_changes_nothing(void) {
    need_unix_sockets();
    need(DEAF_LISTENERS, "a full queue answers here");
    const int loop = new_loop();
    const socket2_addr path = unix_addr(SOCKET2_TCP), elsewhere = unix_addr(SOCKET2_TCP);
    const int listener = listen_on(loop, &path, 0), other = listen_on(loop, &elsewhere, 0);
    int client, connecting;
    do { /* until the queue is full */
        client = socket2_tcp_new(loop, SOCKET2_UNIX, 0);
        connecting = socket2_tcp_connect(loop, client, &path, in(LIMIT));
    } while (connecting == 0);
    CHECK_INT(connecting, SOCKET2_PENDING);
    CHECK_INT(socket2_tcp_connect(loop, client, &elsewhere, in(LIMIT)), SOCKET2_EBUSY);
    while (!take(client, SOCKET2_WRITE, &connecting)) {
        const int server = finish(loop, socket2_tcp_accept(loop, listener, NULL, in(LIMIT)),
                                  listener, SOCKET2_READ);
        CHECK(server > 0);
        if (server < 0) break;
        poll_into_inbox(loop, 0);
    }
    CHECK_INT(connecting, 0);
    socket2_addr peer;
    CHECK_INT(socket2_socket_remoteaddr(loop, client, &peer), 0);
    CHECK(same_addr(&peer, &path));
    CHECK_INT(socket2_tcp_accept(loop, other, NULL, SOCKET2_AT_ONCE), SOCKET2_ETIMEOUT);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_accept_by_event_gives_a_working_handle(void) {
    const int loop = new_loop();
    const int listener = listen_anywhere(loop);
    for (int i = 0; i < 5; ++i) {
        connection c = connect_through(loop, listener);
        int value = 0;
        CHECK_INT(socket2_socket_getopt(loop, c.server, "tcp_nodelay", &value), 0);
        CHECK(value != 0);
        const int fd = socket2_socket_fd(loop, c.server);
        CHECK(fd >= 0);
        CHECK((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
        CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
        char data[8];
        CHECK_INT(send_text(loop, c.client, "ab"), 2);
        CHECK_INT(recv_some(loop, c.server, data, sizeof data), 2);
        CHECK_INT(socket2_socket_close(loop, c.client), 0);
        CHECK_INT(socket2_socket_close(loop, c.server), 0);
    }
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_events_smaller_than_what_is_ready(void) {
    enum { COUNT = 20 };
    const int loop = new_loop();
    int handles[COUNT];
    char data[COUNT];
    for (int i = 0; i < COUNT; ++i) {
        handles[i] = udp_anywhere(loop);
        CHECK_INT(socket2_udp_recv(loop, handles[i], &data[i], 1, NULL, NULL, SOCKET2_NEVER),
                  SOCKET2_PENDING);
    }
    const int sender = udp_anywhere(loop);
    for (int i = 0; i < COUNT; ++i) {
        const socket2_addr to = local_addr(loop, handles[i]);
        CHECK_INT(udp_send(loop, sender, "x", &to), 1);
    }
    int seen[COUNT] = {0}, total = 0;
    const double limit = in(LIMIT);
    while (total < COUNT && socket2_clock() < limit) {
        socket2_event event;
        const int n = socket2_poll(loop, &event, 1, limit);
        CHECK(n == 0 || n == 1);
        if (n != 1) continue;
        ++total;
        CHECK_INT(event.result, 1);
        for (int i = 0; i < COUNT; ++i) seen[i] += handles[i] == event.handle;
    }
    for (int i = 0; i < COUNT; ++i) CHECK_INT(seen[i], 1);
    check_quiet(loop);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_what_is_over_at_once_is_never_held_back(void) {
    const int loop = new_loop();
    const int a = udp_anywhere(loop), b = udp_anywhere(loop);
    const socket2_addr b_addr = local_addr(loop, b);
    for (int i = 0; i < 1000; ++i) {
        CHECK_INT(socket2_udp_send(loop, a, "x", 1, &b_addr, SOCKET2_NEVER), 1);
        char data[16];
        CHECK_INT(udp_recv(loop, b, data, sizeof data, NULL), 1);
    }
    check_quiet(loop);
    CHECK_INT(socket2_loop_close(loop), 0);
}

/* ---- deadlines ------------------------------------------------------------------------------ */

static void test_a_deadline_is_never_early_and_loses_nothing(void) {
    connection c = connected();
    char data[16];
    for (int i = 0; i < 10; ++i) {
        const double deadline = in(0.003 * i);
        memset(data, 0x5a, sizeof data);
        const int r = socket2_stream_recv(c.loop, c.server, data, sizeof data, deadline);
        CHECK_INT(finish(c.loop, r, c.server, SOCKET2_READ), SOCKET2_ETIMEOUT);
        CHECK(socket2_clock() >= deadline);
        CHECK_INT(send_text(c.loop, c.client, "late"), 4);
        check_quiet(c.loop);
        CHECK(all_bytes(data, sizeof data, 0x5a));
        CHECK_INT(recv_some(c.loop, c.server, data, sizeof data), 4);
        CHECK(memcmp(data, "late", 4) == 0);
    }
    CHECK_INT(socket2_loop_close(c.loop), 0);
}

static void test_a_passed_deadline_tries_once(void) {
    connection c = connected();
    const int udp = udp_anywhere(c.loop);
    const socket2_addr to = local_addr(c.loop, udp);
    const double passed[] = {0, -1, -INFINITY, socket2_clock() - 1e-3};
    char data[16];
    for (int i = 0; i < 4; ++i) {
        const double begin = socket2_clock();
        int r = socket2_stream_recv(c.loop, c.server, data, sizeof data, passed[i]);
        CHECK_INT(finish(c.loop, r, c.server, SOCKET2_READ), SOCKET2_ETIMEOUT);
        r = socket2_udp_recv(c.loop, udp, data, sizeof data, NULL, NULL, passed[i]);
        CHECK_INT(finish(c.loop, r, udp, SOCKET2_READ), SOCKET2_ETIMEOUT);
        r = socket2_tcp_accept(c.loop, c.listener, NULL, passed[i]);
        CHECK_INT(finish(c.loop, r, c.listener, SOCKET2_READ), SOCKET2_ETIMEOUT);
        CHECK(socket2_clock() - begin < LIMIT / 2);

        r = socket2_stream_send(c.loop, c.client, "abc", 3, passed[i]);
        CHECK_INT(finish(c.loop, r, c.client, SOCKET2_WRITE), 3);
        r = socket2_udp_send(c.loop, udp, "abcd", 4, &to, passed[i]);
        CHECK_INT(finish(c.loop, r, udp, SOCKET2_WRITE), 4);
        wait_readable(c.loop, c.server);
        wait_readable(c.loop, udp);
        poll_into_inbox(c.loop, 0);
        CHECK_INT(inbox.count, 0);
        r = socket2_stream_recv(c.loop, c.server, data, sizeof data, passed[i]);
        CHECK_INT(finish(c.loop, r, c.server, SOCKET2_READ), 3);
        r = socket2_udp_recv(c.loop, udp, data, sizeof data, NULL, NULL, passed[i]);
        CHECK_INT(finish(c.loop, r, udp, SOCKET2_READ), 4);
    }
    check_quiet(c.loop);
    CHECK_INT(socket2_loop_close(c.loop), 0);
}

static void test_deadlines_run_while_others_are_busy(void) {
    const int loop = new_loop();
    const int quiet = udp_anywhere(loop), busy = udp_anywhere(loop);
    const socket2_addr to = local_addr(loop, busy);
    char data[16], other[16];
    const double deadline = in(0.05);
    CHECK_INT(socket2_udp_recv(loop, quiet, data, sizeof data, NULL, NULL, deadline),
              SOCKET2_PENDING);
    const double limit = in(LIMIT);
    int result = 0;
    while (!take(quiet, SOCKET2_READ, &result) && socket2_clock() < limit) {
        CHECK_INT(udp_send(loop, busy, "x", &to), 1);
        CHECK_INT(udp_recv(loop, busy, other, sizeof other, NULL), 1);
        poll_into_inbox(loop, 0);
    }
    CHECK_INT(result, SOCKET2_ETIMEOUT);
    const double late = socket2_clock() - deadline;
    CHECK(late >= 0 && late < LIMIT / 2);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_poll_waits_for_its_deadline(void) {
    const int loop = new_loop();
    socket2_event event;
    const double waits[] = {0, 0.0001, 0.0015, 0.02};
    for (int i = 0; i < 4; ++i) {
        const double deadline = in(waits[i]);
        CHECK_INT(socket2_poll(loop, &event, 1, deadline), 0);
        CHECK(socket2_clock() >= deadline);
    }
    const double begin = socket2_clock();
    CHECK_INT(socket2_poll(loop, &event, 1, -INFINITY), 0);
    CHECK_INT(socket2_poll(loop, &event, INT_MAX, begin - 1), 0);
    CHECK(socket2_clock() - begin < LIMIT / 2);
    CHECK_INT(socket2_loop_close(loop), 0);
}

/* ---- all of them ---------------------------------------------------------------------------- */

static const test_case tests[] = {
    TEST(pending_gives_exactly_one_event),
    TEST(a_busy_call_changes_nothing),
    TEST(a_busy_recv_of_datagrams_changes_nothing),
    TEST(a_busy_send_of_datagrams_changes_nothing),
    TEST(a_busy_connect_changes_nothing),
    TEST(accept_by_event_gives_a_working_handle),
    TEST(events_smaller_than_what_is_ready),
    TEST(what_is_over_at_once_is_never_held_back),
    TEST(a_deadline_is_never_early_and_loses_nothing),
    TEST(a_passed_deadline_tries_once),
    TEST(deadlines_run_while_others_are_busy),
    TEST(poll_waits_for_its_deadline),
};

int main(int argc, char** argv) {
    return run_tests(tests, sizeof tests / sizeof *tests, argc, argv);
}
