/* Whole conversations over sockets of both kinds; long, split and failed sends. */
#define _GNU_SOURCE
#include <limits.h>
#include <math.h>

#include "spec/capi/sockets.h"

/* ---- whole conversations -------------------------------------------------------------------- */

static void echo_over_streams(const socket2_addr* where) {
    const int loop = new_loop();
    const int listener = listen_on(loop, where, 5);
    const socket2_addr addr = local_addr(loop, listener);
    socket2_addr peer, remote;
    const int client = socket2_tcp_new(loop, socket2_addr_family(where), 0);
    const int accepting = socket2_tcp_accept(loop, listener, &peer, in(LIMIT));
    CHECK_INT(accepting, SOCKET2_PENDING);
    CHECK_INT(
        finish(loop, socket2_tcp_connect(loop, client, &addr, in(LIMIT)), client, SOCKET2_WRITE),
        0);
    const int server = finish(loop, accepting, listener, SOCKET2_READ);
    CHECK(server > 0 && server != listener && server != client);
    const socket2_addr client_addr = local_addr(loop, client);
    CHECK(same_addr(&peer, &client_addr));
    CHECK_INT(socket2_addr_type(&peer), SOCKET2_TCP);
    CHECK_INT(socket2_socket_remoteaddr(loop, client, &remote), 0);
    CHECK(same_addr(&remote, &addr));
    CHECK_INT(socket2_socket_type(loop, server), SOCKET2_TCP);
    CHECK_INT(socket2_socket_family(loop, server), socket2_addr_family(where));

    char data[64];
    for (int i = 0; i < 200; ++i) {
        char text[16];
        const int size = snprintf(text, sizeof text, "message %d", i);
        CHECK_INT(send_text(loop, client, text), size);
        CHECK_INT(recv_some(loop, server, data, sizeof data), size);
        CHECK(memcmp(data, text, (size_t)size) == 0);
        const int back = socket2_stream_send(loop, server, data, (size_t)size, SOCKET2_NEVER);
        CHECK_INT(finish(loop, back, server, SOCKET2_WRITE), size);
        memset(data, 0, sizeof data);
        CHECK_INT(recv_some(loop, client, data, sizeof data), size);
        CHECK_TEXT(data, text);
    }
    CHECK_INT(socket2_socket_shutdown(loop, client, SOCKET2_SHUT_WRITE), 0);
    CHECK_INT(recv_some(loop, server, data, sizeof data), 0);
    CHECK_INT(recv_some(loop, server, data, sizeof data), 0);
    CHECK_INT(send_text(loop, server, "still"), 5);
    CHECK_INT(recv_some(loop, client, data, sizeof data), 5);
    CHECK_INT(send_text(loop, client, "no more"), SOCKET2_EPIPE);
    check_quiet(loop);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_tcp_echo(void) {
    const socket2_addr inet = loopback(SOCKET2_TCP);
    echo_over_streams(&inet);
}

static void test_tcp_echo_inet6(void) {
    const socket2_addr inet6 = lookup(NULL, NULL, SOCKET2_TCP, SOCKET2_INET6);
    echo_over_streams(&inet6);
}

static void test_unix_stream_echo(void) {
    need_unix_sockets();
    const socket2_addr path = unix_addr(SOCKET2_TCP);
    echo_over_streams(&path);
}

/* Whether the last datagram was cut, no matter if it came at once or by an event. */
static int was_cut(int loop, int handle) {
    return detail != 0 || socket2_udp_truncated(loop, handle) == 1;
}

static void test_udp_echo(void) {
    const int loop = new_loop();
    const int a = udp_anywhere(loop), b = udp_anywhere(loop);
    const socket2_addr a_addr = local_addr(loop, a), b_addr = local_addr(loop, b);
    socket2_addr from;
    char data[64] = "";
    for (int i = 0; i < 100; ++i) {
        CHECK_INT(udp_send(loop, a, "ping", &b_addr), 4);
        CHECK_INT(udp_recv(loop, b, data, sizeof data, &from), 4);
        CHECK(same_addr(&from, &a_addr));
        CHECK_INT(socket2_addr_type(&from), SOCKET2_UDP);
        CHECK_INT(udp_send(loop, b, "pong!", &from), 5);
        CHECK_INT(udp_recv(loop, a, data, sizeof data, NULL), 5);
    }
    CHECK_INT(udp_send(loop, a, "", &b_addr), 0);
    CHECK_INT(udp_recv(loop, b, data, sizeof data, &from), 0);
    CHECK_INT(was_cut(loop, b), 0);
    check_quiet(loop);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_a_cut_datagram_is_told(void) {
    const int loop = new_loop();
    const int a = udp_anywhere(loop), b = udp_anywhere(loop);
    const socket2_addr b_addr = local_addr(loop, b);
    char data[64];
    for (int waits = 0; waits <= 1; ++waits) {
        static const struct {
            const char* text;
            int copied, cut;
        } cases[] = {{"12345678", 4, 1}, {"1234", 4, 0}, {"12345", 4, 1}, {"", 0, 0}};
        for (int i = 0; i < 4; ++i) {
            int r = SOCKET2_PENDING;
            if (waits) {
                r = socket2_udp_recv(loop, b, data, 4, NULL, NULL, in(LIMIT));
                CHECK_INT(r, SOCKET2_PENDING);
            }
            CHECK_INT(udp_send(loop, a, cases[i].text, &b_addr), (int)strlen(cases[i].text));
            if (!waits) {
                wait_readable(loop, b);
                poll_into_inbox(loop, 0);
                r = socket2_udp_recv(loop, b, data, 4, NULL, NULL, in(LIMIT));
                CHECK(r != SOCKET2_PENDING);
            }
            CHECK_INT(finish(loop, r, b, SOCKET2_READ), cases[i].copied);
            if (waits) CHECK_INT(detail, cases[i].cut);
            if (!waits) CHECK_INT(socket2_udp_truncated(loop, b), cases[i].cut);
            /* The same without waiting. */
            CHECK_INT(udp_send(loop, a, cases[i].text, &b_addr), (int)strlen(cases[i].text));
            wait_readable(loop, b);
            r = socket2_udp_recv(loop, b, data, 4, NULL, NULL, SOCKET2_AT_ONCE);
            CHECK_INT(r, cases[i].copied);
            CHECK_INT(socket2_udp_truncated(loop, b), cases[i].cut);
        }
    }
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_udp_connected_and_filtered(void) {
    const int loop = new_loop();
    const int a = udp_anywhere(loop), b = udp_anywhere(loop), stranger = udp_anywhere(loop);
    const socket2_addr a_addr = local_addr(loop, a), b_addr = local_addr(loop, b);
    char data[64];
    CHECK_INT(udp_send(loop, a, "x", NULL), SOCKET2_EDESTADDRREQ);
    CHECK_INT(socket2_udp_connect(loop, a, &b_addr), 0);
    CHECK_INT(udp_send(loop, a, "hello", NULL), 5);
    CHECK_INT(udp_recv(loop, b, data, sizeof data, NULL), 5);
    CHECK_INT(socket2_udp_connect(loop, a, NULL), 0);
    CHECK_INT(udp_send(loop, a, "x", NULL), SOCKET2_EDESTADDRREQ);

    const socket2_addr still = local_addr(loop, a);
    CHECK(KEEPS_ADDRESS ? same_addr(&still, &a_addr)
                        : socket2_addr_port(&still) == socket2_addr_port(&a_addr));
    const int receiving = socket2_udp_recv(loop, b, data, sizeof data, &a_addr, NULL, in(LIMIT));
    CHECK_INT(receiving, SOCKET2_PENDING);
    for (int i = 0; i < 100; ++i) CHECK_INT(udp_send(loop, stranger, "spam", &b_addr), 4);
    CHECK_INT(udp_send(loop, a, "ham", &b_addr), 3);
    CHECK_INT(finish(loop, receiving, b, SOCKET2_READ), 3);
    check_quiet(loop);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_unix_datagrams(void) {
    need_unix_datagrams();
    const int loop = new_loop();
    const socket2_addr path = unix_addr(SOCKET2_UDP);
    const int a = socket2_udp_new(loop, SOCKET2_UNIX, 0);
    const int b = socket2_udp_new(loop, SOCKET2_UNIX, 0);
    socket2_addr from;
    char data[64], text[192] = "?";
    CHECK_INT(socket2_socket_bind(loop, b, &path), 0);
    CHECK_INT(udp_send(loop, a, "hello", &path), 5);
    memset(&from, 0x5a, sizeof from);
    CHECK_INT(udp_recv(loop, b, data, sizeof data, &from), 5);
    /* The sender has no name. */
    CHECK_INT(socket2_addr_family(&from), SOCKET2_UNIX);
    CHECK_INT(socket2_addr_format(&from, text, sizeof text), 0);
    CHECK_TEXT(text, "");
    CHECK_INT(socket2_loop_close(loop), 0);
}

/* ---- sends ---------------------------------------------------------------------------------- */

static void test_a_long_send_is_whole(void) {
    connection c = connected();
    const size_t size = (size_t)8 << 20;
    char *data = malloc(size), *received = malloc(size);
    for (size_t i = 0; i < size; ++i) data[i] = (char)(i * 31 + i / 251);
    int sending = socket2_stream_send(c.loop, c.client, data, size, in(LIMIT));
    CHECK_INT(sending, SOCKET2_PENDING);
    size_t done = 0;
    while (done < size) {
        const int n = recv_some(c.loop, c.server, received + done, size - done);
        if (n <= 0) break;
        done += (size_t)n;
    }
    CHECK_INT(done, size);
    CHECK(memcmp(data, received, size) == 0);
    CHECK_INT(finish(c.loop, sending, c.client, SOCKET2_WRITE), size);
    CHECK_INT(detail, size);
    check_quiet(c.loop);
    CHECK_INT(socket2_loop_close(c.loop), 0);
    free(data);
    free(received);
}

static void test_the_detail_tells_how_far_a_failed_send_came(void) {
    for (int closes = 0; closes <= 1; ++closes) {
        connection c = connected();
        const size_t size = (size_t)64 << 20;
        char* data = calloc(1, size);
        const int sending = socket2_stream_send(c.loop, c.client, data, size, in(0.05));
        CHECK_INT(sending, SOCKET2_PENDING);
        if (closes) CHECK_INT(socket2_socket_close(c.loop, c.client), 0);
        CHECK_INT(finish(c.loop, sending, c.client, SOCKET2_WRITE),
                  closes ? SOCKET2_ECLOSED : SOCKET2_ETIMEOUT);
        const int sent = detail;
        CHECK(sent > 0 && (size_t)sent < size);
        if (!closes) CHECK_INT(socket2_socket_shutdown(c.loop, c.client, SOCKET2_SHUT_WRITE), 0);
        size_t received = 0;
        int n;
        while ((n = recv_some(c.loop, c.server, data, size)) > 0) received += (size_t)n;
        CHECK_INT(n, 0);
        CHECK_INT(received, sent);
        CHECK_INT(socket2_loop_close(c.loop), 0);
        free(data);
    }
}

static void test_slices_are_sent_in_order(void) {
    enum { COUNT = 300, MOST = 100000 };
    connection c = connected();
    char *data = malloc(COUNT * (size_t)MOST), *got = malloc(COUNT * (size_t)MOST);
    socket2_slice slices[COUNT];
    size_t size = 0;
    for (int i = 0; i < COUNT; ++i) {
        slices[i].size = i % 7 == 0 ? 0 : (size_t)i * 7919 % MOST;
        slices[i].data = slices[i].size == 0 ? NULL : data + size;
        size += slices[i].size;
    }
    for (size_t i = 0; i < size; ++i) data[i] = (char)(i * 31 + i / 251);
    const int sending = socket2_stream_sendv(c.loop, c.client, slices, COUNT, in(LIMIT));
    CHECK_INT(sending, SOCKET2_PENDING);
    CHECK_INT(socket2_stream_sendv(c.loop, c.client, slices, 2, in(LIMIT)), SOCKET2_EBUSY);
    size_t received = 0;
    socket2_event sent = {0};
    while (received < size) {
        int r = socket2_stream_recv(c.loop, c.server, got + received, size - received, in(LIMIT));
        while (r == SOCKET2_PENDING) {
            socket2_event event = {0};
            CHECK(socket2_poll(c.loop, &event, 1, in(LIMIT)) >= 0);
            if (event.handle == c.client) sent = event;
            if (event.handle == c.server) r = event.result;
        }
        if (r <= 0) break;
        received += (size_t)r;
    }
    CHECK_INT(received, size);
    CHECK(memcmp(data, got, size) == 0);
    while (sent.handle == 0) CHECK(socket2_poll(c.loop, &sent, 1, in(LIMIT)) >= 0);
    CHECK_INT(sent.handle, c.client);
    CHECK_INT(sent.result, size);
    CHECK_INT(sent.detail, size);
    CHECK_INT(socket2_loop_close(c.loop), 0);
    free(data);
    free(got);
}

static void test_slices_that_cannot_be(void) {
    connection c = connected();
    char byte = 'x';
    const socket2_slice good[] = {{NULL, 0}, {&byte, 1}, {NULL, 0}};
    const socket2_slice null[] = {{&byte, 1}, {NULL, 1}};
    const socket2_slice many[] = {{&byte, INT_MAX}, {&byte, 1}};
    CHECK_INT(socket2_stream_sendv(c.loop, c.client, NULL, 0, SOCKET2_NEVER), 0);
    CHECK_INT(socket2_stream_sendv(c.loop, c.client, good, 1, SOCKET2_NEVER), 0);
    CHECK_INT(socket2_stream_sendv(c.loop, c.client, NULL, 1, SOCKET2_NEVER), SOCKET2_EINVAL);
    CHECK_INT(socket2_stream_sendv(c.loop, c.client, good, -1, SOCKET2_NEVER), SOCKET2_EINVAL);
    CHECK_INT(socket2_stream_sendv(c.loop, c.client, null, 2, SOCKET2_NEVER), SOCKET2_EINVAL);
    CHECK_INT(socket2_stream_sendv(c.loop, c.client, many, 2, SOCKET2_NEVER), SOCKET2_EINVAL);
    CHECK_INT(socket2_stream_sendv(c.loop, c.client, good, 3, NAN), SOCKET2_EINVAL);
    CHECK(socket2_stream_sendv(c.loop, c.listener, good, 3, SOCKET2_NEVER) < SOCKET2_PENDING);
    CHECK_INT(socket2_stream_sendv(c.loop, c.client, good, 3, SOCKET2_AT_ONCE), 1);
    CHECK_INT(recv_some(c.loop, c.server, &byte, 1), 1);
    CHECK_INT(byte, 'x');
    check_quiet(c.loop);
    CHECK_INT(socket2_loop_close(c.loop), 0);
}

static void test_an_empty_send_is_done_at_once(void) {
    connection c = connected();
    CHECK_INT(socket2_stream_send(c.loop, c.client, NULL, 0, SOCKET2_NEVER), 0);
    CHECK_INT(socket2_stream_send(c.loop, c.client, "", 0, 0), 0);
    check_quiet(c.loop);
    CHECK_INT(socket2_loop_close(c.loop), 0);
}

static void test_a_broken_connection_raises_no_signal(void) {
    connection c = connected();
    CHECK_INT(socket2_socket_close(c.loop, c.server), 0);
    /* A process that is just being started may hold the other end a little longer. */
    const double limit = in(LIMIT);
    int r = 0;
    while (r >= 0 && socket2_clock() < limit) r = send_text(c.loop, c.client, "x");
    if (r != SOCKET2_EPIPE) CHECK_INT(r, SOCKET2_ECONNRESET);
    CHECK_INT(socket2_loop_close(c.loop), 0);
}

/* ---- all of them ---------------------------------------------------------------------------- */

static const test_case tests[] = {
    TEST(tcp_echo),
    TEST(tcp_echo_inet6),
    TEST(unix_stream_echo),
    TEST(udp_echo),
    TEST(a_cut_datagram_is_told),
    TEST(udp_connected_and_filtered),
    TEST(unix_datagrams),
    TEST(a_long_send_is_whole),
    TEST(the_detail_tells_how_far_a_failed_send_came),
    TEST(slices_are_sent_in_order),
    TEST(slices_that_cannot_be),
    TEST(an_empty_send_is_done_at_once),
    TEST(a_broken_connection_raises_no_signal),
};

int main(int argc, char** argv) {
    return run_tests(tests, sizeof tests / sizeof *tests, argc, argv);
}
