/* Errors and the system's codes behind them, and what happens when the system runs out of
 * something. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <sys/resource.h>
#include <time.h>

#include "spec/capi/sockets.h"

/* ---- errors and their system codes ---------------------------------------------------------- */

static void test_os_error(void) {
    const int loop = new_loop();
    CHECK_INT(socket2_os_error(loop), 0);
    /* A port without a listener: bound, but not listening. */
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

    /* The library's own errors, each after one from the system. */
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

/* ---- when the system runs short ------------------------------------------------------------- */

static void test_accept_without_descriptors(void) {
    need_posix("a limit of descriptors");
    need(ACCEPT_LOSES_NONE, "the connection is lost here");
    const int loop = new_loop();
    const int listener = listen_anywhere(loop);
    const socket2_addr addr = local_addr(loop, listener);
    connect_through(loop, listener);
    /* First a failure while there are descriptors, because the sanitizers need some when they first
     * see a class. */
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

/* The receiver's queue is full of datagrams from others: the send waits, but must not spin. */
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
    TEST(os_error),
    TEST(error_words),
    TEST(accept_without_descriptors),
    TEST(a_full_unix_receiver),
    TEST(a_full_connected_unix_receiver),
    TEST(a_full_unix_listener),
};

int main(int argc, char** argv) {
    return run_tests(tests, sizeof tests / sizeof *tests, argc, argv);
}
