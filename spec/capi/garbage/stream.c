/* Calls of streams, and of descriptors that are not sockets. */
#define _GNU_SOURCE
#include <limits.h>
#include <stdint.h>
#include <unistd.h>

#include "descriptors.h"
#include "spec/capi/garbage/calls.h"

static void call_fd_new(void) {
    const int loop = any_loop();
    if (is_full(loop) || !one_in(3)) return;
    /* Closes a descriptor too early: its number gets another owner while the handle is alive. */
    const int early = one_in(5) ? dup(PICK(own_fds)) : -1;
    const int number = any_number();
    const int strange = number < 0 || number > 2; /* not where this test writes */
    const int handle = socket2_fd_new(loop, early >= 0              ? early
                                            : one_in(10) && strange ? number
                                                                    : PICK(own_fds));
    made_socket(loop, handle, FD);
    if (handle >= 0) find_live(loop, handle)->borrowed = 1;
    if (early >= 0) close(early);
}

static void call_fd_attach(void) {
    const int loop = any_loop();
    if (is_full(loop) || !one_in(3)) return;
    const int fd = one_in(5) ? -1 : dup(PICK(own_fds));
    const int handle = socket2_fd_attach(loop, fd);
    made_socket(loop, handle, FD);
    if (handle < 0 && fd >= 0) close(fd);
}

static void call_fd_open(void) {
    static const char* const paths[] = {"/dev/null", "/dev/ptmx", "/", "", "/dev/null/x", NULL};
    const int loop = any_loop();
    if (is_full(loop) || !one_in(3)) return;
    made_socket(loop, socket2_fd_open(loop, PICK(paths)), FD);
}

static void call_stream_recv(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    const int code = socket2_stream_recv(loop, handle, any_data(), any_size(), any_deadline());
    check_op(loop, handle, STREAM, SOCKET2_READ, 0, code);
}

static void call_stream_send(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    const int code = socket2_stream_send(loop, handle, any_data(), any_size(), any_deadline());
    check_op(loop, handle, STREAM, SOCKET2_WRITE, 0, code);
}

static size_t any_limit(void) {
    static const size_t limits[] = {0, 1, 10, 1000, 100000, (size_t)INT_MAX + 1, SIZE_MAX};
    return PICK(limits);
}

static void call_stream_read(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    const int code = socket2_stream_read(loop, handle, any_limit(), any_deadline());
    check_op(loop, handle, STREAM, SOCKET2_READ, 0, code);
}

static void call_stream_peek(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    const int code = socket2_stream_peek(loop, handle, any_limit(), any_deadline());
    check_op(loop, handle, STREAM, SOCKET2_READ, 0, code);
}

static void call_stream_recvn(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    const int code = socket2_stream_recvn(loop, handle, any_data(), any_size(), any_deadline());
    check_op(loop, handle, STREAM, SOCKET2_READ, 0, code);
}

static void call_stream_readline(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    const int code = socket2_stream_readline(loop, handle, any_limit(), any_deadline());
    check_op(loop, handle, STREAM, SOCKET2_READ, 0, code);
}

static void call_stream_readuntil(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    const char* delimiter = any_data();
    const size_t size = (size_t)below(4);
    const int code =
        socket2_stream_readuntil(loop, handle, delimiter, size, any_limit(), any_deadline());
    check_op(loop, handle, STREAM, SOCKET2_READ, 0, code);
}

static void call_stream_readall(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    const int code = socket2_stream_readall(loop, handle, any_limit(), any_deadline());
    check_op(loop, handle, STREAM, SOCKET2_READ, 0, code);
}

static void call_stream_data(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    if (socket2_stream_data(loop, handle) == NULL) return;
    const live_socket* s = find_live(loop, handle);
    if (s == NULL || (s->is & STREAM) == 0) fail("data of no stream", handle);
}

static void call_stream_buffered(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    check_socket(loop, handle, STREAM, socket2_stream_buffered(loop, handle));
}

static void call_loop_last_read(void) {
    const int loop = any_loop();
    const socket2_read* last = socket2_loop_last_read(loop);
    if (last != NULL && (loop_index(loop) < 0 || last->left < 0)) fail("a bad last read", loop);
}

static void call_stream_release(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    check_socket(loop, handle, STREAM, socket2_stream_release(loop, handle));
}

static void call_stream_undo(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    check_socket(loop, handle, STREAM, socket2_stream_undo(loop, handle));
}

static void call_stream_unread(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    const char* bytes = any_data();
    const size_t size = (size_t)below(10);
    check_socket(loop, handle, STREAM, socket2_stream_unread(loop, handle, bytes, size));
}

static void call_stream_sendv(void) {
    /* The slices belong to the library while the send is pending; all calls have the same. */
    static socket2_slice good[3];
    const int loop = any_loop(), handle = any_socket(loop);
    for (int i = 0; i < 3; ++i) good[i] = (socket2_slice){data, (size_t)i * 7};
    const socket2_slice bad[] = {{data, 1}, {any_data(), any_size()}};
    const int is_bad = one_in(4);
    const socket2_slice* slices = one_in(20) ? NULL : is_bad ? bad : good;
    /* Bad slices must not stay behind. */
    const double deadline = is_bad ? SOCKET2_AT_ONCE : any_deadline();
    const int count = one_in(10) ? -1 - (int)below(3) : (int)below(is_bad ? 3 : 4);
    const int code = socket2_stream_sendv(loop, handle, slices, count, deadline);
    check_op(loop, handle, STREAM, SOCKET2_WRITE, 0, code);
}

static call calls[] = {
    CALL(fd_attach),       CALL(fd_new),           CALL(fd_open),        CALL(stream_buffered),
    CALL(stream_data),     CALL(stream_peek),      CALL(stream_read),    CALL(stream_readall),
    CALL(stream_readline), CALL(stream_readuntil), CALL(stream_recv),    CALL(stream_send),
    CALL(loop_last_read),  CALL(stream_recvn),     CALL(stream_release), CALL(stream_undo),
    CALL(stream_sendv),    CALL(stream_unread),
};
const call_table stream_calls = {calls, sizeof calls / sizeof *calls};
