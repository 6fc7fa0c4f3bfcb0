/* Options of sockets, as numbers and as text, and multicast groups. */
#define _GNU_SOURCE
#include "spec/capi/sockets.h"

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

/* ---- all of them ---------------------------------------------------------------------------- */

static const test_case tests[] = {
    TEST(options),
    TEST(options_of_text),
    TEST(multicast_groups),
};

int main(int argc, char** argv) {
    return run_tests(tests, sizeof tests / sizeof *tests, argc, argv);
}
