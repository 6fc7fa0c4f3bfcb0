/* Waiting for readiness, canceling, asking what is pending, and descriptors of the caller's. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>

#include "spec/capi/events.h"

/* Until the system shows one of the events on the descriptor: even a loopback can take its time. */
static void await(int fd, short events) {
    struct pollfd entry = {fd, events, 0};
    CHECK_INT(poll(&entry, 1, (int)(LIMIT * 1000)), 1);
}

static socket2_addr loopback(int type) {
    socket2_addr addr;
    CHECK_INT(socket2_addr_lookup(NULL, NULL, type, SOCKET2_INET, 0, 0, &addr, 1, NULL, 0), 1);
    return addr;
}

static int new_tcp(int loop) {
    const int handle = socket2_tcp_new(loop, SOCKET2_INET, 0);
    CHECK(handle > 0);
    return handle;
}

static int new_listener(int loop, int backlog) {
    const int listener = new_tcp(loop);
    const socket2_addr any = loopback(SOCKET2_TCP);
    CHECK_INT(socket2_socket_bind(loop, listener, &any), 0);
    CHECK_INT(socket2_tcp_listen(loop, listener, backlog), 0);
    return listener;
}

static int new_udp(int loop) {
    const int handle = socket2_udp_new(loop, SOCKET2_INET, 0);
    const socket2_addr any = loopback(SOCKET2_UDP);
    CHECK(handle > 0);
    CHECK_INT(socket2_socket_bind(loop, handle, &any), 0);
    return handle;
}

typedef struct {
    int loop, listener, client, server;
} connection;

/* Connects the client of `c` to its listener. */
static void connect_through(connection* c) {
    const socket2_addr addr = local_addr(c->loop, c->listener);
    const int connecting = socket2_tcp_connect(c->loop, c->client, &addr, in(LIMIT));
    const int accepting = socket2_tcp_accept(c->loop, c->listener, NULL, in(LIMIT));
    CHECK_INT(finish(c->loop, connecting, c->client, SOCKET2_WRITE), 0);
    c->server = finish(c->loop, accepting, c->listener, SOCKET2_READ);
    CHECK(c->server > 0);
}

static connection connected(void) {
    connection c = {new_loop(), 0, 0, 0};
    c.listener = new_listener(c.loop, 5);
    c.client = new_tcp(c.loop);
    connect_through(&c);
    return c;
}

/* A listener whose queue is full: who connects waits for its answer. */
static int new_deaf_listener(int loop) {
    const int listener = new_listener(loop, 0);
    const socket2_addr addr = local_addr(loop, listener);
    for (int i = 0; i < 3; ++i) {
        const int client = new_tcp(loop);
        const int r = socket2_tcp_connect(loop, client, &addr, SOCKET2_NEVER);
        CHECK(r == 0 || r == SOCKET2_PENDING);
        /* The first fills the queue; the others stay where they are. */
        if (i == 0) CHECK_INT(finish(loop, r, client, SOCKET2_WRITE), 0);
        if (i > 0) await(socket2_socket_fd(loop, listener), POLLIN);
    }
    poll_into_inbox(loop, 0);
    inbox.count = 0;
    return listener;
}

/* It has arrived at the other end. */
static void feed(const connection* c, const char* text) {
    CHECK_INT(send_text(c->loop, c->client, text), strlen(text));
    await(socket2_socket_fd(c->loop, c->server), POLLIN);
}

static void check_recv(const connection* c, const char* text) {
    char data[64] = "";
    size_t done = 0;
    while (done < strlen(text)) {
        const int n = recv_some(c->loop, c->server, data + done, sizeof data - 1 - done);
        CHECK(n > 0);
        if (n <= 0) return;
        done += (size_t)n;
    }
    CHECK(strcmp(data, text) == 0);
}

static int wait_for(int loop, int handle, int kind) {
    return socket2_socket_wait(loop, handle, kind, SOCKET2_NEVER);
}

static int pending(int loop, int handle, int kind) {
    return socket2_socket_pending(loop, handle, kind, NULL);
}

static void check_cancel(int loop, int handle, int kind) {
    CHECK_INT(socket2_socket_cancel(loop, handle, kind), 0);
    CHECK_INT(finish(loop, SOCKET2_PENDING, handle, kind), SOCKET2_ECANCELED);
    CHECK_INT(pending(loop, handle, kind), 0);
}

/* ---- waiting -------------------------------------------------------------------------------- */

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
    /* Full when a while of sending brings nothing. */
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
    const int a = new_udp(loop), b = new_udp(loop);
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
    /* One that has passed: tried once, without waiting. */
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
    const int sender = new_udp(loop);
    for (int i = 0; i < COUNT; ++i) {
        sockets[i] = new_udp(loop);
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

/* Who is faster is open; that there is one event and that no byte is lost is not. */
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

/* Two have finished, but there was room for one event: the other's result stands. */
static void test_a_cancel_of_what_has_finished(void) {
    const connection a = connected();
    connection b = {a.loop, a.listener, new_tcp(a.loop), 0};
    connect_through(&b);
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
        connect_through(&c);
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
        connect_through(&c);
        feed(&c, "abc");
        check_recv(&c, "abc");
    }
    check_quiet(c.loop);
    CHECK_INT(socket2_loop_close(c.loop), 0);
}

static void test_a_canceled_datagram_recv(void) {
    const int loop = new_loop();
    const int a = new_udp(loop), b = new_udp(loop);
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

    /* Turns go by; it is still the same wait. */
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
    const int udp = new_udp(c.loop), deaf = new_deaf_listener(c.loop), client = new_tcp(c.loop);
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
    new_udp(loop);
    const int stale = new_udp(loop), foreign = new_udp(loop);
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

/* ---- descriptors of the caller's ------------------------------------------------------------ */

static int new_fd(int loop, int fd) {
    const int handle = socket2_fd_new(loop, fd);
    CHECK(handle > 0);
    return handle;
}

static void test_a_pipe(void) {
    const int loop = new_loop();
    int fds[2];
    CHECK_INT(pipe(fds), 0);
    const int before = count_fds();
    const int reader = new_fd(loop, fds[0]), writer = new_fd(loop, fds[1]);
    CHECK_INT(socket2_socket_fd(loop, reader), fds[0]);
    CHECK_INT(socket2_socket_fd(loop, writer), fds[1]);
    char data[8];
    for (int i = 0; i < 3; ++i) {
        const int waiting = wait_for(loop, reader, SOCKET2_READ);
        CHECK_INT(waiting, SOCKET2_PENDING);
        CHECK_INT(pending(loop, reader, SOCKET2_READ), SOCKET2_OP_WAIT);
        CHECK_INT(wait_for(loop, writer, SOCKET2_WRITE), 0);
        check_quiet(loop);
        CHECK_INT(write(fds[1], "abc", 3), 3);
        CHECK_INT(finish(loop, waiting, reader, SOCKET2_READ), 0);
        CHECK_INT(finish(loop, wait_for(loop, reader, SOCKET2_READ), reader, SOCKET2_READ), 0);
        CHECK_INT(read(fds[0], data, 8), 3);
    }
    CHECK_INT(wait_for(loop, reader, SOCKET2_READ), SOCKET2_PENDING);
    CHECK_INT(socket2_socket_close(loop, writer), 0);
    CHECK_INT(socket2_socket_fd(loop, writer), SOCKET2_EBADHANDLE);
    check_quiet(loop);
    CHECK_INT(count_fds(), before); /* the descriptor is the caller's */
    close(fds[1]);
    CHECK_INT(finish(loop, SOCKET2_PENDING, reader, SOCKET2_READ), 0);
    CHECK_INT(read(fds[0], data, 8), 0);
    CHECK_INT(socket2_loop_close(loop), 0);
    CHECK_INT(fcntl(fds[0], F_GETFD) & ~FD_CLOEXEC, 0);
    close(fds[0]);
}

static void test_a_full_pipe(void) {
    need_posix("pipes are sockets here");
    const int loop = new_loop();
    int fds[2];
    CHECK_INT(pipe(fds), 0);
    set_nonblocking(fds[0]);
    set_nonblocking(fds[1]);
    const int writer = new_fd(loop, fds[1]);
    static char block[4096], all[1 << 20];
    for (int closes = 0; closes <= 1; ++closes) {
        while (write(fds[1], block, sizeof block) > 0) {
        }
        const int waiting = wait_for(loop, writer, SOCKET2_WRITE);
        CHECK_INT(waiting, SOCKET2_PENDING);
        check_quiet(loop);
        if (closes) {
            close(fds[0]);
        } else {
            CHECK(read(fds[0], all, sizeof all) > 0);
        }
        CHECK_INT(finish(loop, waiting, writer, SOCKET2_WRITE), 0);
    }
    CHECK_INT(socket2_loop_close(loop), 0);
    close(fds[1]);
}

static void test_an_eventfd(void) {
    const int loop = new_loop();
    const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    const int handle = new_fd(loop, fd);
    eventfd_t value;
    for (int i = 0; i < 5; ++i) {
        const int waiting = wait_for(loop, handle, SOCKET2_READ);
        CHECK_INT(waiting, SOCKET2_PENDING);
        CHECK_INT(eventfd_write(fd, 2), 0);
        CHECK_INT(finish(loop, waiting, handle, SOCKET2_READ), 0);
        CHECK_INT(wait_for(loop, handle, SOCKET2_READ), 0);
        CHECK_INT(wait_for(loop, handle, SOCKET2_WRITE), 0);
        CHECK_INT(eventfd_read(fd, &value), 0);
        CHECK_INT(value, 2);
    }
    check_quiet(loop);
    CHECK_INT(socket2_loop_close(loop), 0);
    close(fd);
}

static void test_a_socketpair(void) {
    const int loop = new_loop();
    int fds[2];
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    const int a = new_fd(loop, fds[0]), b = new_fd(loop, fds[1]);
    char data[8];
    CHECK_INT(wait_for(loop, a, SOCKET2_READ), SOCKET2_PENDING);
    CHECK_INT(wait_for(loop, b, SOCKET2_READ), SOCKET2_PENDING);
    CHECK_INT(send(fds[0], "ab", 2, 0), 2);
    CHECK_INT(finish(loop, SOCKET2_PENDING, b, SOCKET2_READ), 0);
    CHECK_INT(recv(fds[1], data, 8, 0), 2);
    CHECK_INT(pending(loop, a, SOCKET2_READ), SOCKET2_OP_WAIT);
    CHECK_INT(socket2_socket_close(loop, b), 0);
    close(fds[1]);
    CHECK_INT(finish(loop, SOCKET2_PENDING, a, SOCKET2_READ), 0);
    CHECK_INT(recv(fds[0], data, 8, 0), 0);
    check_quiet(loop);
    CHECK_INT(socket2_loop_close(loop), 0);
    close(fds[0]);
}

static void test_deadline_cancel_and_close_of_a_descriptor(void) {
    const int loop = new_loop();
    int fds[2];
    CHECK_INT(pipe(fds), 0);
    const int handle = new_fd(loop, fds[0]);
    const double deadline = in(0.01);
    int r = socket2_socket_wait(loop, handle, SOCKET2_READ, deadline);
    CHECK_INT(finish(loop, r, handle, SOCKET2_READ), SOCKET2_ETIMEOUT);
    CHECK(socket2_clock() >= deadline);
    r = socket2_socket_wait(loop, handle, SOCKET2_READ, 0);
    CHECK_INT(finish(loop, r, handle, SOCKET2_READ), SOCKET2_ETIMEOUT);
    CHECK_INT(wait_for(loop, handle, SOCKET2_READ), SOCKET2_PENDING);
    CHECK_INT(wait_for(loop, handle, SOCKET2_READ), SOCKET2_EBUSY);
    check_cancel(loop, handle, SOCKET2_READ);
    CHECK_INT(socket2_socket_cancel(loop, handle, SOCKET2_READ), 0);
    CHECK_INT(wait_for(loop, handle, SOCKET2_READ), SOCKET2_PENDING);
    /* Of a reading end; what stands for a pipe elsewhere can be written to. */
    if (WRAPS_PIPES) CHECK_INT(wait_for(loop, handle, SOCKET2_WRITE), SOCKET2_PENDING);
    CHECK_INT(socket2_socket_close(loop, handle), 0);
    CHECK_INT(socket2_socket_close(loop, handle), SOCKET2_EBADHANDLE);
    CHECK_INT(finish(loop, SOCKET2_PENDING, handle, SOCKET2_READ), SOCKET2_ECLOSED);
    if (WRAPS_PIPES) {
        CHECK_INT(finish(loop, SOCKET2_PENDING, handle, SOCKET2_WRITE), SOCKET2_ECLOSED);
    }
    CHECK_INT(write(fds[1], "x", 1), 1);
    check_quiet(loop);
    /* And anew. */
    const int again = new_fd(loop, fds[0]);
    CHECK(again != handle);
    CHECK_INT(finish(loop, wait_for(loop, again, SOCKET2_READ), again, SOCKET2_READ), 0);
    CHECK_INT(socket2_loop_close(loop), 0);
    close(fds[0]);
    close(fds[1]);
}

static void test_a_descriptor_is_no_socket(void) {
    const int loop = new_loop();
    int fds[2];
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    const int h = new_fd(loop, fds[0]);
    const socket2_addr addr = loopback(SOCKET2_TCP);
    socket2_addr out;
    char data[8] = "";
    int value;
    CHECK_INT(socket2_socket_type(loop, h), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_socket_family(loop, h), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_socket_protocol(loop, h), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_socket_bind(loop, h, &addr), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_socket_shutdown(loop, h, SOCKET2_SHUT_READ), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_socket_localaddr(loop, h, &out), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_socket_remoteaddr(loop, h, &out), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_socket_setopt(loop, h, "rcvbuf", 1), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_socket_getopt(loop, h, "rcvbuf", &value), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_socket_setopt_text(loop, h, "bindtodevice", ""), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_socket_getopt_text(loop, h, "bindtodevice", data, 8), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_tcp_listen(loop, h, 1), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_tcp_accept(loop, h, NULL, 0), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_tcp_connect(loop, h, &addr, 0), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_udp_connect(loop, h, NULL), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_udp_send(loop, h, data, 1, NULL, 0), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_udp_recv(loop, h, data, 1, NULL, NULL, 0), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_udp_truncated(loop, h), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_udp_join(loop, h, &addr, NULL), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_udp_leave(loop, h, &addr, NULL), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_timer_close(loop, h), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_lookup_close(loop, h), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_socket_close(loop, h), 0);
    CHECK_INT(socket2_loop_close(loop), 0);
    close(fds[0]);
    close(fds[1]);
}

static void test_what_is_no_descriptor(void) {
    const int loop = new_loop();
    const int closed = dup(0);
    close(closed);
    const intptr_t bad[] = {-1, -2, closed, 1000000, INT_MAX, INT_MIN, INTPTR_MAX, INTPTR_MIN};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
        CHECK_INT(socket2_fd_new(loop, bad[i]), SOCKET2_EDESCRIPTOR);
    }
    CHECK_INT(socket2_fd_new(loop, closed), SOCKET2_EDESCRIPTOR);
    CHECK_INT(socket2_os_error(loop), EBADF);
#if INTPTR_MAX > INT_MAX
    /* One whose lower half is a descriptor. */
    CHECK_INT(socket2_fd_new(loop, ((intptr_t)1 << 32) + 1), SOCKET2_EDESCRIPTOR);
#endif
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_a_descriptor_that_was_closed_is_none_when_waited_for(void) {
    const int loop = new_loop();
    const int fd = eventfd(0, EFD_CLOEXEC);
    const int handle = new_fd(loop, fd);
    close(fd);
    CHECK_INT(wait_for(loop, handle, SOCKET2_READ), SOCKET2_EDESCRIPTOR);
    CHECK_INT(wait_for(loop, handle, SOCKET2_WRITE), SOCKET2_EDESCRIPTOR);
    CHECK_INT(pending(loop, handle, SOCKET2_READ), 0);
    CHECK_INT(socket2_socket_close(loop, handle), 0);
    check_quiet(loop);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_a_file_is_always_ready(void) {
    need_posix("files are no sockets");
    const int loop = new_loop();
    FILE* file = tmpfile();
    const int handle = new_fd(loop, fileno(file));
    CHECK_INT(wait_for(loop, handle, SOCKET2_READ), 0);
    CHECK_INT(wait_for(loop, handle, SOCKET2_WRITE), 0);
    CHECK_INT(pending(loop, handle, SOCKET2_READ), 0);
    CHECK_INT(socket2_socket_close(loop, handle), 0);
    check_quiet(loop);
    CHECK_INT(socket2_loop_close(loop), 0);
    fclose(file);
}

static void test_a_second_handle_of_a_descriptor_is_busy(void) {
    need_posix("several handles can wait for one socket here");
    const int loop = new_loop();
    const int fd = eventfd(0, EFD_CLOEXEC);
    const int first = new_fd(loop, fd), second = new_fd(loop, fd);
    CHECK_INT(wait_for(loop, first, SOCKET2_READ), SOCKET2_PENDING);
    CHECK_INT(wait_for(loop, second, SOCKET2_READ), SOCKET2_EBUSY);
    CHECK_INT(pending(loop, second, SOCKET2_READ), 0);
    CHECK_INT(eventfd_write(fd, 1), 0);
    CHECK_INT(finish(loop, SOCKET2_PENDING, first, SOCKET2_READ), 0);
    eventfd_t value;
    CHECK_INT(eventfd_read(fd, &value), 0);
    CHECK_INT(wait_for(loop, second, SOCKET2_READ), SOCKET2_EBUSY);
    CHECK_INT(socket2_socket_close(loop, first), 0);
    CHECK_INT(wait_for(loop, second, SOCKET2_READ), SOCKET2_PENDING);
    CHECK_INT(eventfd_write(fd, 1), 0);
    CHECK_INT(finish(loop, SOCKET2_PENDING, second, SOCKET2_READ), 0);
    CHECK_INT(socket2_loop_close(loop), 0);
    close(fd);
}

/* One that can end at once does so, whoever else waits. */
static void test_a_handle_that_was_busy_sees_what_is_there(void) {
    need_posix("several handles can wait for one socket here");
    const int loop = new_loop();
    const int fd = eventfd(0, EFD_CLOEXEC);
    const int first = new_fd(loop, fd), second = new_fd(loop, fd);
    CHECK_INT(wait_for(loop, first, SOCKET2_READ), SOCKET2_PENDING);
    CHECK_INT(wait_for(loop, second, SOCKET2_READ), SOCKET2_EBUSY);
    CHECK_INT(eventfd_write(fd, 1), 0);
    CHECK_INT(wait_for(loop, second, SOCKET2_READ), 0);
    CHECK_INT(finish(loop, SOCKET2_PENDING, first, SOCKET2_READ), 0);
    CHECK_INT(wait_for(loop, second, SOCKET2_READ), 0);
    CHECK_INT(socket2_loop_close(loop), 0);
    close(fd);
}

/* A socket's own descriptor is the same descriptor twice. */
static void test_a_handle_of_a_sockets_descriptor_is_busy(void) {
    need_posix("several handles can wait for one socket here");
    const connection c = connected();
    char data[8];
    CHECK_INT(socket2_stream_recv(c.loop, c.server, data, 8, SOCKET2_NEVER), SOCKET2_PENDING);
    const int handle = new_fd(c.loop, socket2_socket_fd(c.loop, c.server));
    CHECK_INT(wait_for(c.loop, handle, SOCKET2_READ), SOCKET2_EBUSY);
    CHECK_INT(socket2_socket_close(c.loop, handle), 0);
    feed(&c, "abc");
    CHECK_INT(finish(c.loop, SOCKET2_PENDING, c.server, SOCKET2_READ), 3);
    CHECK_INT(socket2_loop_close(c.loop), 0);
}

static void test_one_descriptor_on_two_loops(void) {
    const int loops[] = {new_loop(), new_loop()};
    const int fd = eventfd(0, EFD_CLOEXEC);
    int handles[2];
    for (int i = 0; i < 2; ++i) {
        handles[i] = new_fd(loops[i], fd);
        CHECK_INT(wait_for(loops[i], handles[i], SOCKET2_READ), SOCKET2_PENDING);
    }
    CHECK_INT(eventfd_write(fd, 1), 0);
    for (int i = 0; i < 2; ++i) {
        CHECK_INT(finish(loops[i], SOCKET2_PENDING, handles[i], SOCKET2_READ), 0);
        CHECK_INT(socket2_loop_close(loops[i]), 0);
    }
    close(fd);
}

/* Against the rules: nothing may crash, and whoever gets the number works. */
static void test_a_descriptor_that_is_closed_too_early(void) {
    need_posix("the next socket has another number here");
    for (int variant = 0; variant < 8; ++variant) {
        const int is_pending = variant & 1, closes_handle_first = variant & 2, waits = variant & 4;
        connection c = {new_loop(), 0, 0, 0};
        c.listener = new_listener(c.loop, 5);
        const int fd = eventfd(0, EFD_CLOEXEC);
        const int handle = new_fd(c.loop, fd);
        CHECK_INT(wait_for(c.loop, handle, SOCKET2_READ), SOCKET2_PENDING);
        if (!is_pending) check_cancel(c.loop, handle, SOCKET2_READ);
        close(fd);
        /* The lowest free number is the next socket's. */
        c.client = new_tcp(c.loop);
        CHECK_INT(socket2_socket_fd(c.loop, c.client), fd);
        if (closes_handle_first) CHECK_INT(socket2_socket_close(c.loop, handle), 0);
        connect_through(&c);
        char data[8];
        const int receiving = socket2_stream_recv(c.loop, c.client, data, 8, SOCKET2_NEVER);
        CHECK_INT(receiving, SOCKET2_PENDING);
        if (!closes_handle_first) {
            if (waits && !is_pending) {
                const int r = socket2_socket_wait(c.loop, handle, SOCKET2_READ, in(0.001));
                CHECK(r == SOCKET2_PENDING || r < 0);
                if (r == SOCKET2_PENDING) finish(c.loop, r, handle, SOCKET2_READ);
            }
            CHECK_INT(socket2_socket_close(c.loop, handle), 0);
        }
        if (is_pending) {
            CHECK_INT(finish(c.loop, SOCKET2_PENDING, handle, SOCKET2_READ), SOCKET2_ECLOSED);
        }
        CHECK_INT(send_text(c.loop, c.server, "abc"), 3);
        CHECK_INT(finish(c.loop, receiving, c.client, SOCKET2_READ), 3);
        feed(&c, "abc");
        check_recv(&c, "abc");
        check_quiet(c.loop);
        CHECK_INT(socket2_loop_close(c.loop), 0);
    }
}

static void test_a_loop_with_descriptors_keeps_its_epoll(void) {
    need_a_shared_epoll();
    const int loop = new_loop();
    const int fd = eventfd(0, EFD_CLOEXEC), epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    const int handle = new_fd(loop, fd);
    CHECK_INT(socket2_loop_set_epoll_fd(loop, epoll_fd), SOCKET2_EBUSY);
    CHECK_INT(socket2_socket_close(loop, handle), 0);
    CHECK(socket2_loop_set_epoll_fd(loop, epoll_fd) >= 0);
    CHECK_INT(socket2_loop_close(loop), 0);
    close(epoll_fd);
    close(fd);
}

/* What makes no sense: an error or a deadline that passes, and the loop goes on. */
static void test_the_loops_own_descriptors(void) {
    need_a_shared_epoll();
    const int loop = new_loop();
    const int handle = new_fd(loop, socket2_loop_epoll_fd(loop));
    const int r = socket2_socket_wait(loop, handle, SOCKET2_READ, in(0.01));
    const int result = finish(loop, r, handle, SOCKET2_READ);
    CHECK(result == 0 || (result < SOCKET2_PENDING && result >= SOCKET2_EIO));
    const int fd = eventfd(1, EFD_CLOEXEC);
    const int other = new_fd(loop, fd);
    CHECK_INT(finish(loop, wait_for(loop, other, SOCKET2_READ), other, SOCKET2_READ), 0);
    CHECK_INT(socket2_loop_close(loop), 0);
    close(fd);
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
    CHECK_INT(socket2_udp_recv(c.loop, new_udp(c.loop), data, 8, NULL, &from, SOCKET2_AT_ONCE),
              SOCKET2_ETIMEOUT);
    CHECK_INT(pending(c.loop, c.server, SOCKET2_READ), 0);
    check_quiet(c.loop);
    CHECK_INT(socket2_loop_close(c.loop), 0);
}

/* What came since is found without a poll, and again by the next one. */
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

/* A poll returns, without an event, when one that looks would find something. */
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

/* ---- descriptors that come and go ------------------------------------------------------------ */

static void test_a_detached_descriptor_stays_open(void) {
    const connection c = connected();
    char data[8];
    CHECK_INT(socket2_stream_recv(c.loop, c.server, data, 8, SOCKET2_NEVER), SOCKET2_PENDING);
    const int fd = socket2_socket_detach(c.loop, c.server);
    CHECK(fd >= 0);
    CHECK_INT(finish(c.loop, SOCKET2_PENDING, c.server, SOCKET2_READ), SOCKET2_ECLOSED);
    CHECK_INT(socket2_socket_detach(c.loop, c.server), SOCKET2_EBADHANDLE);
    CHECK_INT(send_text(c.loop, c.client, "hello"), 5);
    await(fd, POLLIN);
    CHECK_INT(read(fd, data, 8), 5);

    /* and back, on another loop */
    const int other = new_loop();
    const int handle = socket2_socket_attach(other, fd);
    CHECK(handle > 0);
    CHECK_INT(socket2_socket_type(other, handle), SOCKET2_TCP);
    CHECK_INT(socket2_socket_family(other, handle), SOCKET2_INET);
    CHECK_INT(send_text(c.loop, c.client, "again"), 5);
    CHECK_INT(recv_some(other, handle, data, 8), 5);
    CHECK_INT(socket2_loop_close(other), 0);
    CHECK_INT(fcntl(fd, F_GETFD), -1);
    CHECK_INT(socket2_loop_close(c.loop), 0);
}

static void test_what_can_be_attached(void) {
    const int loop = new_loop();
    const struct {
        int domain, type, expected_family, expected_type;
    } kinds[] = {
        {AF_INET, SOCK_STREAM, SOCKET2_INET, SOCKET2_TCP},
        {AF_INET6, SOCK_DGRAM, SOCKET2_INET6, SOCKET2_UDP},
        {AF_UNIX, SOCK_STREAM, SOCKET2_UNIX, SOCKET2_TCP},
        {AF_UNIX, SOCK_DGRAM, SOCKET2_UNIX, SOCKET2_UDP},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; ++i) {
        const int fd = socket(kinds[i].domain, kinds[i].type, 0);
        if (fd < 0) continue; /* no unix sockets here */
        const int handle = socket2_socket_attach(loop, fd);
        CHECK(handle > 0);
        CHECK_INT(socket2_socket_type(loop, handle), kinds[i].expected_type);
        CHECK_INT(socket2_socket_family(loop, handle), kinds[i].expected_family);
        CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
        CHECK_INT(fcntl(fd, F_GETFD), FD_CLOEXEC);
        CHECK_INT(socket2_socket_close(loop, handle), 0);
        CHECK_INT(fcntl(fd, F_GETFD), -1);
    }
    CHECK_INT(socket2_socket_attach(loop, -1), SOCKET2_EDESCRIPTOR);
    CHECK_INT(socket2_socket_attach(loop, (intptr_t)1 << 40), SOCKET2_EDESCRIPTOR);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_what_cannot_be_attached(void) {
    need_posix("descriptors are sockets here");
    const int loop = new_loop();
    int ends[2];
    CHECK_INT(pipe(ends), 0);
    CHECK_INT(socket2_socket_attach(loop, ends[0]), SOCKET2_EDESCRIPTOR);
    const int packets = socket(AF_UNIX, SOCK_SEQPACKET, 0); /* macOS has none */
    if (packets >= 0) {
        CHECK_INT(socket2_socket_attach(loop, packets), SOCKET2_ESOCKTYPE);
        CHECK_INT(close(packets), 0);
    }
    CHECK(fcntl(ends[0], F_GETFD) >= 0);
    CHECK_INT(socket2_socket_detach(loop, new_fd(loop, ends[0])), ends[0]);
    CHECK(fcntl(ends[0], F_GETFD) >= 0);
    CHECK_INT(socket2_loop_close(loop), 0);
    close(ends[0]);
    close(ends[1]);
}

static void test_a_pipe_is_wrapped_or_refused(void) {
    const int loop = new_loop();
    int fds[2] = {-1, -1};
    CHECK_INT(open_system_pipe(fds), 0);
    for (int i = 0; i < 2; ++i) {
        CHECK_INT(socket2_socket_attach(loop, fds[i]), SOCKET2_EDESCRIPTOR);
        const int handle = socket2_fd_new(loop, fds[i]);
        CHECK_INT(handle > 0 ? 1 : handle, WRAPS_PIPES ? 1 : SOCKET2_EDESCRIPTOR);
        if (handle > 0) CHECK_INT(socket2_socket_close(loop, handle), 0);
        const int owner = socket2_fd_attach(loop, fds[i]);
        CHECK_INT(owner > 0 ? 1 : owner, WRAPS_PIPES ? 1 : SOCKET2_EDESCRIPTOR);
        if (owner > 0) CHECK_INT(socket2_socket_detach(loop, owner), fds[i]);
    }
    CHECK_INT(socket2_loop_close(loop), 0);
    CHECK_INT(close_system_pipe(fds), 0);
}

static void test_names_and_the_time_of_day(void) {
    char ours[256], systems[256] = "";
    CHECK_INT(gethostname(systems, sizeof systems), 0);
    CHECK_INT(socket2_hostname(ours, sizeof ours), (int)strlen(systems));
    CHECK(strcmp(ours, systems) == 0);
    const double before = (double)time(NULL);
    const double now = socket2_time();
    CHECK(now >= before && now < before + LIMIT);

    socket2_addr address;
    char name[256] = "";
    CHECK_INT(socket2_addr_parse("127.0.0.1", NULL, SOCKET2_TCP, SOCKET2_INET, 0, SOCKET2_REVERSE,
                                 &address),
              0);
    CHECK_INT(socket2_addr_lookup("127.0.0.1", NULL, SOCKET2_TCP, SOCKET2_INET, 0, SOCKET2_REVERSE,
                                  &address, 1, name, sizeof name),
              1);
    CHECK(strlen(name) > 0 && strcmp(name, "127.0.0.1") != 0);
    CHECK_INT(socket2_addr_lookup("localhost", NULL, SOCKET2_TCP, SOCKET2_INET, 0, SOCKET2_REVERSE,
                                  &address, 1, name, sizeof name),
              SOCKET2_EUNKNOWNHOST);
}

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
    TEST(kinds_that_are_none),
    TEST(handles_that_are_none),
    TEST(a_pipe),
    TEST(a_full_pipe),
    TEST(an_eventfd),
    TEST(a_socketpair),
    TEST(deadline_cancel_and_close_of_a_descriptor),
    TEST(a_descriptor_is_no_socket),
    TEST(what_is_no_descriptor),
    TEST(a_descriptor_that_was_closed_is_none_when_waited_for),
    TEST(a_file_is_always_ready),
    TEST(a_second_handle_of_a_descriptor_is_busy),
    TEST(a_handle_that_was_busy_sees_what_is_there),
    TEST(a_handle_of_a_sockets_descriptor_is_busy),
    TEST(one_descriptor_on_two_loops),
    TEST(a_descriptor_that_is_closed_too_early),
    TEST(a_loop_with_descriptors_keeps_its_epoll),
    TEST(the_loops_own_descriptors),
    TEST(a_loop_can_be_closed_while_all_of_it_waits),
    TEST(at_once_nothing_is_ever_pending),
    TEST(at_once_gives_what_is_there),
    TEST(a_poll_returns_for_who_looks_at_once),
    TEST(at_once_beside_what_is_pending),
    TEST(a_send_at_once_gives_a_part),
    TEST(a_connect_at_once_goes_on),
    TEST(a_detached_descriptor_stays_open),
    TEST(what_can_be_attached),
    TEST(what_cannot_be_attached),
    TEST(a_pipe_is_wrapped_or_refused),
    TEST(names_and_the_time_of_day),
};

int main(int argc, char** argv) {
    return run_tests(tests, sizeof tests / sizeof *tests, argc, argv);
}
