/* Closing and shutting down: pending operations complete, and no descriptor is left. */
#define _GNU_SOURCE
#include "spec/capi/sockets.h"

static void test_close_completes_what_was_pending(void) {
    connection c = connected();
    const size_t size = (size_t)64 << 20;
    char *data = calloc(1, size), byte;
    const int receiving = socket2_stream_recv(c.loop, c.client, &byte, 1, SOCKET2_NEVER);
    const int sending = socket2_stream_send(c.loop, c.client, data, size, SOCKET2_NEVER);
    const int accepting = socket2_tcp_accept(c.loop, c.listener, NULL, SOCKET2_NEVER);
    CHECK_INT(receiving, SOCKET2_PENDING);
    CHECK_INT(sending, SOCKET2_PENDING);
    CHECK_INT(accepting, SOCKET2_PENDING);
    CHECK_INT(socket2_socket_close(c.loop, c.client), 0);
    CHECK_INT(socket2_socket_close(c.loop, c.listener), 0);
    CHECK_INT(socket2_socket_close(c.loop, c.client), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_stream_recv(c.loop, c.client, &byte, 1, SOCKET2_NEVER), SOCKET2_EBADHANDLE);
    CHECK_INT(finish(c.loop, receiving, c.client, SOCKET2_READ), SOCKET2_ECLOSED);
    CHECK_INT(finish(c.loop, sending, c.client, SOCKET2_WRITE), SOCKET2_ECLOSED);
    CHECK_INT(finish(c.loop, accepting, c.listener, SOCKET2_READ), SOCKET2_ECLOSED);
    check_quiet(c.loop);
    CHECK_INT(socket2_loop_close(c.loop), 0);
    free(data);
}

static void test_close_of_a_connecting_socket(void) {
    const int loop = new_loop();
    const socket2_addr any = loopback(SOCKET2_TCP);
    const int listener = listen_on(loop, &any, 0);
    const socket2_addr addr = local_addr(loop, listener);
    /* More than the queue holds, so some of these wait. */
    int handles[6], results[6], pending = 0;
    for (int i = 0; i < 6; ++i) {
        handles[i] = socket2_tcp_new(loop, SOCKET2_INET, 0);
        results[i] = socket2_tcp_connect(loop, handles[i], &addr, SOCKET2_NEVER);
    }
    poll_into_inbox(loop, in(0.05));
    for (int i = 0; i < 6; ++i) {
        CHECK_INT(socket2_socket_close(loop, handles[i]), 0);
        const int r = finish(loop, results[i], handles[i], SOCKET2_WRITE);
        CHECK(r == 0 || r == SOCKET2_ECLOSED);
        pending += r == SOCKET2_ECLOSED;
    }
    CHECK(pending > 0);
    check_quiet(loop);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_close_inside_a_batch(void) {
    for (int max = 1; max <= 2; ++max) {
        const int loop = new_loop();
        const int listener = listen_anywhere(loop);
        connection a = connect_through(loop, listener), b = connect_through(loop, listener);
        char a_data[4], b_data[4];
        CHECK_INT(socket2_stream_recv(loop, a.server, a_data, 4, SOCKET2_NEVER), SOCKET2_PENDING);
        CHECK_INT(socket2_stream_recv(loop, b.server, b_data, 4, SOCKET2_NEVER), SOCKET2_PENDING);
        CHECK_INT(send_text(loop, a.client, "a"), 1);
        CHECK_INT(send_text(loop, b.client, "b"), 1);
        socket2_event events[2];
        int n = 0;
        while (n == 0) n = socket2_poll(loop, events, max, in(LIMIT));
        /* The handler of the first event closes the other handle. */
        const int other = events[0].handle == a.server ? b.server : a.server;
        CHECK_INT(events[0].result, 1);
        CHECK_INT(socket2_socket_close(loop, other), 0);
        CHECK_INT(socket2_socket_fd(loop, other), SOCKET2_EBADHANDLE);
        int seen = n == 2;
        if (n == 2) CHECK_INT(events[1].handle, other);
        const double limit = in(LIMIT);
        while (!seen && socket2_clock() < limit) {
            if (socket2_poll(loop, events, 1, limit) != 1) continue;
            CHECK_INT(events[0].handle, other);
            CHECK(events[0].result == 1 || events[0].result == SOCKET2_ECLOSED);
            seen = 1;
        }
        CHECK(seen);
        check_quiet(loop);
        CHECK_INT(socket2_loop_close(loop), 0);
    }
}

/* The connection has come, but its event was not taken, when the listener is closed. */
static void test_close_of_a_listener_closes_what_it_accepted(void) {
    const int loop = new_loop(), other_loop = new_loop();
    int listeners[2];
    for (int i = 0; i < 2; ++i) listeners[i] = listen_anywhere(loop);
    int clients[2];
    for (int i = 0; i < 2; ++i) {
        const socket2_addr addr = local_addr(loop, listeners[i]);
        CHECK_INT(socket2_tcp_accept(loop, listeners[i], NULL, SOCKET2_NEVER), SOCKET2_PENDING);
        clients[i] = socket2_tcp_new(other_loop, SOCKET2_INET, 0);
        const int connecting = socket2_tcp_connect(other_loop, clients[i], &addr, in(LIMIT));
        CHECK_INT(finish(other_loop, connecting, clients[i], SOCKET2_WRITE), 0);
    }
    /* One connection is taken; the other was ready in the same turn, or still waits. */
    socket2_event event;
    int n = 0;
    while (n == 0) n = socket2_poll(loop, &event, 1, in(LIMIT));
    CHECK(event.result > 0);
    const int other = event.handle == listeners[0] ? 1 : 0;
    CHECK_INT(socket2_socket_close(loop, listeners[other]), 0);
    CHECK_INT(finish(loop, SOCKET2_PENDING, listeners[other], SOCKET2_READ), SOCKET2_ECLOSED);
    check_quiet(loop);
    char byte;
    const int end = recv_some(other_loop, clients[other], &byte, 1);
    CHECK(end == 0 || end == SOCKET2_ECONNRESET);
    CHECK_INT(socket2_loop_close(loop), 0);
    CHECK_INT(socket2_loop_close(other_loop), 0);
}

static void test_loop_close_lets_go_of_everything(void) {
    char data[64];
    memset(data, 0x5a, sizeof data);
    const int fds = count_fds();
    const int loop = new_loop();
    const int other_loop = new_loop();
    const int sender = udp_anywhere(other_loop);
    const int receiver = udp_anywhere(loop);
    const socket2_addr to = local_addr(loop, receiver);
    connection c = connect_through(loop, listen_anywhere(loop));
    socket2_addr* from = malloc(sizeof *from);
    CHECK_INT(socket2_udp_recv(loop, receiver, data, sizeof data, NULL, from, SOCKET2_NEVER),
              SOCKET2_PENDING);
    CHECK_INT(socket2_stream_recv(loop, c.client, data, sizeof data, in(5)), SOCKET2_PENDING);
    CHECK_INT(socket2_tcp_accept(loop, c.listener, NULL, SOCKET2_NEVER), SOCKET2_PENDING);
    /* Without a poll, so this is lost with the loop. */
    CHECK_INT(send_text(loop, c.server, "x"), 1);
    CHECK_INT(socket2_loop_close(loop), 0);
    free(from);
    memset(data, 0x5a, sizeof data); /* the system may have been faster */
    CHECK_INT(socket2_loop_close(loop), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_stream_recv(loop, c.client, data, 1, 0), SOCKET2_EBADHANDLE);
    socket2_udp_send(other_loop, sender, "late", 4, &to, 0);
    CHECK_INT(socket2_loop_close(other_loop), 0);
    CHECK_INT(count_fds(), fds);
    CHECK(all_bytes(data, sizeof data, 0x5a));
}

static void test_sockets_leave_no_descriptor(void) {
    const int loop = new_loop();
    const int listener = listen_anywhere(loop);
    const int fds = count_fds();
    for (int i = 0; i < 200; ++i) {
        connection c = connect_through(loop, listener);
        char byte;
        if (i % 2 == 0) {
            CHECK_INT(socket2_stream_recv(loop, c.server, &byte, 1, SOCKET2_NEVER),
                      SOCKET2_PENDING);
        }
        CHECK_INT(socket2_socket_close(loop, c.server), 0);
        CHECK_INT(socket2_socket_close(loop, c.client), 0);
        if (i % 2 == 0) {
            CHECK_INT(finish(loop, SOCKET2_PENDING, c.server, SOCKET2_READ), SOCKET2_ECLOSED);
        }
    }
    CHECK_INT(count_fds(), fds);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_shutdown_ends_our_own_waits(void) {
    connection c = connected();
    char byte;
    int receiving = socket2_stream_recv(c.loop, c.client, &byte, 1, in(LIMIT));
    CHECK_INT(receiving, SOCKET2_PENDING);
    CHECK_INT(socket2_socket_shutdown(c.loop, c.client, SOCKET2_SHUT_READ), 0);
    CHECK_INT(finish(c.loop, receiving, c.client, SOCKET2_READ), 0);
    CHECK_INT(socket2_socket_shutdown(c.loop, c.server, SOCKET2_SHUT_READ | SOCKET2_SHUT_WRITE), 0);
    CHECK_INT(send_text(c.loop, c.server, "x"), SOCKET2_EPIPE);
    CHECK_INT(recv_some(c.loop, c.server, &byte, 1), 0);
    check_quiet(c.loop);
    CHECK_INT(socket2_loop_close(c.loop), 0);
}

/* ---- all of them ---------------------------------------------------------------------------- */

static const test_case tests[] = {
    TEST(close_completes_what_was_pending),
    TEST(close_of_a_connecting_socket),
    TEST(close_inside_a_batch),
    TEST(close_of_a_listener_closes_what_it_accepted),
    TEST(loop_close_lets_go_of_everything),
    TEST(sockets_leave_no_descriptor),
    TEST(shutdown_ends_our_own_waits),
};

int main(int argc, char** argv) {
    return run_tests(tests, sizeof tests / sizeof *tests, argc, argv);
}
