/* Bad arguments: handles, null pointers, numbers out of range, sockets in the wrong state. */
#define _GNU_SOURCE
#include <limits.h>
#include <math.h>
#include <stdint.h>

#include "spec/capi/sockets.h"

/* Every function that takes a socket, with otherwise good arguments. */
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
    /* Expected 1: any answer will do, except "bad handle". */
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

/* ---- all of them ---------------------------------------------------------------------------- */

static const test_case tests[] = {
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
};

int main(int argc, char** argv) {
    return run_tests(tests, sizeof tests / sizeof *tests, argc, argv);
}
