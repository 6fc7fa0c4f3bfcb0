/* Calls of sockets of both kinds, and of their options. */
#define _GNU_SOURCE
#include <sys/socket.h>
#include <unistd.h>

#include "descriptors.h"
#include "spec/capi/garbage/calls.h"

static void call_tcp_new(void) {
    const int loop = any_loop();
    if (!is_full(loop))
        made_socket(loop, socket2_tcp_new(loop, any_family(), any_protocol(6)), TCP);
}

static void call_udp_new(void) {
    const int loop = any_loop();
    if (!is_full(loop))
        made_socket(loop, socket2_udp_new(loop, any_family(), any_protocol(17)), UDP);
}

static void call_raw_new(void) {
    const int loop = any_loop();
    if (is_full(loop) || !one_in(4)) return;
    made_socket(loop, socket2_raw_new(loop, any_family(), any_protocol(1)), UDP);
}

static void call_socket_close(void) {
    const int loop = any_loop(), handle = any_handle(loop, WAITABLE);
    if (is_spared(loop, handle)) return;
    if (check_socket(loop, handle, WAITABLE, socket2_socket_close(loop, handle)) == 0) {
        remove_socket(loop, handle);
    }
}

static void call_socket_type(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    check_socket(loop, handle, ANY_SOCKET, socket2_socket_type(loop, handle));
}

static void call_socket_family(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    check_socket(loop, handle, ANY_SOCKET, socket2_socket_family(loop, handle));
}

static void call_socket_protocol(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    check_socket(loop, handle, ANY_SOCKET, socket2_socket_protocol(loop, handle));
}

static void call_socket_fd(void) {
    const int loop = any_loop(), handle = any_handle(loop, WAITABLE);
    check_socket(loop, handle, WAITABLE, socket2_socket_fd(loop, handle));
}

static int any_kind(void) { return one_in(10) ? any_number() : 1 + below(2); }
static int is_kind(int kind) { return kind == SOCKET2_READ || kind == SOCKET2_WRITE; }
static void call_socket_cancel(void) {
    const int loop = any_loop(), handle = any_handle(loop, PORT), kind = any_kind();
    /* Rarely, because little would ever finish otherwise. */
    if (!one_in(3)) return;
    const int code = check_socket(loop, handle, PORT, socket2_socket_cancel(loop, handle, kind));
    if (code != SOCKET2_EBADHANDLE && code != (is_kind(kind) ? 0 : SOCKET2_EINVAL)) {
        fail("a cancel that fails", code);
    }
}

static void call_socket_wait(void) {
    const int loop = any_loop(), handle = any_handle(loop, WAITABLE), kind = any_kind();
    const int code = socket2_socket_wait(loop, handle, kind, any_deadline());
    check_op(loop, handle, WAITABLE, kind, 0, code);
    if (code > 0) fail("a wait with a value", code);
}

static void call_socket_pending(void) {
    const int loop = any_loop(), handle = any_handle(loop, PORT), kind = any_kind();
    double since = -1;
    const int code = check_socket(
        loop, handle, PORT, socket2_socket_pending(loop, handle, kind, one_in(5) ? NULL : &since));
    if (code == SOCKET2_EBADHANDLE) return;
    if (!is_kind(kind)) {
        if (code != SOCKET2_EINVAL) fail("no such kind", code);
        return;
    }
    if (code < 0 || code > SOCKET2_OP_WAIT) fail("no such operation", code);
    if ((code > 0) != (find_pending(loop, handle, kind) != NULL)) fail("pending or not", code);
    if (since > socket2_clock() || (code == 0 && since >= 0)) fail("since when", code);
}

static void call_socket_attach(void) {
    static const int families[] = {AF_INET, AF_INET6, AF_UNIX};
    const int loop = any_loop();
    if (is_full(loop) || !one_in(3)) return;
    const int is_other = one_in(5); /* a socket of datagrams where all descriptors are sockets */
    const int is_tcp = !is_other && one_in(2);
    const int fd = one_in(5)  ? -1
                   : is_other ? dup(own_fds[6])
                              : socket(PICK(families), is_tcp ? SOCK_STREAM : SOCK_DGRAM, 0);
    const int handle = socket2_socket_attach(loop, fd);
    made_socket(loop, handle, is_tcp ? TCP : UDP);
    if (handle < 0 && fd >= 0) close(fd);
}

static void call_socket_detach(void) {
    const int loop = any_loop(), handle = any_handle(loop, WAITABLE);
    if (is_spared(loop, handle)) return;
    const int fd = check_socket(loop, handle, WAITABLE, socket2_socket_detach(loop, handle));
    if (fd < 0) return;
    if (!find_live(loop, handle)->borrowed && close(fd) != 0) fail("not the descriptor", fd);
    remove_socket(loop, handle);
}

static void call_socket_bind(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    check_socket(loop, handle, ANY_SOCKET, socket2_socket_bind(loop, handle, any_addr()));
}

static void call_socket_shutdown(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    const int directions = one_in(2) ? any_number() : 1 + below(3);
    if (!one_in(5)) return;
    check_socket(loop, handle, ANY_SOCKET, socket2_socket_shutdown(loop, handle, directions));
}

static void call_socket_localaddr(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    socket2_addr* addr = room_for_addr();
    const int code =
        check_socket(loop, handle, ANY_SOCKET, socket2_socket_localaddr(loop, handle, addr));
    if (code == 0 && socket2_addr_port(addr) > 0) remember_addr(addr);
}

static void call_socket_remoteaddr(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    check_socket(loop, handle, ANY_SOCKET,
                 socket2_socket_remoteaddr(loop, handle, room_for_addr()));
}

static void call_option_kind(void) { check_code(socket2_option_kind(any_option())); }
static void call_socket_setopt(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    const int value = one_in(2) ? below(2) : any_number();
    check_socket(loop, handle, ANY_SOCKET,
                 socket2_socket_setopt(loop, handle, any_option(), value));
}

static void call_socket_getopt(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    int value;
    check_socket(loop, handle, ANY_SOCKET,
                 socket2_socket_getopt(loop, handle, any_option(), one_in(20) ? NULL : &value));
}

static void call_socket_setopt_text(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    check_socket(loop, handle, ANY_SOCKET,
                 socket2_socket_setopt_text(loop, handle, any_option(), any_option_text()));
}

static void call_socket_getopt_text(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    char* text = guarded_text();
    const size_t size = (size_t)below(ROOM + 1);
    check_socket(
        loop, handle, ANY_SOCKET,
        socket2_socket_getopt_text(loop, handle, any_option(), one_in(20) ? NULL : text, size));
    check_guards(size);
}

static void call_tcp_listen(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    check_socket(loop, handle, TCP, socket2_tcp_listen(loop, handle, any_number()));
}

static void call_tcp_accept(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    if (is_full(loop)) return;
    const int code = socket2_tcp_accept(loop, handle, room_for_addr(), any_deadline());
    check_op(loop, handle, TCP, SOCKET2_READ, 1, code);
}

static void call_tcp_connect(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    const int code = socket2_tcp_connect(loop, handle, any_addr(), any_deadline());
    check_op(loop, handle, TCP, SOCKET2_WRITE, 0, code);
}

static void call_udp_connect(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    check_socket(loop, handle, UDP, socket2_udp_connect(loop, handle, any_addr()));
}

static void call_udp_send(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    const int code =
        socket2_udp_send(loop, handle, any_data(), any_size(), any_addr(), any_deadline());
    check_op(loop, handle, UDP, SOCKET2_WRITE, 0, code);
}

static void call_udp_recv(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    const int code =
        socket2_udp_recv(loop, handle, any_data(), any_size(), one_in(2) ? NULL : any_addr(),
                         room_for_addr(), any_deadline());
    check_op(loop, handle, UDP, SOCKET2_READ, 0, code);
}

static void call_udp_truncated(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    check_socket(loop, handle, UDP, socket2_udp_truncated(loop, handle));
}

static void call_udp_join(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    check_socket(loop, handle, UDP, socket2_udp_join(loop, handle, any_addr(), any_interface()));
}

static void call_udp_leave(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    check_socket(loop, handle, UDP, socket2_udp_leave(loop, handle, any_addr(), any_interface()));
}

static call calls[] = {
    CALL(option_kind),        CALL(raw_new),
    CALL(socket_attach),      CALL(socket_bind),
    CALL(socket_cancel),      CALL(socket_close),
    CALL(socket_detach),      CALL(socket_family),
    CALL(socket_fd),          CALL(socket_getopt),
    CALL(socket_getopt_text), CALL(socket_localaddr),
    CALL(socket_pending),     CALL(socket_protocol),
    CALL(socket_remoteaddr),  CALL(socket_setopt),
    CALL(socket_setopt_text), CALL(socket_shutdown),
    CALL(socket_type),        CALL(socket_wait),
    CALL(tcp_accept),         CALL(tcp_connect),
    CALL(tcp_listen),         CALL(tcp_new),
    CALL(udp_connect),        CALL(udp_join),
    CALL(udp_leave),          CALL(udp_new),
    CALL(udp_recv),           CALL(udp_send),
    CALL(udp_truncated),
};
const call_table socket_calls = {calls, sizeof calls / sizeof *calls};
