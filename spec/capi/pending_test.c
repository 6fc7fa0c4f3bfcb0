/* Canceling, and asking what is pending. */
#define _GNU_SOURCE
#include <poll.h>

#include "spec/capi/waits.h"

/* ---- canceling ------------------------------------------------------------------------------ */

static void test_a_cancel_of_nothing_does_nothing(void) {
    const connection c = connected();
    CHECK_INT(socket2_socket_cancel(c.loop, c.server, SOCKET2_READ), 0);
    CHECK_INT(socket2_socket_cancel(c.loop, c.server, SOCKET2_WRITE), 0);
    check_quiet(c.loop);
    feed(&c, "abc");
    check_recv(&c, "abc");
    CHECK_INT(socket2_loop_close(c.loop), 0);
}

static void test_a_canceled_recv_loses_nothing(void) {
    const connection c = connected();
    char untouched[16];
    memset(untouched, 0x5a, sizeof untouched);
    for (int i = 0; i < 20; ++i) {
        const int receiving =
            socket2_stream_recv(c.loop, c.server, untouched, sizeof untouched, SOCKET2_NEVER);
        CHECK_INT(receiving, SOCKET2_PENDING);
        if (i % 2 == 0) poll_into_inbox(c.loop, 0);
        check_cancel(c.loop, c.server, SOCKET2_READ);
        feed(&c, "0123");
        feed(&c, "456789");
        check_quiet(c.loop);
        check_recv(&c, "0123456789");
    }
    for (size_t i = 0; i < sizeof untouched; ++i) CHECK_INT(untouched[i], 0x5a);
    CHECK_INT(socket2_loop_close(c.loop), 0);
}

/* Either may be faster, but there is one event, and no byte is lost. */
static void test_a_cancel_against_data(void) {
    const connection c = connected();
    for (int i = 0; i < 50; ++i) {
        char data[16] = "";
        CHECK_INT(socket2_stream_recv(c.loop, c.server, data, 15, SOCKET2_NEVER), SOCKET2_PENDING);
        feed(&c, "data");
        CHECK_INT(socket2_socket_cancel(c.loop, c.server, SOCKET2_READ), 0);
        CHECK_INT(socket2_socket_cancel(c.loop, c.server, SOCKET2_READ), 0);
        const int n = finish(c.loop, SOCKET2_PENDING, c.server, SOCKET2_READ);
        if (n == SOCKET2_ECANCELED) {
            check_recv(&c, "data");
        } else {
            CHECK_INT(n, 4);
            CHECK(strcmp(data, "data") == 0);
        }
        check_quiet(c.loop);
    }
    CHECK_INT(socket2_loop_close(c.loop), 0);
}

/* Two have finished, but there was room for only one event: the other's result stands. */
static void test_a_cancel_of_what_has_finished(void) {
    const connection a = connected();
    connection b = {a.loop, a.listener, new_tcp(a.loop), 0};
    connect_client(&b);
    char data[2][8];
    CHECK_INT(socket2_stream_recv(a.loop, a.server, data[0], 8, SOCKET2_NEVER), SOCKET2_PENDING);
    CHECK_INT(socket2_stream_recv(b.loop, b.server, data[1], 8, SOCKET2_NEVER), SOCKET2_PENDING);
    CHECK_INT(socket2_stream_send(a.loop, a.client, "abc", 3, in(LIMIT)), 3);
    CHECK_INT(socket2_stream_send(b.loop, b.client, "abc", 3, in(LIMIT)), 3);
    await(socket2_socket_fd(a.loop, a.server), POLLIN);
    await(socket2_socket_fd(b.loop, b.server), POLLIN);
    socket2_event event;
    CHECK_INT(socket2_poll(a.loop, &event, 1, in(LIMIT)), 1);
    CHECK_INT(event.result, 3);
    const int other = event.handle == a.server ? b.server : a.server;
    CHECK_INT(pending(a.loop, other, SOCKET2_READ), SOCKET2_OP_RECV);
    CHECK_INT(socket2_socket_cancel(a.loop, other, SOCKET2_READ), 0);
    CHECK_INT(finish(a.loop, SOCKET2_PENDING, other, SOCKET2_READ), 3);
    check_quiet(a.loop);
    CHECK_INT(socket2_loop_close(a.loop), 0);
}

static void test_a_cancel_of_one_kind_leaves_the_other(void) {
    const connection c = connected();
    const size_t size = (size_t)64 << 20;
    char* data = calloc(1, size);
    char received[8];
    CHECK_INT(socket2_stream_recv(c.loop, c.client, received, 8, SOCKET2_NEVER), SOCKET2_PENDING);
    CHECK_INT(socket2_stream_send(c.loop, c.client, data, size, SOCKET2_NEVER), SOCKET2_PENDING);
    check_cancel(c.loop, c.client, SOCKET2_WRITE);
    CHECK_INT(pending(c.loop, c.client, SOCKET2_READ), SOCKET2_OP_RECV);
    CHECK_INT(send_text(c.loop, c.server, "abc"), 3);
    CHECK_INT(finish(c.loop, SOCKET2_PENDING, c.client, SOCKET2_READ), 3);
    check_quiet(c.loop);
    CHECK_INT(socket2_loop_close(c.loop), 0);
    free(data);
}

static void test_a_canceled_send_tells_how_far_it_came(void) {
    for (int polls = 0; polls <= 1; ++polls) {
        const connection c = connected();
        const size_t size = (size_t)64 << 20;
        char* data = malloc(size);
        for (size_t i = 0; i < size; ++i) data[i] = (char)(i * 31 + i / 251);
        CHECK_INT(socket2_stream_send(c.loop, c.client, data, size, SOCKET2_NEVER),
                  SOCKET2_PENDING);
        if (polls) poll_into_inbox(c.loop, in(0.01));
        check_cancel(c.loop, c.client, SOCKET2_WRITE);
        const int sent = detail;
        CHECK(sent > 0 && (size_t)sent < size);
        CHECK_INT(socket2_socket_shutdown(c.loop, c.client, SOCKET2_SHUT_WRITE), 0);
        char* received = malloc(size);
        size_t done = 0;
        int n;
        while ((n = recv_some(c.loop, c.server, received + done, size - done)) > 0) {
            done += (size_t)n;
        }
        CHECK_INT(n, 0);
        CHECK_INT(done, sent);
        CHECK(memcmp(received, data, done) == 0);
        CHECK_INT(socket2_loop_close(c.loop), 0);
        free(received);
        free(data);
    }
}

static void test_a_canceled_accept_loses_no_connection(void) {
    connection c = {new_loop(), 0, 0, 0};
    c.listener = new_listener(c.loop, 5);
    socket2_addr peer;
    for (int i = 0; i < 3; ++i) {
        CHECK_INT(socket2_tcp_accept(c.loop, c.listener, &peer, SOCKET2_NEVER), SOCKET2_PENDING);
        CHECK_INT(pending(c.loop, c.listener, SOCKET2_READ), SOCKET2_OP_ACCEPT);
        check_cancel(c.loop, c.listener, SOCKET2_READ);
        c.client = new_tcp(c.loop);
        connect_client(&c);
        feed(&c, "abc");
        check_recv(&c, "abc");
    }
    check_quiet(c.loop);
    CHECK_INT(socket2_loop_close(c.loop), 0);
}

static void test_after_a_canceled_connect_the_socket_connects_elsewhere(void) {
    need(CONNECTS_AGAIN, "a socket connects once here");
    connection c = {new_loop(), 0, 0, 0};
    c.listener = new_listener(c.loop, 5);
    const int deaf = new_deaf_listener(c.loop);
    const socket2_addr addr = local_addr(c.loop, deaf);
    socket2_addr remote;
    for (int times_out = 0; times_out <= 1; ++times_out) {
        c.client = new_tcp(c.loop);
        for (int i = 0; i < 3; ++i) {
            const double deadline = times_out ? in(0.01) : SOCKET2_NEVER;
            CHECK_INT(socket2_tcp_connect(c.loop, c.client, &addr, deadline), SOCKET2_PENDING);
            CHECK_INT(pending(c.loop, c.client, SOCKET2_WRITE), SOCKET2_OP_CONNECT);
            if (times_out) {
                CHECK_INT(finish(c.loop, SOCKET2_PENDING, c.client, SOCKET2_WRITE),
                          SOCKET2_ETIMEOUT);
            } else {
                check_cancel(c.loop, c.client, SOCKET2_WRITE);
            }
            CHECK_INT(socket2_socket_remoteaddr(c.loop, c.client, &remote), SOCKET2_ENOTCONN);
        }
        connect_client(&c);
        feed(&c, "abc");
        check_recv(&c, "abc");
    }
    check_quiet(c.loop);
    CHECK_INT(socket2_loop_close(c.loop), 0);
}

static void test_a_canceled_datagram_recv(void) {
    const int loop = new_loop();
    const int a = udp_anywhere(loop), b = udp_anywhere(loop);
    const socket2_addr addr = local_addr(loop, b);
    char data[8] = "";
    CHECK_INT(socket2_udp_recv(loop, b, data, 8, NULL, NULL, SOCKET2_NEVER), SOCKET2_PENDING);
    CHECK_INT(pending(loop, b, SOCKET2_READ), SOCKET2_OP_RECV);
    check_cancel(loop, b, SOCKET2_READ);
    CHECK_INT(detail, 0);
    CHECK_INT(socket2_udp_send(loop, a, "abc", 3, &addr, in(LIMIT)), 3);
    await(socket2_socket_fd(loop, b), POLLIN);
    check_quiet(loop);
    CHECK_INT(
        finish(loop, socket2_udp_recv(loop, b, data, 8, NULL, NULL, in(LIMIT)), b, SOCKET2_READ),
        3);
    CHECK(memcmp(data, "abc", 3) == 0);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_a_cancel_and_a_close(void) {
    const connection c = connected();
    char data[8];
    CHECK_INT(socket2_stream_recv(c.loop, c.server, data, 8, in(0.001)), SOCKET2_PENDING);
    CHECK_INT(socket2_socket_cancel(c.loop, c.server, SOCKET2_READ), 0);
    CHECK_INT(socket2_socket_close(c.loop, c.server), 0);
    CHECK_INT(finish(c.loop, SOCKET2_PENDING, c.server, SOCKET2_READ), SOCKET2_ECANCELED);
    const double until = in(0.005);
    while (socket2_clock() < until) CHECK_INT(poll_into_inbox(c.loop, until), 0);
    check_quiet(c.loop);
    CHECK_INT(socket2_loop_close(c.loop), 0);
}

/* ---- what is pending ------------------------------------------------------------------------ */

static void test_what_is_pending_and_since_when(void) {
    const double begin = socket2_clock();
    const connection c = connected();
    const int idle[] = {c.listener, c.client, c.server};
    double since = -1;
    char data[8];
    for (int i = 0; i < 3; ++i) {
        CHECK_INT(socket2_socket_pending(c.loop, idle[i], SOCKET2_READ, &since), 0);
        CHECK_INT(socket2_socket_pending(c.loop, idle[i], SOCKET2_WRITE, &since), 0);
    }
    CHECK_INT(socket2_stream_recv(c.loop, c.server, data, 8, SOCKET2_NEVER), SOCKET2_PENDING);
    CHECK_INT(socket2_socket_pending(c.loop, c.server, SOCKET2_READ, &since), SOCKET2_OP_RECV);
    CHECK(since >= begin && since <= socket2_clock());
    CHECK_INT(pending(c.loop, c.server, SOCKET2_WRITE), 0);
    const double first = since;

    /* Turns pass, but it is still the same wait. */
    const double later = in(0.01);
    while (socket2_clock() < later) poll_into_inbox(c.loop, later);
    CHECK_INT(socket2_socket_pending(c.loop, c.server, SOCKET2_READ, &since), SOCKET2_OP_RECV);
    CHECK(since == first);
    CHECK_INT(wait_for(c.loop, c.client, SOCKET2_READ), SOCKET2_PENDING);
    CHECK_INT(socket2_socket_pending(c.loop, c.client, SOCKET2_READ, &since), SOCKET2_OP_WAIT);
    CHECK(since >= later && since <= socket2_clock());

    feed(&c, "abc");
    CHECK_INT(finish(c.loop, SOCKET2_PENDING, c.server, SOCKET2_READ), 3);
    CHECK_INT(socket2_socket_pending(c.loop, c.server, SOCKET2_READ, &since), 0);
    CHECK_INT(socket2_socket_close(c.loop, c.server), 0);
    CHECK_INT(socket2_socket_pending(c.loop, c.server, SOCKET2_READ, &since), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_loop_close(c.loop), 0);
}

static void test_every_operation_has_its_number(void) {
    need(DEAF_LISTENERS, "a full queue answers here");
    const connection c = connected();
    const size_t size = (size_t)64 << 20;
    char* data = calloc(1, size);
    char received[8];
    const int udp = udp_anywhere(c.loop), deaf = new_deaf_listener(c.loop),
              client = new_tcp(c.loop);
    const socket2_addr addr = local_addr(c.loop, deaf);
    CHECK_INT(socket2_stream_recv(c.loop, c.client, received, 8, SOCKET2_NEVER), SOCKET2_PENDING);
    CHECK_INT(socket2_stream_send(c.loop, c.client, data, size, SOCKET2_NEVER), SOCKET2_PENDING);
    CHECK_INT(socket2_tcp_accept(c.loop, c.listener, NULL, SOCKET2_NEVER), SOCKET2_PENDING);
    CHECK_INT(socket2_tcp_connect(c.loop, client, &addr, SOCKET2_NEVER), SOCKET2_PENDING);
    CHECK_INT(wait_for(c.loop, client, SOCKET2_READ), SOCKET2_PENDING);
    CHECK_INT(socket2_udp_recv(c.loop, udp, received, 8, NULL, NULL, SOCKET2_NEVER),
              SOCKET2_PENDING);
    CHECK_INT(pending(c.loop, c.client, SOCKET2_READ), SOCKET2_OP_RECV);
    CHECK_INT(pending(c.loop, c.client, SOCKET2_WRITE), SOCKET2_OP_SEND);
    CHECK_INT(pending(c.loop, c.listener, SOCKET2_READ), SOCKET2_OP_ACCEPT);
    CHECK_INT(pending(c.loop, client, SOCKET2_WRITE), SOCKET2_OP_CONNECT);
    CHECK_INT(pending(c.loop, client, SOCKET2_READ), SOCKET2_OP_WAIT);
    CHECK_INT(pending(c.loop, udp, SOCKET2_READ), SOCKET2_OP_RECV);
    CHECK_INT(pending(c.loop, udp, SOCKET2_WRITE), 0);
    CHECK_INT(socket2_loop_close(c.loop), 0);
    free(data);
}

/* ---- all of them ---------------------------------------------------------------------------- */

static const test_case tests[] = {
    TEST(a_cancel_of_nothing_does_nothing),
    TEST(a_canceled_recv_loses_nothing),
    TEST(a_cancel_against_data),
    TEST(a_cancel_of_what_has_finished),
    TEST(a_cancel_of_one_kind_leaves_the_other),
    TEST(a_canceled_send_tells_how_far_it_came),
    TEST(a_canceled_accept_loses_no_connection),
    TEST(after_a_canceled_connect_the_socket_connects_elsewhere),
    TEST(a_canceled_datagram_recv),
    TEST(a_cancel_and_a_close),
    TEST(what_is_pending_and_since_when),
    TEST(every_operation_has_its_number),
};

int main(int argc, char** argv) {
    return run_tests(tests, sizeof tests / sizeof *tests, argc, argv);
}
