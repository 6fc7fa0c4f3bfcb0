/* The ABI as a C program uses it: both ends of every connection are on loops of this process. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>

#include "spec/capi/events.h"

static socket2_addr lookup(const char* host, const char* service, int type, int family) {
    socket2_addr addr;
    CHECK_INT(socket2_addr_lookup(host, service, type, family, 0, 0, &addr, 1, NULL, 0), 1);
    return addr;
}

static socket2_addr loopback(int type) { return lookup(NULL, NULL, type, SOCKET2_INET); }

/* A unix address that no other process uses: abstract where there are such. */
static socket2_addr unix_addr(int type) {
    static int number;
    char path[64];
    snprintf(path, sizeof path, "@socket2-abi-test-%ld-%d", (long)getpid(), ++number);
    socket2_addr addr;
    const int r = socket2_addr_lookup(path, NULL, type, SOCKET2_UNIX, 0, 0, &addr, 1, NULL, 0);
    if (r != SOCKET2_ENOTSUPPORTED) return addr;
    remove(path + 1);
    return lookup(path + 1, NULL, type, SOCKET2_UNIX);
}

static int same_addr(const socket2_addr* a, const socket2_addr* b) {
    char left[192], right[192];
    return socket2_addr_format(a, left, sizeof left) >= 0 &&
           socket2_addr_format(b, right, sizeof right) >= 0 && strcmp(left, right) == 0;
}

static int listen_on(int loop, const socket2_addr* addr, int backlog) {
    const int listener = socket2_tcp_new(loop, socket2_addr_family(addr), 0);
    CHECK(listener > 0);
    CHECK_INT(socket2_socket_bind(loop, listener, addr), 0);
    CHECK_INT(socket2_tcp_listen(loop, listener, backlog), 0);
    return listener;
}

static int listen_anywhere(int loop) {
    const socket2_addr any = loopback(SOCKET2_TCP);
    return listen_on(loop, &any, -1);
}

typedef struct {
    int loop, listener, client, server;
} connection;

static connection connect_through(int loop, int listener) {
    connection c = {loop, listener, 0, 0};
    const socket2_addr addr = local_addr(loop, listener);
    c.client = socket2_tcp_new(loop, socket2_addr_family(&addr), 0);
    CHECK(c.client > 0);
    const int connecting = socket2_tcp_connect(loop, c.client, &addr, in(LIMIT));
    const int accepting = socket2_tcp_accept(loop, listener, NULL, in(LIMIT));
    CHECK_INT(finish(loop, connecting, c.client, SOCKET2_WRITE), 0);
    c.server = finish(loop, accepting, listener, SOCKET2_READ);
    CHECK(c.server > 0);
    return c;
}

static connection connected(void) {
    const int loop = new_loop();
    return connect_through(loop, listen_anywhere(loop));
}

static int udp_anywhere(int loop) {
    const socket2_addr any = loopback(SOCKET2_UDP);
    const int handle = socket2_udp_new(loop, SOCKET2_INET, 0);
    CHECK(handle > 0);
    CHECK_INT(socket2_socket_bind(loop, handle, &any), 0);
    return handle;
}

/* Until something has come, which may take a moment; nothing of it is taken. */
static void wait_readable(int loop, int handle) {
    const int waiting = socket2_socket_wait(loop, handle, SOCKET2_READ, in(LIMIT));
    CHECK_INT(finish(loop, waiting, handle, SOCKET2_READ), 0);
}

static int all_bytes(const char* data, size_t size, char byte) {
    for (size_t i = 0; i < size; ++i) {
        if (data[i] != byte) return 0;
    }
    return 1;
}

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

static int udp_recv(int loop, int handle, void* data, size_t size, socket2_addr* from) {
    return finish(loop, socket2_udp_recv(loop, handle, data, size, NULL, from, in(LIMIT)), handle,
                  SOCKET2_READ);
}

static int udp_send(int loop, int handle, const char* text, const socket2_addr* to) {
    return finish(loop, socket2_udp_send(loop, handle, text, strlen(text), to, in(LIMIT)), handle,
                  SOCKET2_WRITE);
}

/* Of the last datagram, whether it came at once or by an event. */
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
            /* The same for who looks at once. */
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

/* Nor does it take the filter and the address of the one that waits. */
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

/* A datagram that waits for room goes where it was sent to. */
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
    /* A process that is just being made may hold the other end a little longer. */
    const double limit = in(LIMIT);
    int r = 0;
    while (r >= 0 && socket2_clock() < limit) r = send_text(c.loop, c.client, "x");
    if (r != SOCKET2_EPIPE) CHECK_INT(r, SOCKET2_ECONNRESET);
    CHECK_INT(socket2_loop_close(c.loop), 0);
}

/* ---- closing -------------------------------------------------------------------------------- */

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
    /* More than the queue holds: some of these wait. */
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
        /* The handler of the first event closes the other. */
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

/* The connection has come, its event is not taken yet, and the listener is closed. */
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
    /* One is taken; the other was ready in the same turn, or still waits. */
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
    /* Not polled: this is lost with the loop. */
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

/* ---- bad arguments -------------------------------------------------------------------------- */

/* Every function that takes a socket, with arguments that are good otherwise. */
static void check_sockets_of(int loop, int handle, int expected_common, int expected_tcp,
                             int expected_udp, int line) {
    socket2_addr addr = loopback(SOCKET2_TCP);
    char data[8] = "";
    int value = 0;
    const struct {
        const char* name;
        int actual, expected;
    } calls[] = {
        {"type", socket2_socket_type(loop, handle), expected_common},
        {"family", socket2_socket_family(loop, handle), expected_common},
        {"protocol", socket2_socket_protocol(loop, handle), expected_common},
        {"fd", socket2_socket_fd(loop, handle), expected_common},
        {"bind", socket2_socket_bind(loop, handle, &addr), expected_common},
        {"shutdown", socket2_socket_shutdown(loop, handle, SOCKET2_SHUT_READ), expected_common},
        {"localaddr", socket2_socket_localaddr(loop, handle, &addr), expected_common},
        {"remoteaddr", socket2_socket_remoteaddr(loop, handle, &addr), expected_common},
        {"setopt", socket2_socket_setopt(loop, handle, "reuseaddr", 1), expected_common},
        {"getopt", socket2_socket_getopt(loop, handle, "reuseaddr", &value), expected_common},
        {"setopt_text", socket2_socket_setopt_text(loop, handle, "bindtodevice", ""),
         expected_common},
        {"getopt_text", socket2_socket_getopt_text(loop, handle, "bindtodevice", data, sizeof data),
         expected_common},
        {"tcp_listen", socket2_tcp_listen(loop, handle, 1), expected_tcp},
        {"tcp_accept", socket2_tcp_accept(loop, handle, NULL, 0), expected_tcp},
        {"tcp_connect", socket2_tcp_connect(loop, handle, &addr, 0), expected_tcp},
        {"stream_sendv", socket2_stream_sendv(loop, handle, NULL, 0, 0), expected_tcp},
        {"stream_send", socket2_stream_send(loop, handle, data, 1, 0), expected_tcp},
        {"stream_recv", socket2_stream_recv(loop, handle, data, 1, 0), expected_tcp},
        {"udp_connect", socket2_udp_connect(loop, handle, &addr), expected_udp},
        {"udp_send", socket2_udp_send(loop, handle, data, 1, &addr, 0), expected_udp},
        {"udp_recv", socket2_udp_recv(loop, handle, data, 1, NULL, NULL, 0), expected_udp},
        {"udp_truncated", socket2_udp_truncated(loop, handle), expected_udp},
        {"udp_join", socket2_udp_join(loop, handle, &addr, NULL), expected_udp},
        {"udp_leave", socket2_udp_leave(loop, handle, &addr, NULL), expected_udp},
    };
    /* Expected 1: any answer will do, but not "bad handle". */
    for (size_t i = 0; i < sizeof calls / sizeof *calls; ++i) {
        const int good = calls[i].expected == 1 ? calls[i].actual != SOCKET2_EBADHANDLE
                                                : calls[i].actual == calls[i].expected;
        if (good) continue;
        printf("%s:%d: %s gives %d\n", __FILE__, line, calls[i].name, calls[i].actual);
        ++failures;
    }
}

static void check_bad_socket(int loop, int handle, int line) {
    check_sockets_of(loop, handle, SOCKET2_EBADHANDLE, SOCKET2_EBADHANDLE, SOCKET2_EBADHANDLE,
                     line);
    if (socket2_socket_close(loop, handle) != SOCKET2_EBADHANDLE) {
        printf("%s:%d: close takes handle %d\n", __FILE__, line, handle);
        ++failures;
    }
}

static void test_bad_socket_handles(void) {
    const int loop = new_loop();
    const int live = socket2_tcp_new(loop, SOCKET2_INET, 0);
    const int stale = socket2_udp_new(loop, SOCKET2_INET, 0);
    CHECK_INT(socket2_socket_close(loop, stale), 0);
    const int made_up[] = {0, -1, INT_MIN, INT_MAX, stale, live + 1000, live | 1 << 30};
    for (size_t i = 0; i < sizeof made_up / sizeof *made_up; ++i) {
        check_bad_socket(loop, made_up[i], __LINE__);
    }
    CHECK_INT(socket2_socket_type(loop, live), SOCKET2_TCP);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_a_stale_handle_stays_stale(void) {
    const int loop = new_loop();
    const int stale = socket2_tcp_new(loop, SOCKET2_INET, 0);
    CHECK_INT(socket2_socket_close(loop, stale), 0);
    for (int i = 0; i < 5000; ++i) {
        const int handle = socket2_udp_new(loop, SOCKET2_INET, 0);
        CHECK(handle > 0 && handle != stale);
        CHECK_INT(socket2_socket_type(loop, stale), SOCKET2_EBADHANDLE);
        CHECK_INT(socket2_socket_close(loop, handle), 0);
    }
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_handles_of_the_wrong_kind(void) {
    const int loop = new_loop();
    const int tcp = socket2_tcp_new(loop, SOCKET2_INET, 0);
    const int udp = socket2_udp_new(loop, SOCKET2_INET, 0);
    check_sockets_of(loop, tcp, 1, 1, SOCKET2_EBADHANDLE, __LINE__);
    check_sockets_of(loop, udp, 1, SOCKET2_EBADHANDLE, 1, __LINE__);
    /* A loop's handle is no socket's and the other way round, unless the numbers happen to agree.
     */
    socket2_event event;
    if (tcp != loop) CHECK_INT(socket2_poll(tcp, &event, 1, 0), SOCKET2_EBADHANDLE);
    if (loop != tcp && loop != udp) check_bad_socket(loop, loop, __LINE__);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_handles_of_another_loop(void) {
    const int a = new_loop(), b = new_loop();
    const int handle = socket2_tcp_new(a, SOCKET2_INET, 0);
    check_bad_socket(b, handle, __LINE__);
    CHECK_INT(socket2_socket_type(a, handle), SOCKET2_TCP);
    CHECK_INT(socket2_loop_close(b), 0);
    CHECK_INT(socket2_socket_type(a, handle), SOCKET2_TCP);
    CHECK_INT(socket2_loop_close(a), 0);
}

static void test_bad_loop_handles(void) {
    const int stale = new_loop();
    const int socket = socket2_tcp_new(stale, SOCKET2_INET, 0);
    CHECK_INT(socket2_loop_close(stale), 0);
    const int bad[] = {0, -1, INT_MIN, INT_MAX, stale, 1023, 1024, 1 << 30};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
        const int loop = bad[i];
        socket2_event event;
        intptr_t port;
        CHECK_INT(socket2_loop_close(loop), SOCKET2_EBADHANDLE);
        CHECK_INT(socket2_poll(loop, &event, 1, 0), SOCKET2_EBADHANDLE);
        CHECK_INT(socket2_poll(loop, &event, 1, SOCKET2_NEVER), SOCKET2_EBADHANDLE);
        CHECK_INT(socket2_wake(loop), SOCKET2_EBADHANDLE);
        CHECK_INT(socket2_os_error(loop), SOCKET2_EBADHANDLE);
        CHECK_INT(socket2_loop_epoll_fd(loop), SOCKET2_EBADHANDLE);
        CHECK_INT(socket2_loop_set_epoll_fd(loop, 0), SOCKET2_EBADHANDLE);
        CHECK_INT(socket2_loop_iocp(loop, &port), SOCKET2_EBADHANDLE);
        CHECK_INT(socket2_loop_set_iocp(loop, 0), SOCKET2_EBADHANDLE);
        CHECK_INT(socket2_tcp_new(loop, SOCKET2_INET, 0), SOCKET2_EBADHANDLE);
        CHECK_INT(socket2_udp_new(loop, SOCKET2_INET, 0), SOCKET2_EBADHANDLE);
        CHECK_INT(socket2_raw_new(loop, SOCKET2_INET, 0), SOCKET2_EBADHANDLE);
        check_bad_socket(loop, socket, __LINE__);
    }
}

static void test_null_pointers(void) {
    connection c = connected();
    const int loop = c.loop;
    const int udp = udp_anywhere(loop);
    int value;
    char data[8];
    CHECK_INT(socket2_poll(loop, NULL, 1, 0), SOCKET2_EINVAL);
    CHECK_INT(socket2_socket_bind(loop, udp, NULL), SOCKET2_EINVAL);
    CHECK_INT(socket2_socket_localaddr(loop, udp, NULL), SOCKET2_EINVAL);
    CHECK_INT(socket2_socket_remoteaddr(loop, c.client, NULL), SOCKET2_EINVAL);
    CHECK_INT(socket2_socket_setopt(loop, udp, NULL, 1), SOCKET2_EINVAL);
    CHECK_INT(socket2_socket_getopt(loop, udp, NULL, &value), SOCKET2_EINVAL);
    CHECK_INT(socket2_socket_getopt(loop, udp, "rcvbuf", NULL), SOCKET2_EINVAL);
    CHECK_INT(socket2_socket_setopt_text(loop, udp, NULL, "lo"), SOCKET2_EINVAL);
    CHECK_INT(socket2_socket_setopt_text(loop, udp, "bindtodevice", NULL), SOCKET2_EINVAL);
    CHECK_INT(socket2_socket_getopt_text(loop, udp, NULL, data, sizeof data), SOCKET2_EINVAL);
    CHECK_INT(socket2_socket_getopt_text(loop, udp, "bindtodevice", NULL, 8), SOCKET2_EINVAL);
    CHECK_INT(socket2_option_kind(NULL), SOCKET2_EINVAL);
    CHECK_INT(socket2_tcp_connect(loop, c.client, NULL, 0), SOCKET2_EINVAL);
    CHECK_INT(socket2_stream_send(loop, c.client, NULL, 1, 0), SOCKET2_EINVAL);
    CHECK_INT(socket2_stream_recv(loop, c.client, NULL, 1, 0), SOCKET2_EINVAL);
    CHECK_INT(socket2_stream_recv(loop, c.client, data, 0, 0), SOCKET2_EINVAL);
    CHECK_INT(socket2_udp_send(loop, udp, NULL, 1, NULL, 0), SOCKET2_EINVAL);
    CHECK_INT(socket2_udp_recv(loop, udp, NULL, 1, NULL, NULL, 0), SOCKET2_EINVAL);
    CHECK_INT(socket2_udp_join(loop, udp, NULL, NULL), SOCKET2_EINVAL);
    CHECK_INT(socket2_udp_leave(loop, udp, NULL, NULL), SOCKET2_EINVAL);
    CHECK_INT(socket2_addr_type(NULL), SOCKET2_EINVAL);
    CHECK_INT(socket2_addr_family(NULL), SOCKET2_EINVAL);
    CHECK_INT(socket2_addr_protocol(NULL), SOCKET2_EINVAL);
    CHECK_INT(socket2_addr_port(NULL), SOCKET2_EINVAL);
    CHECK_INT(socket2_addr_ip(NULL, data, sizeof data), SOCKET2_EINVAL);
    CHECK_INT(socket2_addr_format(NULL, data, sizeof data), SOCKET2_EINVAL);
    CHECK_INT(socket2_addr_lookup(NULL, NULL, SOCKET2_TCP, SOCKET2_INET, 0, 0, NULL, 1, NULL, 0),
              SOCKET2_EINVAL);
    const int no_port = socket2_loop_iocp(loop, NULL);
    CHECK(no_port == SOCKET2_EINVAL || no_port == SOCKET2_ENOTSUPPORTED);
    check_quiet(loop);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_lengths_and_times_out_of_range(void) {
    connection c = connected();
    const int loop = c.loop;
    const int udp = udp_anywhere(loop);
    const socket2_addr addr = local_addr(loop, udp);
    const socket2_addr tcp_addr = local_addr(loop, c.listener);
    char data[8] = "";
    const size_t sizes[] = {(size_t)INT_MAX + 1, SIZE_MAX, SIZE_MAX / 2};
    for (int i = 0; i < 3; ++i) {
        CHECK_INT(socket2_stream_send(loop, c.client, data, sizes[i], 0), SOCKET2_EINVAL);
        CHECK_INT(socket2_stream_recv(loop, c.client, data, sizes[i], 0), SOCKET2_EINVAL);
        CHECK_INT(socket2_udp_send(loop, udp, data, sizes[i], &addr, 0), SOCKET2_EINVAL);
        CHECK_INT(socket2_udp_recv(loop, udp, data, sizes[i], NULL, NULL, 0), SOCKET2_EINVAL);
    }
    socket2_event event;
    CHECK_INT(socket2_poll(loop, &event, 1, NAN), SOCKET2_EINVAL);
    CHECK_INT(socket2_poll(loop, &event, 1, -NAN), SOCKET2_EINVAL);
    CHECK_INT(socket2_poll(loop, &event, 0, 0), SOCKET2_EINVAL);
    CHECK_INT(socket2_poll(loop, &event, -1, 0), SOCKET2_EINVAL);
    CHECK_INT(socket2_poll(loop, &event, INT_MIN, 0), SOCKET2_EINVAL);
    CHECK_INT(socket2_stream_send(loop, c.client, data, 1, NAN), SOCKET2_EINVAL);
    CHECK_INT(socket2_stream_recv(loop, c.client, data, 1, NAN), SOCKET2_EINVAL);
    CHECK_INT(socket2_tcp_accept(loop, c.listener, NULL, NAN), SOCKET2_EINVAL);
    const int fresh = socket2_tcp_new(loop, SOCKET2_INET, 0);
    CHECK_INT(socket2_tcp_connect(loop, fresh, &tcp_addr, NAN), SOCKET2_EINVAL);
    CHECK_INT(socket2_udp_send(loop, udp, data, 1, &addr, NAN), SOCKET2_EINVAL);
    CHECK_INT(socket2_udp_recv(loop, udp, data, 1, NULL, NULL, NAN), SOCKET2_EINVAL);
    check_quiet(loop);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static int lookup_code(const char* host, const char* service, int type, int family, int protocol,
                       int flags) {
    socket2_addr addr;
    return socket2_addr_lookup(host, service, type, family, protocol, flags, &addr, 1, NULL, 0);
}

static void test_ports_out_of_range(void) {
    const char* ports[] = {"65536", "70000", "4294967296", "99999999999999999999",
                           "-1",    "-80",   "-65536"};
    for (size_t i = 0; i < sizeof ports / sizeof *ports; ++i) {
        const int r = lookup_code("127.0.0.1", ports[i], SOCKET2_TCP, SOCKET2_INET, 0, 0);
        if (r == SOCKET2_EPORT || (ports[i][0] == '-' && r == SOCKET2_EUNKNOWNSERVICE)) continue;
        printf("port %s gives %d\n", ports[i], r);
        ++failures;
    }
    CHECK_INT(lookup_code("127.0.0.1", "65535", SOCKET2_TCP, SOCKET2_INET, 0, 0), 1);
    CHECK_INT(lookup_code("127.0.0.1", "0", SOCKET2_TCP, SOCKET2_INET, 0, 0), 1);
}

static void test_unknown_numbers(void) {
    const int loop = new_loop();
    const int udp = udp_anywhere(loop);
    const int unknown[] = {-1, 4, 99, INT_MIN, INT_MAX};
    for (int i = 0; i < 5; ++i) {
        const int n = unknown[i];
        CHECK_INT(lookup_code(NULL, NULL, n, SOCKET2_INET, 0, 0), SOCKET2_ESOCKTYPE);
        CHECK_INT(lookup_code(NULL, NULL, SOCKET2_TCP, n, 0, 0), SOCKET2_EFAMILY);
        CHECK_INT(socket2_tcp_new(loop, n, 0), SOCKET2_EFAMILY);
        CHECK_INT(socket2_udp_new(loop, n, 0), SOCKET2_EFAMILY);
        CHECK_INT(socket2_raw_new(loop, n, 0), SOCKET2_EFAMILY);
        CHECK_INT(socket2_socket_shutdown(loop, udp, n), SOCKET2_EINVAL);
    }
    CHECK_INT(lookup_code(NULL, NULL, 0, SOCKET2_INET, 0, 0), SOCKET2_ESOCKTYPE);
    CHECK_INT(socket2_tcp_new(loop, SOCKET2_UNSPECIFIED, 0), SOCKET2_EFAMILY);
    CHECK_INT(socket2_socket_shutdown(loop, udp, 0), SOCKET2_EINVAL);
    const int protocols[] = {-1, 256, 100000, INT_MIN, INT_MAX};
    for (int i = 0; i < 5; ++i) {
        CHECK_INT(lookup_code(NULL, NULL, SOCKET2_TCP, SOCKET2_INET, protocols[i], 0),
                  SOCKET2_EPROTOCOL);
        const int sockets[] = {socket2_tcp_new(loop, SOCKET2_INET, protocols[i]),
                               socket2_udp_new(loop, SOCKET2_INET6, protocols[i]),
                               socket2_udp_new(loop, SOCKET2_UNIX, protocols[i])};
        for (int k = 0; k < (UNIX_CHECKS_PROTOCOLS ? 3 : 2); ++k) {
            CHECK(sockets[k] == SOCKET2_EPROTOCOL || sockets[k] == SOCKET2_EINVAL);
        }
    }
    CHECK_INT(socket2_tcp_new(loop, SOCKET2_INET, 17), SOCKET2_EPROTOCOL);
    const int flags[] = {256, -1, INT_MIN, INT_MAX};
    for (int i = 0; i < 4; ++i) {
        CHECK_INT(lookup_code(NULL, NULL, SOCKET2_TCP, SOCKET2_INET, 0, flags[i]), SOCKET2_EINVAL);
    }
    CHECK_INT(socket2_addr_lookup(NULL, NULL, SOCKET2_TCP, SOCKET2_INET, 0, 0, NULL, -1, NULL, 0),
              SOCKET2_EINVAL);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_memory_that_holds_no_address(void) {
    const int loop = new_loop();
    const int tcp = socket2_tcp_new(loop, SOCKET2_INET, 0);
    const int udp = socket2_udp_new(loop, SOCKET2_INET, 0);
    const int path = socket2_udp_new(loop, SOCKET2_UNIX, 0);
    const int fills[] = {0, 0xff, 0x5a, 1, 2, 10};
    char text[192];
    for (size_t i = 0; i < sizeof fills / sizeof *fills; ++i) {
        socket2_addr bad;
        memset(&bad, fills[i], sizeof bad);
        CHECK_INT(socket2_addr_type(&bad), SOCKET2_EINVAL);
        CHECK_INT(socket2_addr_family(&bad), SOCKET2_EINVAL);
        CHECK_INT(socket2_addr_protocol(&bad), SOCKET2_EINVAL);
        CHECK_INT(socket2_addr_port(&bad), SOCKET2_EINVAL);
        CHECK_INT(socket2_addr_ip(&bad, text, sizeof text), SOCKET2_EINVAL);
        CHECK_INT(socket2_addr_format(&bad, text, sizeof text), SOCKET2_EINVAL);
        CHECK_INT(socket2_socket_bind(loop, tcp, &bad), SOCKET2_EINVAL);
        if (path > 0) CHECK_INT(socket2_socket_bind(loop, path, &bad), SOCKET2_EINVAL);
        CHECK_INT(socket2_tcp_connect(loop, tcp, &bad, 0), SOCKET2_EINVAL);
        CHECK_INT(socket2_udp_connect(loop, udp, &bad), SOCKET2_EINVAL);
        CHECK_INT(socket2_udp_send(loop, udp, text, 1, &bad, 0), SOCKET2_EINVAL);
        CHECK_INT(socket2_udp_recv(loop, udp, text, 1, &bad, NULL, 0), SOCKET2_EINVAL);
        CHECK_INT(socket2_udp_join(loop, udp, &bad, NULL), SOCKET2_EINVAL);
        CHECK_INT(socket2_udp_leave(loop, udp, &bad, NULL), SOCKET2_EINVAL);
    }
    check_quiet(loop);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_addresses_of_the_wrong_family(void) {
    const int loop = new_loop();
    const int tcp = socket2_tcp_new(loop, SOCKET2_INET, 0);
    const int udp = socket2_udp_new(loop, SOCKET2_INET, 0);
    const socket2_addr wrong[] = {lookup("::1", "1", SOCKET2_TCP, SOCKET2_UNSPECIFIED),
                                  unix_addr(SOCKET2_TCP)};
    char byte = 0;
    for (int i = 0; i < 2; ++i) {
        CHECK_INT(socket2_socket_bind(loop, tcp, &wrong[i]), SOCKET2_EFAMILY);
        CHECK_INT(socket2_tcp_connect(loop, tcp, &wrong[i], 0), SOCKET2_EFAMILY);
        CHECK_INT(socket2_udp_connect(loop, udp, &wrong[i]), SOCKET2_EFAMILY);
        CHECK_INT(socket2_udp_send(loop, udp, &byte, 1, &wrong[i], 0), SOCKET2_EFAMILY);
        CHECK_INT(socket2_udp_recv(loop, udp, &byte, 1, &wrong[i], NULL, 0), SOCKET2_EFAMILY);
        CHECK_INT(socket2_udp_join(loop, udp, &wrong[i], NULL), SOCKET2_EFAMILY);
    }
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_sockets_in_the_wrong_state(void) {
    connection c = connected();
    const int loop = c.loop;
    const int fresh = socket2_tcp_new(loop, SOCKET2_INET, 0);
    const socket2_addr taken = local_addr(loop, c.listener);
    socket2_addr addr;
    char byte;
    CHECK_INT(socket2_tcp_accept(loop, fresh, NULL, 0), SOCKET2_ENOTLISTENING);
    CHECK_INT(socket2_stream_recv(loop, fresh, &byte, 1, 0), SOCKET2_ENOTCONN);
    const int sent = socket2_stream_send(loop, fresh, "x", 1, 0);
    CHECK(sent == SOCKET2_ENOTCONN || sent == SOCKET2_EPIPE || sent == SOCKET2_ECONNRESET);
    CHECK_INT(socket2_socket_remoteaddr(loop, fresh, &addr), SOCKET2_ENOTCONN);
    CHECK_INT(socket2_socket_shutdown(loop, fresh, SOCKET2_SHUT_WRITE), SOCKET2_ENOTCONN);
    CHECK_INT(finish(loop, socket2_tcp_connect(loop, c.client, &taken, in(LIMIT)), c.client,
                     SOCKET2_WRITE),
              SOCKET2_EISCONN);
    CHECK_INT(socket2_socket_bind(loop, fresh, &taken), SOCKET2_EADDRINUSE);
    CHECK_INT(socket2_socket_bind(loop, c.listener, &taken), SOCKET2_EINVAL);
    CHECK_INT(socket2_loop_close(loop), 0);
}

/* ---- errors and their system codes ---------------------------------------------------------- */

static void test_os_error(void) {
    const int loop = new_loop();
    CHECK_INT(socket2_os_error(loop), 0);
    /* A port on which nobody listens: bound and not listening. */
    const int holder = socket2_tcp_new(loop, SOCKET2_INET, 0);
    const socket2_addr any = loopback(SOCKET2_TCP);
    CHECK_INT(socket2_socket_bind(loop, holder, &any), 0);
    const socket2_addr nobody = local_addr(loop, holder);
    const int client = socket2_tcp_new(loop, SOCKET2_INET, 0);
    CHECK_INT(
        finish(loop, socket2_tcp_connect(loop, client, &nobody, in(LIMIT)), client, SOCKET2_WRITE),
        SOCKET2_ECONNREFUSED);
    CHECK_INT(socket2_os_error(loop), ECONNREFUSED);
    CHECK_INT(socket2_socket_type(loop, client), SOCKET2_TCP);
    CHECK_INT(socket2_os_error(loop), ECONNREFUSED);

    /* Errors of the library's own. Each after one of the system's. */
    socket2_addr addr;
    socket2_event event;
    char byte = 0;
    const int udp = udp_anywhere(loop);
    const int fresh = socket2_tcp_new(loop, SOCKET2_INET, 0);
    for (int i = 0; i < 9; ++i) {
        CHECK_INT(socket2_socket_remoteaddr(loop, fresh, &addr), SOCKET2_ENOTCONN);
        CHECK_INT(socket2_os_error(loop), ENOTCONN);
        int r = 0;
        switch (i) {
            case 0:
                r = socket2_stream_recv(loop, client, &byte, 0, 0);
                break;
            case 1:
                r = socket2_stream_recv(loop, 0, &byte, 1, 0);
                break;
            case 2:
                r = socket2_poll(loop, &event, 0, 0);
                break;
            case 3:
                r = socket2_tcp_new(loop, 99, 0);
                break;
            case 4:
                r = socket2_tcp_accept(loop, client, NULL, NAN);
                break;
            case 5:
                r = socket2_tcp_accept(loop, 0, NULL, 0);
                break;
            case 6:
                r = socket2_loop_set_epoll_fd(loop, -1);
                break;
            case 7:
                r = socket2_socket_close(loop, 0);
                break;
            default:
                r = finish(loop, socket2_udp_recv(loop, udp, &byte, 1, NULL, NULL, 0), udp,
                           SOCKET2_READ);
        }
        CHECK(r < SOCKET2_PENDING);
        if (socket2_os_error(loop) != 0) {
            printf("after case %d (%s) the system's code is still there\n", i,
                   socket2_error_name(r));
            ++failures;
        }
    }
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_error_words(void) {
    CHECK_TEXT(socket2_error_name(SOCKET2_ETIMEOUT), "timeout");
    CHECK_TEXT(socket2_error_name(SOCKET2_EADDRINUSE), "address_already_in_use");
    CHECK_TEXT(socket2_error_name(12345), "unknown_error");
    CHECK_TEXT(socket2_error_name(INT_MIN), "unknown_error");
    for (int code = SOCKET2_EIO; code <= SOCKET2_ECLOSED; ++code) {
        CHECK(strcmp(socket2_error_name(code), "unknown_error") != 0);
        CHECK(socket2_error_message(code)[0] != '\0');
        for (int other = code + 1; other <= SOCKET2_ECLOSED; ++other) {
            CHECK(strcmp(socket2_error_name(code), socket2_error_name(other)) != 0);
        }
    }
}

/* ---- addresses ------------------------------------------------------------------------------ */

static void test_text_of_an_address(void) {
    const socket2_addr addr = lookup("1.2.3.4", "80", SOCKET2_UDP, SOCKET2_UNSPECIFIED);
    char text[192];
    CHECK_INT(socket2_addr_type(&addr), SOCKET2_UDP);
    CHECK_INT(socket2_addr_family(&addr), SOCKET2_INET);
    CHECK_INT(socket2_addr_protocol(&addr), 17);
    CHECK_INT(socket2_addr_port(&addr), 80);
    CHECK_INT(socket2_addr_ip(&addr, text, sizeof text), 7);
    CHECK_TEXT(text, "1.2.3.4");
    CHECK_INT(socket2_addr_format(&addr, text, sizeof text), 10);
    CHECK_TEXT(text, "1.2.3.4:80");
    /* Cut to fit, with the whole length. */
    memset(text, 'x', sizeof text);
    CHECK_INT(socket2_addr_format(&addr, text, 4), 10);
    CHECK_TEXT(text, "1.2");
    CHECK(text[4] == 'x');
    CHECK_INT(socket2_addr_format(&addr, text, 1), 10);
    CHECK_TEXT(text, "");
    memset(text, 'x', sizeof text);
    CHECK_INT(socket2_addr_format(&addr, text, 0), 10);
    CHECK(text[0] == 'x');
    CHECK_INT(socket2_addr_format(&addr, NULL, 100), 10);
    /* Exactly enough, and one too few. */
    CHECK_INT(socket2_addr_format(&addr, text, 11), 10);
    CHECK_TEXT(text, "1.2.3.4:80");
    CHECK_INT(socket2_addr_format(&addr, text, 10), 10);
    CHECK_TEXT(text, "1.2.3.4:8");
}

static void test_lookups(void) {
    char name[64] = "?";
    socket2_addr addrs[2];
    CHECK_INT(socket2_addr_lookup("::1", "9", SOCKET2_TCP, SOCKET2_UNSPECIFIED, 0,
                                  SOCKET2_CANONNAME, addrs, 2, name, sizeof name),
              1);
    CHECK_TEXT(name, "::1");
    CHECK_INT(socket2_addr_lookup("::1", "9", SOCKET2_TCP, SOCKET2_UNSPECIFIED, 0, 0, addrs, 2,
                                  name, sizeof name),
              1);
    CHECK_TEXT(name, "");
    CHECK_INT(
        socket2_addr_lookup("::1", "9", SOCKET2_TCP, SOCKET2_UNSPECIFIED, 0, 0, NULL, 0, NULL, 0),
        1);
    CHECK_INT(lookup_code("::1", "9", SOCKET2_TCP, SOCKET2_INET, 0, 0), SOCKET2_EFAMILY);
    CHECK_INT(lookup_code("1.2.3.4", "9", SOCKET2_TCP, SOCKET2_INET6, 0, 0), SOCKET2_EFAMILY);
    CHECK_INT(lookup_code("name", "9", SOCKET2_TCP, SOCKET2_INET, 0, SOCKET2_NUMERICHOST),
              SOCKET2_EUNKNOWNHOST);
    CHECK_INT(lookup_code("::1", "http", SOCKET2_TCP, SOCKET2_INET6, 0, SOCKET2_NUMERICSERV),
              SOCKET2_EUNKNOWNSERVICE);
    CHECK_INT(lookup_code("", "9", SOCKET2_TCP, SOCKET2_INET, 0, 0), SOCKET2_EUNKNOWNHOST);
    CHECK_INT(lookup_code("fe80::1%nowhere", "9", SOCKET2_TCP, SOCKET2_INET6, 0, 0),
              SOCKET2_ENODEV);
    char path[200];
    memset(path, 'p', sizeof path);
    path[sizeof path - 1] = '\0';
    CHECK_INT(lookup_code(path, NULL, SOCKET2_TCP, SOCKET2_UNIX, 0, 0), SOCKET2_EPATHTOOLONG);
    CHECK_INT(lookup_code("", NULL, SOCKET2_TCP, SOCKET2_UNIX, 0, 0), SOCKET2_EINVAL);
    CHECK_INT(lookup_code(NULL, NULL, SOCKET2_TCP, SOCKET2_UNIX, 0, 0), SOCKET2_EINVAL);
    CHECK_INT(socket2_addr_protocol(&addrs[0]), 6);
}

/* ---- options -------------------------------------------------------------------------------- */

static void test_options(void) {
    need_no_qemu("options that it does not know");
    const int loop = new_loop();
    const int tcp = socket2_tcp_new(loop, SOCKET2_INET, 0);
    const int udp = socket2_udp_new(loop, SOCKET2_INET6, 0);
    int value = -1;
    char text[64] = "";
    CHECK_INT(socket2_option_kind("reuseaddr"), SOCKET2_OPTION_BOOLEAN);
    CHECK_INT(socket2_option_kind("rcvbuf"), SOCKET2_OPTION_INTEGER);
    CHECK_INT(socket2_option_kind("linger"), SOCKET2_OPTION_LINGER);
    CHECK_INT(socket2_option_kind("multicast_if"), SOCKET2_OPTION_INTERFACE);
    CHECK_INT(socket2_option_kind("error"), SOCKET2_OPTION_ERROR);
    CHECK_INT(socket2_option_kind("nonsense"), SOCKET2_EOPTION);
    CHECK_INT(socket2_option_kind(""), SOCKET2_EOPTION);

    CHECK_INT(socket2_socket_setopt(loop, tcp, "keepalive", 1), 0);
    CHECK_INT(socket2_socket_getopt(loop, tcp, "keepalive", &value), 0);
    CHECK(value != 0);
    CHECK_INT(socket2_socket_getopt(loop, tcp, "linger", &value), 0);
    CHECK_INT(value, -1);
    CHECK_INT(socket2_socket_setopt(loop, tcp, "linger", 0), 0);
    CHECK_INT(socket2_socket_getopt(loop, tcp, "linger", &value), 0);
    CHECK_INT(value, 0);
    CHECK_INT(socket2_socket_setopt(loop, tcp, "linger", -1), 0);
    CHECK_INT(socket2_socket_getopt(loop, tcp, "error", &value), 0);
    CHECK_INT(value, 0);
    CHECK_INT(socket2_socket_setopt(loop, tcp, "error", 0), SOCKET2_EINVAL);
    CHECK_INT(socket2_socket_setopt_text(loop, tcp, "keepalive", "1"), SOCKET2_EINVAL);
    CHECK_INT(socket2_socket_getopt_text(loop, tcp, "keepalive", text, sizeof text),
              SOCKET2_EINVAL);
    CHECK_INT(socket2_socket_setopt(loop, tcp, "nonsense", 1), SOCKET2_EOPTION);
    CHECK_INT(socket2_socket_setopt_text(loop, tcp, "nonsense", "1"), SOCKET2_EOPTION);
    const int foreign = TELLS_FOREIGN_OPTIONS ? SOCKET2_ENOTSUPPORTED : SOCKET2_EINVAL;
    CHECK_INT(socket2_socket_setopt(loop, udp, "tcp_nodelay", 1), foreign);
    CHECK_INT(socket2_socket_setopt(loop, tcp, "v6only", 1), foreign);
    CHECK_INT(socket2_socket_setopt(loop, udp, "v6only", 1), 0);
    CHECK_INT(socket2_socket_setopt(loop, udp, "ttl", 7), 0);
    CHECK_INT(socket2_socket_getopt(loop, udp, "ttl", &value), 0);
    CHECK_INT(value, 7);
    CHECK_INT(socket2_socket_setopt_text(loop, udp, "multicast_if", "no such one"), SOCKET2_ENODEV);
    CHECK_INT(socket2_socket_setopt_text(loop, udp, "multicast_if", LOOPBACK), 0);
    CHECK_INT(socket2_socket_getopt(loop, udp, "multicast_if", &value), 0);
    CHECK(value > 0);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_options_of_text(void) {
    need_no_qemu("texts shorter than a number");
    if (socket2_option_kind("tcp_congestion") == SOCKET2_EOPTION)
        skip("no option with a text here");
    const int loop = new_loop();
    const int tcp = socket2_tcp_new(loop, SOCKET2_INET, 0);
    int value = -1;
    char text[64];
    CHECK_INT(socket2_option_kind("tcp_congestion"), SOCKET2_OPTION_TEXT);
    const int length = socket2_socket_getopt_text(loop, tcp, "tcp_congestion", text, sizeof text);
    CHECK(length > 0);
    CHECK_INT(length, strlen(text));
    CHECK_INT(socket2_socket_setopt_text(loop, tcp, "tcp_congestion", text), 0);
    CHECK_INT(socket2_socket_setopt(loop, tcp, "tcp_congestion", 1), SOCKET2_EINVAL);
    CHECK_INT(socket2_socket_getopt(loop, tcp, "tcp_congestion", &value), SOCKET2_EINVAL);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_multicast_groups(void) {
    need_no_qemu("multicast");
    const int loop = new_loop();
    const int udp = udp_anywhere(loop);
    const int tcp = socket2_tcp_new(loop, SOCKET2_INET, 0);
    const socket2_addr group = lookup("239.1.2.3", "9", SOCKET2_UDP, SOCKET2_INET);
    const socket2_addr no_group = lookup("127.0.0.1", "9", SOCKET2_UDP, SOCKET2_INET);
    CHECK_INT(socket2_udp_join(loop, udp, &group, LOOPBACK), 0);
    CHECK_INT(socket2_udp_join(loop, udp, &group, LOOPBACK), SOCKET2_EADDRINUSE);
    CHECK_INT(socket2_udp_leave(loop, udp, &group, LOOPBACK), 0);
    const int twice = socket2_udp_leave(loop, udp, &group, LOOPBACK);
    CHECK(twice == SOCKET2_EADDRNOTAVAIL || twice == SOCKET2_EINVAL);
    CHECK_INT(socket2_udp_join(loop, udp, &group, "127.0.0.1"), 0);
    CHECK_INT(socket2_udp_leave(loop, udp, &group, "127.0.0.1"), 0);
    CHECK_INT(socket2_udp_join(loop, udp, &group, "no such one"), SOCKET2_ENODEV);
    CHECK_INT(socket2_udp_join(loop, udp, &group, ""), SOCKET2_ENODEV);
    CHECK_INT(socket2_udp_join(loop, udp, &group, "99999"), SOCKET2_ENODEV);
    CHECK_INT(socket2_udp_join(loop, udp, &no_group, LOOPBACK), SOCKET2_EINVAL);
    CHECK_INT(socket2_udp_join(loop, tcp, &group, LOOPBACK), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_loop_close(loop), 0);
}

/* ---- shutdown ------------------------------------------------------------------------------- */

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

/* ---- loops and threads ---------------------------------------------------------------------- */

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
    /* Before the poll; and one wake ends one poll. */
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

/* The place of a closed loop is taken by another thread's. */
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

/* Whichever loop takes an event, it reaches the one that waits for it. */
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

/* ---- when the system runs short ------------------------------------------------------------- */

static void test_accept_without_descriptors(void) {
    need_posix("a limit of descriptors");
    need(ACCEPT_LOSES_NONE, "the connection is lost here");
    const int loop = new_loop();
    const int listener = listen_anywhere(loop);
    const socket2_addr addr = local_addr(loop, listener);
    connect_through(loop, listener);
    /* A failure while there are descriptors: the sanitizers need some to look at a class first. */
    CHECK_INT(socket2_tcp_new(loop, SOCKET2_INET, 17), SOCKET2_EPROTOCOL);
    const int client = socket2_tcp_new(loop, SOCKET2_INET, 0);
    const int connecting = socket2_tcp_connect(loop, client, &addr, in(LIMIT));
    CHECK_INT(finish(loop, connecting, client, SOCKET2_WRITE), 0);
    struct rlimit before, tight;
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &before), 0);
    const int highest = dup(0);
    tight = before;
    tight.rlim_cur = (rlim_t)highest;
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &tight), 0);
    for (int i = 0; i < 2; ++i) {
        const double begin = socket2_clock();
        CHECK_INT(finish(loop, socket2_tcp_accept(loop, listener, NULL, in(LIMIT)), listener,
                         SOCKET2_READ),
                  SOCKET2_EMFILE);
        CHECK_INT(socket2_os_error(loop), EMFILE);
        if (i > 0) CHECK(socket2_clock() - begin >= 0.09);
    }
    CHECK_INT(socket2_tcp_new(loop, SOCKET2_INET, 0), SOCKET2_EMFILE);
    CHECK_INT(socket2_loop_new(), SOCKET2_EMFILE);
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &before), 0);
    const int server =
        finish(loop, socket2_tcp_accept(loop, listener, NULL, in(LIMIT)), listener, SOCKET2_READ);
    CHECK(server > 0);
    CHECK_INT(send_text(loop, client, "x"), 1);
    char byte;
    CHECK_INT(recv_some(loop, server, &byte, 1), 1);
    close(highest);
    CHECK_INT(socket2_loop_close(loop), 0);
}

/* The receiver's queue is full of what others sent: the send waits, but must not spin. */
static void wait_for_a_full_receiver(int connected_first) {
    const int loop = new_loop();
    const socket2_addr path = unix_addr(SOCKET2_UDP);
    const int receiver = socket2_udp_new(loop, SOCKET2_UNIX, 0);
    const int other = socket2_udp_new(loop, SOCKET2_UNIX, 0);
    const int sender = socket2_udp_new(loop, SOCKET2_UNIX, 0);
    CHECK_INT(socket2_socket_bind(loop, receiver, &path), 0);
    if (connected_first) CHECK_INT(socket2_udp_connect(loop, sender, &path), 0);
    int queued = 0, r;
    for (;;) {
        r = socket2_udp_send(loop, other, "y", 1, &path, 0);
        r = finish(loop, r, other, SOCKET2_WRITE);
        if (r != 1) break;
        ++queued;
    }
    CHECK_INT(r, SOCKET2_ETIMEOUT);
    const int sending =
        socket2_udp_send(loop, sender, "x", 1, connected_first ? NULL : &path, SOCKET2_NEVER);
    CHECK_INT(sending, SOCKET2_PENDING);
    const double limit = in(0.2);
    const clock_t begin = clock();
    int polls = 0;
    while (socket2_clock() < limit) {
        CHECK_INT(poll_into_inbox(loop, limit), 0);
        ++polls;
    }
    CHECK((double)(clock() - begin) / CLOCKS_PER_SEC < 0.1);
    if (polls >= 50) {
        printf("%d polls while a send waits for a full receiver\n", polls);
        ++failures;
    }
    char byte;
    for (int i = 0; i < queued; ++i) CHECK_INT(udp_recv(loop, receiver, &byte, 1, NULL), 1);
    CHECK_INT(finish(loop, sending, sender, SOCKET2_WRITE), 1);
    CHECK_INT(udp_recv(loop, receiver, &byte, 1, NULL), 1);
    CHECK(byte == 'x');
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_a_full_unix_receiver(void) {
    need_unix_datagrams();
    wait_for_a_full_receiver(0);
}
static void test_a_full_connected_unix_receiver(void) {
    need_unix_datagrams();
    need(UNIX_SENDERS_SHARE_ROOM, "connected senders have room of their own here");
    wait_for_a_full_receiver(1);
}

static void test_a_full_unix_listener(void) {
    need_unix_sockets();
    need(DEAF_LISTENERS, "a full queue answers here");
    const int loop = new_loop();
    const socket2_addr path = unix_addr(SOCKET2_TCP);
    const int listener = listen_on(loop, &path, 0);
    enum { CLIENTS = 5 };
    int clients[CLIENTS], results[CLIENTS];
    for (int i = 0; i < CLIENTS; ++i) {
        clients[i] = socket2_tcp_new(loop, SOCKET2_UNIX, 0);
        results[i] = socket2_tcp_connect(loop, clients[i], &path, in(LIMIT));
    }
    for (int i = 0; i < CLIENTS; ++i) {
        const int server = finish(loop, socket2_tcp_accept(loop, listener, NULL, in(LIMIT)),
                                  listener, SOCKET2_READ);
        CHECK(server > 0);
    }
    for (int i = 0; i < CLIENTS; ++i) {
        CHECK_INT(finish(loop, results[i], clients[i], SOCKET2_WRITE), 0);
    }
    check_quiet(loop);
    CHECK_INT(socket2_loop_close(loop), 0);
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
    TEST(pending_gives_exactly_one_event),
    TEST(a_busy_call_changes_nothing),
    TEST(a_busy_recv_of_datagrams_changes_nothing),
    TEST(a_busy_send_of_datagrams_changes_nothing),
    TEST(a_busy_connect_changes_nothing),
    TEST(accept_by_event_gives_a_working_handle),
    TEST(events_smaller_than_what_is_ready),
    TEST(what_is_over_at_once_is_never_held_back),
    TEST(a_long_send_is_whole),
    TEST(the_detail_tells_how_far_a_failed_send_came),
    TEST(slices_are_sent_in_order),
    TEST(slices_that_cannot_be),
    TEST(an_empty_send_is_done_at_once),
    TEST(a_broken_connection_raises_no_signal),
    TEST(close_completes_what_was_pending),
    TEST(close_of_a_connecting_socket),
    TEST(close_inside_a_batch),
    TEST(close_of_a_listener_closes_what_it_accepted),
    TEST(loop_close_lets_go_of_everything),
    TEST(sockets_leave_no_descriptor),
    TEST(a_deadline_is_never_early_and_loses_nothing),
    TEST(a_passed_deadline_tries_once),
    TEST(deadlines_run_while_others_are_busy),
    TEST(poll_waits_for_its_deadline),
    TEST(bad_socket_handles),
    TEST(a_stale_handle_stays_stale),
    TEST(handles_of_the_wrong_kind),
    TEST(handles_of_another_loop),
    TEST(bad_loop_handles),
    TEST(null_pointers),
    TEST(lengths_and_times_out_of_range),
    TEST(ports_out_of_range),
    TEST(unknown_numbers),
    TEST(memory_that_holds_no_address),
    TEST(addresses_of_the_wrong_family),
    TEST(sockets_in_the_wrong_state),
    TEST(os_error),
    TEST(error_words),
    TEST(text_of_an_address),
    TEST(lookups),
    TEST(options),
    TEST(options_of_text),
    TEST(multicast_groups),
    TEST(shutdown_ends_our_own_waits),
    TEST(two_loops),
    TEST(wake_from_another_thread),
    TEST(wakes_while_the_loop_closes),
    TEST(a_wake_outlives_a_change_of_what_is_shared),
    TEST(wakes_while_what_is_shared_changes),
    TEST(stale_loops_while_other_threads_make_loops),
    TEST(too_many_loops),
    TEST(an_epoll_of_the_callers),
    TEST(loops_that_share),
    TEST(accept_without_descriptors),
    TEST(a_full_unix_receiver),
    TEST(a_full_connected_unix_receiver),
    TEST(a_full_unix_listener),
};

int main(int argc, char** argv) {
    return run_tests(tests, sizeof tests / sizeof *tests, argc, argv);
}
