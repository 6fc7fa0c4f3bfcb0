/* Channels in a C program: handles, numbers, arguments, what messages carry, threads. */
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>

#include "spec/capi/events.h"

static int new_channel(int loop, int capacity) {
    const int handle = socket2_channel_new(loop, capacity);
    CHECK(handle > 0);
    return handle;
}

/* Another handle on the same channel. */
static int reopen(int loop, int handle, int other_loop) {
    const int again = socket2_channel_open(other_loop, socket2_channel_id(loop, handle));
    CHECK(again > 0);
    return again;
}

static int send_bytes(int loop, int handle, const void* data, size_t size, double deadline) {
    return socket2_channel_send(loop, handle, data, size, NULL, 0, NULL, 0, deadline);
}

static int send_string(int loop, int handle, const char* text) {
    return finish(loop, send_bytes(loop, handle, text, strlen(text), in(LIMIT)), handle,
                  SOCKET2_WRITE);
}

static int send_channel(int loop, int handle, int channel) {
    return socket2_channel_send(loop, handle, NULL, 0, &channel, 1, NULL, 0, SOCKET2_AT_ONCE);
}

static int send_fds(int loop, int handle, const intptr_t* fds, int count) {
    return socket2_channel_send(loop, handle, NULL, 0, NULL, 0, fds, count, SOCKET2_AT_ONCE);
}

static int recv_now(int loop, int handle) {
    return finish(loop, socket2_channel_recv(loop, handle, in(LIMIT)), handle, SOCKET2_READ);
}

static void check_message(int loop, int handle, const char* text) {
    const size_t size = strlen(text);
    CHECK_INT(recv_now(loop, handle), size);
    const char* data = socket2_message_data(loop, handle);
    CHECK(data != NULL && memcmp(data, text, size) == 0);
}

static intptr_t new_fd(void) { return open("/dev/null", O_RDONLY); }
static int is_open(intptr_t fd) { return fcntl((int)fd, F_GETFD) >= 0; }

/* ---- sending and receiving ------------------------------------------------------------------ */

static void test_messages_come_in_order(void) {
    const int loop = new_loop();
    const int ch = new_channel(loop, 3);
    CHECK_INT(send_string(loop, ch, "one"), 0);
    CHECK_INT(send_bytes(loop, ch, NULL, 0, SOCKET2_AT_ONCE), 0);
    CHECK_INT(send_bytes(loop, ch, "a\0b", 3, SOCKET2_AT_ONCE), 0);
    CHECK_INT(socket2_channel_length(loop, ch), 3);
    CHECK_INT(send_bytes(loop, ch, "x", 1, SOCKET2_AT_ONCE), SOCKET2_ETIMEOUT);
    check_message(loop, ch, "one");
    check_message(loop, ch, "");
    CHECK_INT(recv_now(loop, ch), 3);
    CHECK(memcmp(socket2_message_data(loop, ch), "a\0b", 3) == 0);
    CHECK_INT(socket2_channel_recv(loop, ch, SOCKET2_AT_ONCE), SOCKET2_ETIMEOUT);
    CHECK(socket2_message_data(loop, ch) == NULL);
    CHECK_INT(socket2_channel_length(loop, ch), 0);
    check_quiet(loop);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_what_is_sent_is_copied(void) {
    const int loop = new_loop();
    const int ch = new_channel(loop, 0);
    char text[] = "text";
    CHECK_INT(send_bytes(loop, ch, text, 4, SOCKET2_NEVER), SOCKET2_PENDING);
    memset(text, 'x', 4);
    check_message(loop, ch, "text");
    CHECK_INT(finish(loop, SOCKET2_PENDING, ch, SOCKET2_WRITE), 0);
    CHECK_INT(detail, 0);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_one_of_each_at_a_time(void) {
    const int loop = new_loop();
    const int ch = new_channel(loop, 0), other = reopen(loop, ch, loop);
    double since = -1;
    CHECK_INT(socket2_socket_pending(loop, ch, SOCKET2_READ, &since), 0);
    CHECK_INT(since == -1, 1);
    CHECK_INT(socket2_channel_recv(loop, ch, SOCKET2_NEVER), SOCKET2_PENDING);
    CHECK_INT(socket2_channel_recv(loop, ch, SOCKET2_NEVER), SOCKET2_EBUSY);
    CHECK_INT(socket2_channel_recv(loop, ch, SOCKET2_AT_ONCE), SOCKET2_EBUSY);
    CHECK_INT(socket2_socket_pending(loop, ch, SOCKET2_READ, &since), SOCKET2_OP_RECV);
    CHECK(since > 0 && since <= socket2_clock());
    CHECK_INT(send_bytes(loop, other, "x", 1, SOCKET2_NEVER), 0);
    CHECK_INT(finish(loop, SOCKET2_PENDING, ch, SOCKET2_READ), 1);
    CHECK_INT(send_bytes(loop, ch, "y", 1, SOCKET2_NEVER), SOCKET2_PENDING);
    CHECK_INT(send_bytes(loop, ch, "z", 1, SOCKET2_NEVER), SOCKET2_EBUSY);
    CHECK_INT(socket2_socket_pending(loop, ch, SOCKET2_WRITE, NULL), SOCKET2_OP_SEND);
    CHECK_INT(socket2_socket_pending(loop, ch, SOCKET2_READ, NULL), 0);
    CHECK(memcmp(socket2_message_data(loop, ch), "x", 1) == 0);
    check_message(loop, other, "y");
    CHECK_INT(finish(loop, SOCKET2_PENDING, ch, SOCKET2_WRITE), 0);
    check_quiet(loop);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_deadlines_and_cancels(void) {
    const int loop = new_loop();
    const int ch = new_channel(loop, 0), other = reopen(loop, ch, loop);
    CHECK_INT(finish(loop, socket2_channel_recv(loop, ch, in(0.01)), ch, SOCKET2_READ),
              SOCKET2_ETIMEOUT);
    CHECK_INT(finish(loop, send_bytes(loop, ch, "x", 1, in(-1)), ch, SOCKET2_WRITE),
              SOCKET2_ETIMEOUT);
    CHECK_INT(socket2_channel_recv(loop, ch, SOCKET2_NEVER), SOCKET2_PENDING);
    CHECK_INT(socket2_socket_cancel(loop, ch, SOCKET2_WRITE), 0);
    CHECK_INT(socket2_socket_pending(loop, ch, SOCKET2_READ, NULL), SOCKET2_OP_RECV);
    CHECK_INT(socket2_socket_cancel(loop, ch, SOCKET2_READ), 0);
    CHECK_INT(finish(loop, SOCKET2_PENDING, ch, SOCKET2_READ), SOCKET2_ECANCELED);
    CHECK_INT(send_bytes(loop, ch, "x", 1, SOCKET2_NEVER), SOCKET2_PENDING);
    CHECK_INT(socket2_socket_cancel(loop, ch, SOCKET2_WRITE), 0);
    CHECK_INT(finish(loop, SOCKET2_PENDING, ch, SOCKET2_WRITE), SOCKET2_ECANCELED);
    /* The message has come already. */
    CHECK_INT(socket2_channel_recv(loop, ch, SOCKET2_NEVER), SOCKET2_PENDING);
    CHECK_INT(send_string(loop, other, "late"), 0);
    CHECK_INT(socket2_socket_cancel(loop, ch, SOCKET2_READ), 0);
    CHECK_INT(finish(loop, SOCKET2_PENDING, ch, SOCKET2_READ), 4);
    check_quiet(loop);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_shutdown(void) {
    const int loop = new_loop();
    const int ch = new_channel(loop, 1), other = reopen(loop, ch, loop);
    CHECK_INT(send_string(loop, ch, "1"), 0);
    CHECK_INT(send_bytes(loop, ch, "2", 1, SOCKET2_NEVER), SOCKET2_PENDING);
    CHECK_INT(socket2_channel_shutdown(loop, other), 0);
    CHECK_INT(socket2_channel_shutdown(loop, other), 0);
    CHECK_INT(finish(loop, SOCKET2_PENDING, ch, SOCKET2_WRITE), SOCKET2_ECLOSED);
    CHECK_INT(send_bytes(loop, other, "3", 1, SOCKET2_NEVER), SOCKET2_ECLOSED);
    check_message(loop, other, "1");
    CHECK_INT(recv_now(loop, other), SOCKET2_ECLOSED);
    CHECK_INT(socket2_channel_recv(loop, ch, SOCKET2_AT_ONCE), SOCKET2_ECLOSED);
    CHECK_INT(socket2_loop_close(loop), 0);
}

/* ---- closing -------------------------------------------------------------------------------- */

static void test_a_close_ends_what_is_pending(void) {
    const int loop = new_loop();
    const int ch = new_channel(loop, 0), other = reopen(loop, ch, loop);
    const int third = reopen(loop, ch, loop);
    CHECK_INT(socket2_channel_recv(loop, ch, SOCKET2_NEVER), SOCKET2_PENDING);
    CHECK_INT(socket2_channel_close(loop, ch), 0);
    CHECK_INT(send_bytes(loop, other, "x", 1, SOCKET2_NEVER), SOCKET2_PENDING);
    CHECK_INT(socket2_channel_close(loop, other), 0);
    CHECK_INT(socket2_channel_recv(loop, third, SOCKET2_AT_ONCE), SOCKET2_ETIMEOUT);
    CHECK_INT(finish(loop, SOCKET2_PENDING, ch, SOCKET2_READ), SOCKET2_ECLOSED);
    CHECK_INT(finish(loop, SOCKET2_PENDING, other, SOCKET2_WRITE), SOCKET2_ECLOSED);
    check_quiet(loop);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_a_message_that_nobody_took_goes_back(void) {
    for (int stage = 0; stage < 3; ++stage) {
        const int loop = new_loop(), other_loop = new_loop();
        const int ch = new_channel(loop, 2), reader = reopen(loop, ch, other_loop);
        CHECK_INT(socket2_channel_recv(other_loop, reader, SOCKET2_NEVER), SOCKET2_PENDING);
        CHECK_INT(send_string(loop, ch, "1"), 0);
        CHECK_INT(send_string(loop, ch, "2"), 0);
        CHECK_INT(socket2_channel_length(loop, ch), 1);
        if (stage == 0) CHECK_INT(socket2_channel_close(other_loop, reader), 0);
        if (stage == 1) CHECK_INT(socket2_loop_close(other_loop), 0);
        if (stage == 2) {
            /* Another event is given before it. */
            socket2_event event;
            CHECK(socket2_timer_new(other_loop, 0) > 0);
            CHECK_INT(socket2_poll(other_loop, &event, 1, in(LIMIT)), 1);
            CHECK_INT(event.kind, SOCKET2_TIMER);
            CHECK(socket2_message_data(other_loop, reader) == NULL);
            CHECK_INT(socket2_channel_close(other_loop, reader), 0);
        }
        CHECK_INT(socket2_channel_length(loop, ch), 2);
        if (stage != 1) {
            CHECK_INT(finish(other_loop, SOCKET2_PENDING, reader, SOCKET2_READ), SOCKET2_ECLOSED);
            check_quiet(other_loop);
            CHECK_INT(socket2_loop_close(other_loop), 0);
        }
        check_message(loop, ch, "1");
        check_message(loop, ch, "2");
        CHECK_INT(socket2_loop_close(loop), 0);
    }
}

static void test_numbers(void) {
    const int loop = new_loop(), other_loop = new_loop();
    const int ch = new_channel(loop, 1);
    const int id = socket2_channel_id(loop, ch);
    CHECK(id > 0);
    CHECK(id != socket2_channel_id(loop, new_channel(loop, 1)));
    const int again = socket2_channel_open(other_loop, id);
    CHECK(again > 0);
    CHECK_INT(socket2_channel_id(other_loop, again), id);
    CHECK_INT(send_string(loop, ch, "x"), 0);
    CHECK_INT(socket2_channel_close(loop, ch), 0);
    check_message(other_loop, again, "x");
    /* A message keeps the channel, too. */
    const int carrier = new_channel(loop, 1);
    const int carried = socket2_channel_open(loop, id);
    CHECK_INT(send_channel(loop, carrier, carried), 0);
    CHECK_INT(socket2_channel_close(loop, carried), 0);
    CHECK_INT(socket2_channel_close(other_loop, again), 0);
    const int last = socket2_channel_open(loop, id);
    CHECK(last > 0);
    CHECK_INT(socket2_channel_close(loop, last), 0);
    CHECK_INT(socket2_channel_recv(loop, carrier, SOCKET2_AT_ONCE), 0);
    CHECK_INT(socket2_channel_recv(loop, carrier, SOCKET2_AT_ONCE), SOCKET2_ETIMEOUT);
    CHECK_INT(socket2_channel_open(loop, id), SOCKET2_EBADHANDLE);
    const int bad[] = {0, -1, INT_MIN, INT_MAX, id + 1000};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
        CHECK_INT(socket2_channel_open(loop, bad[i]), SOCKET2_EBADHANDLE);
    }
    CHECK_INT(socket2_loop_close(other_loop), 0);
    CHECK_INT(socket2_channel_open(other_loop, id), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_numbers_come_back_late(void) {
    const int loop = new_loop();
    int first = 0;
    for (int i = 0; i < 20000; ++i) {
        const int ch = new_channel(loop, 0);
        const int id = socket2_channel_id(loop, ch);
        if (i == 0) first = id;
        if (i > 0) CHECK(id != first);
        CHECK_INT(socket2_channel_close(loop, ch), 0);
    }
    CHECK_INT(socket2_channel_open(loop, first), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_loop_close(loop), 0);
}

/* ---- what messages carry -------------------------------------------------------------------- */

static void test_channels_in_messages(void) {
    const int loop = new_loop();
    const int ch = new_channel(loop, 2), inner = new_channel(loop, 1);
    const int both[] = {inner, ch};
    CHECK_INT(socket2_channel_send(loop, ch, "x", 1, both, 2, NULL, 0, SOCKET2_NEVER), 0);
    CHECK_INT(socket2_message_channel(loop, ch, 0), SOCKET2_EINVAL);
    check_message(loop, ch, "x");
    const int a = socket2_message_channel(loop, ch, 0), b = socket2_message_channel(loop, ch, 0);
    CHECK(a > 0 && b > 0 && a != b && a != inner);
    CHECK_INT(socket2_channel_id(loop, a), socket2_channel_id(loop, inner));
    const int self = socket2_message_channel(loop, ch, 1);
    CHECK_INT(socket2_channel_id(loop, self), socket2_channel_id(loop, ch));
    const int bad[] = {2, -1, INT_MAX, INT_MIN};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; ++i) {
        CHECK_INT(socket2_message_channel(loop, ch, bad[i]), SOCKET2_EINVAL);
    }
    CHECK_INT(send_string(loop, b, "y"), 0);
    check_message(loop, inner, "y");
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_a_descriptor_is_taken_once(void) {
    const int loop = new_loop();
    const int before = count_fds();
    const int ch = new_channel(loop, 2);
    const intptr_t fds[] = {new_fd(), new_fd()};
    CHECK_INT(send_fds(loop, ch, fds, 2), 0);
    CHECK_INT(recv_now(loop, ch), 0);
    CHECK_INT(socket2_message_fd(loop, ch, 2), SOCKET2_EINVAL);
    CHECK_INT(socket2_message_fd(loop, ch, -1), SOCKET2_EINVAL);
    CHECK_INT(socket2_message_fd(loop, ch, 1), fds[1]);
    CHECK_INT(socket2_message_fd(loop, ch, 1), SOCKET2_EINVAL);
    CHECK_INT(send_fds(loop, ch, &fds[1], 1), 0);
    CHECK_INT(socket2_channel_close(loop, ch), 0);
    CHECK(!is_open(fds[0]));
    CHECK(!is_open(fds[1]));
    CHECK_INT(count_fds(), before);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_a_descriptor_stays_when_the_send_fails_at_once(void) {
    const int loop = new_loop();
    const int ch = new_channel(loop, 0), shut = new_channel(loop, 1);
    const intptr_t fd = new_fd();
    CHECK_INT(send_fds(loop, ch, &fd, 1), SOCKET2_ETIMEOUT);
    CHECK_INT(socket2_channel_unsent(loop, ch, 0), SOCKET2_EINVAL);
    CHECK_INT(socket2_channel_shutdown(loop, shut), 0);
    CHECK_INT(send_fds(loop, shut, &fd, 1), SOCKET2_ECLOSED);
    CHECK(is_open(fd));
    close((int)fd);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_a_descriptor_comes_back_when_the_send_fails_later(void) {
    const int loop = new_loop();
    const int ch = new_channel(loop, 0);
    const intptr_t fds[2] = {new_fd(), new_fd()};
    CHECK_INT(socket2_channel_send(loop, ch, NULL, 0, NULL, 0, fds, 2, SOCKET2_NEVER),
              SOCKET2_PENDING);
    CHECK_INT(socket2_channel_send(loop, ch, NULL, 0, NULL, 0, fds, 2, SOCKET2_NEVER),
              SOCKET2_EBUSY);
    CHECK_INT(socket2_channel_unsent(loop, ch, 0), SOCKET2_EINVAL);
    CHECK_INT(socket2_socket_cancel(loop, ch, SOCKET2_WRITE), 0);
    CHECK_INT(finish(loop, SOCKET2_PENDING, ch, SOCKET2_WRITE), SOCKET2_ECANCELED);
    CHECK_INT(socket2_channel_unsent(loop, ch, 2), SOCKET2_EINVAL);
    CHECK_INT(socket2_channel_unsent(loop, ch, -1), SOCKET2_EINVAL);
    CHECK_INT(socket2_channel_unsent(loop, ch, 1), fds[1]);
    CHECK_INT(socket2_channel_unsent(loop, ch, 1), SOCKET2_EINVAL);
    CHECK(is_open(fds[0]));
    /* The other descriptor is closed with the next send. */
    CHECK_INT(send_fds(loop, ch, NULL, 0), SOCKET2_ETIMEOUT);
    CHECK(!is_open(fds[0]));
    /* And with the handle, and with the loop. */
    CHECK_INT(socket2_channel_send(loop, ch, NULL, 0, NULL, 0, &fds[1], 1, SOCKET2_NEVER),
              SOCKET2_PENDING);
    CHECK_INT(socket2_channel_close(loop, ch), 0);
    CHECK_INT(finish(loop, SOCKET2_PENDING, ch, SOCKET2_WRITE), SOCKET2_ECLOSED);
    const int last = new_channel(loop, 0);
    const intptr_t fd = new_fd();
    CHECK_INT(socket2_channel_send(loop, last, NULL, 0, NULL, 0, &fd, 1, SOCKET2_NEVER),
              SOCKET2_PENDING);
    CHECK_INT(socket2_loop_close(loop), 0);
    CHECK(!is_open(fds[1]));
    CHECK(!is_open(fd));
}

static void test_an_owner_takes_the_channel_along(void) {
    const int loop = new_loop(), other_loop = new_loop();
    const int ch = new_channel(loop, 1), there = reopen(loop, ch, other_loop);
    const int again = reopen(loop, ch, other_loop);
    CHECK_INT(socket2_channel_own(other_loop, there), 0);
    CHECK_INT(socket2_channel_own(other_loop, 12345), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_channel_close(other_loop, again), 0);
    CHECK_INT(send_fds(loop, ch, NULL, 0), 0);
    CHECK_INT(socket2_channel_recv(loop, ch, SOCKET2_AT_ONCE), 0);
    const int receiving = socket2_channel_recv(loop, ch, SOCKET2_NEVER);
    CHECK_INT(receiving, SOCKET2_PENDING);
    CHECK_INT(socket2_loop_close(other_loop), 0);
    CHECK_INT(finish(loop, receiving, ch, SOCKET2_READ), SOCKET2_ECLOSED);
    CHECK_INT(send_fds(loop, ch, NULL, 0), SOCKET2_ECLOSED);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_a_message_can_go_before_the_next(void) {
    const int loop = new_loop();
    const int ch = new_channel(loop, 2);
    const intptr_t fd = new_fd();
    CHECK_INT(socket2_message_close(loop, ch), 0);
    CHECK_INT(send_fds(loop, ch, &fd, 1), 0);
    CHECK_INT(socket2_channel_recv(loop, ch, SOCKET2_AT_ONCE), 0);
    CHECK(is_open(fd));
    CHECK_INT(socket2_message_close(loop, ch), 0);
    CHECK(!is_open(fd));
    CHECK(socket2_message_data(loop, ch) == NULL);
    CHECK_INT(socket2_message_close(loop, 12345), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_a_socket_goes_to_another_loop(void) {
    const int loop = new_loop(), other_loop = new_loop();
    const int ch = new_channel(loop, 1), there = reopen(loop, ch, other_loop);
    socket2_addr addr;
    CHECK_INT(socket2_addr_parse(NULL, "0", SOCKET2_TCP, SOCKET2_INET, 0, 0, &addr), 1);
    const int server = socket2_tcp_new(loop, SOCKET2_INET, 0);
    CHECK_INT(socket2_socket_bind(loop, server, &addr), 0);
    CHECK_INT(socket2_tcp_listen(loop, server, -1), 0);
    addr = local_addr(loop, server);
    const int client = socket2_tcp_new(loop, SOCKET2_INET, 0);
    const int connecting = socket2_tcp_connect(loop, client, &addr, in(LIMIT));
    const int accepting = socket2_tcp_accept(loop, server, NULL, in(LIMIT));
    const int peer = finish(loop, accepting, server, SOCKET2_READ);
    CHECK(peer > 0);
    CHECK_INT(finish(loop, connecting, client, SOCKET2_WRITE), 0);
    const intptr_t fd = socket2_socket_detach(loop, peer);
    CHECK_INT(send_fds(loop, ch, &fd, 1), 0);
    CHECK_INT(send_text(loop, client, "hello"), 5);
    CHECK_INT(recv_now(other_loop, there), 0);
    CHECK_INT(socket2_message_socket(other_loop, there, 1), SOCKET2_EINVAL);
    CHECK_INT(socket2_message_socket(other_loop, there, -1), SOCKET2_EINVAL);
    const int moved = socket2_message_socket(other_loop, there, 0);
    CHECK_INT(socket2_message_socket(other_loop, there, 0), SOCKET2_EINVAL);
    CHECK_INT(socket2_message_fd(other_loop, there, 0), SOCKET2_EINVAL);
    char data[8];
    CHECK_INT(recv_some(other_loop, moved, data, sizeof data), 5);
    CHECK(memcmp(data, "hello", 5) == 0);
    CHECK_INT(socket2_loop_close(other_loop), 0);
    CHECK_INT(socket2_loop_close(loop), 0);
}

/* ---- bad handles and arguments -------------------------------------------------------------- */

static void check_bad_handle(int loop, int handle) {
    CHECK_INT(socket2_channel_id(loop, handle), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_channel_close(loop, handle), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_channel_shutdown(loop, handle), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_channel_length(loop, handle), SOCKET2_EBADHANDLE);
    CHECK_INT(send_bytes(loop, handle, "x", 1, SOCKET2_AT_ONCE), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_channel_recv(loop, handle, SOCKET2_AT_ONCE), SOCKET2_EBADHANDLE);
    CHECK(socket2_message_data(loop, handle) == NULL);
    CHECK_INT(socket2_message_channel(loop, handle, 0), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_message_fd(loop, handle, 0), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_message_socket(loop, handle, 0), SOCKET2_EBADHANDLE);
}

static void test_bad_handles(void) {
    const int loop = new_loop();
    const int ch = new_channel(loop, 1);
    const int timer = socket2_timer_new(loop, in(LIMIT));
    const int udp = socket2_udp_new(loop, SOCKET2_INET, 0);
    check_bad_handle(loop, timer);
    check_bad_handle(loop, udp);
    check_bad_handle(loop, 0);
    check_bad_handle(loop, -1);
    check_bad_handle(loop, INT_MAX);
    check_bad_handle(0, ch);
    check_bad_handle(INT_MAX, ch);
    CHECK_INT(send_channel(loop, ch, udp), SOCKET2_EBADHANDLE);
    CHECK_INT(send_channel(loop, ch, 0), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_channel_length(loop, ch), 0);

    char text[8];
    CHECK_INT(socket2_socket_close(loop, ch), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_socket_wait(loop, ch, SOCKET2_READ, 0), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_socket_fd(loop, ch), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_socket_detach(loop, ch), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_stream_recv(loop, ch, text, 1, 0), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_timer_close(loop, ch), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_lookup_close(loop, ch), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_socket_cancel(loop, timer, SOCKET2_READ), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_socket_pending(loop, timer, SOCKET2_READ, NULL), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_socket_cancel(loop, ch, SOCKET2_TIMER), SOCKET2_EINVAL);
    CHECK_INT(socket2_socket_pending(loop, ch, 0, NULL), SOCKET2_EINVAL);

    CHECK_INT(socket2_channel_close(loop, ch), 0);
    check_bad_handle(loop, ch);
    CHECK_INT(socket2_loop_close(loop), 0);
    CHECK_INT(socket2_channel_new(loop, 1), SOCKET2_EBADHANDLE);
    check_bad_handle(loop, ch);
}

static void test_bad_arguments(void) {
    const int loop = new_loop();
    CHECK_INT(socket2_channel_new(loop, -1), SOCKET2_EINVAL);
    CHECK_INT(socket2_channel_new(loop, INT_MIN), SOCKET2_EINVAL);
    const int ch = new_channel(loop, INT_MAX);
    const double now = SOCKET2_AT_ONCE;
    const int one = ch;
    const intptr_t fd = new_fd(), twice[] = {fd, fd}, none = -1, far = 1000000, closed = new_fd();
    close((int)closed);
    CHECK_INT(send_bytes(loop, ch, NULL, 1, now), SOCKET2_EINVAL);
    CHECK_INT(send_bytes(loop, ch, "x", (size_t)INT_MAX + 1, now), SOCKET2_EINVAL);
    CHECK_INT(send_bytes(loop, ch, "x", 1, NAN), SOCKET2_EINVAL);
    CHECK_INT(socket2_channel_send(loop, ch, "x", 1, NULL, 1, NULL, 0, now), SOCKET2_EINVAL);
    CHECK_INT(socket2_channel_send(loop, ch, "x", 1, &one, -1, NULL, 0, now), SOCKET2_EINVAL);
    CHECK_INT(socket2_channel_send(loop, ch, "x", 1, NULL, 0, NULL, 1, now), SOCKET2_EINVAL);
    CHECK_INT(socket2_channel_send(loop, ch, "x", 1, NULL, 0, &fd, -1, now), SOCKET2_EINVAL);
    CHECK_INT(send_fds(loop, ch, twice, 2), SOCKET2_EINVAL);
    CHECK_INT(send_fds(loop, ch, &none, 1), SOCKET2_EDESCRIPTOR);
    CHECK_INT(send_fds(loop, ch, &far, 1), SOCKET2_EDESCRIPTOR);
    CHECK_INT(send_fds(loop, ch, &closed, 1), SOCKET2_EDESCRIPTOR);
    CHECK_INT(socket2_channel_recv(loop, ch, NAN), SOCKET2_EINVAL);
    CHECK_INT(socket2_channel_length(loop, ch), 0);
    CHECK(is_open(fd));
    check_quiet(loop);
    close((int)fd);
    CHECK_INT(socket2_loop_close(loop), 0);
}

/* A recv that did not begin, but failed, leaves the message. */
static void test_a_bad_recv_keeps_the_message(void) {
    const int loop = new_loop();
    const int ch = new_channel(loop, 1);
    CHECK_INT(send_string(loop, ch, "x"), 0);
    check_message(loop, ch, "x");
    CHECK_INT(socket2_channel_recv(loop, ch, NAN), SOCKET2_EINVAL);
    CHECK(socket2_message_data(loop, ch) != NULL);
    CHECK_INT(socket2_loop_close(loop), 0);
}

/* ---- threads -------------------------------------------------------------------------------- */

enum { ROUNDS = 2000 };

/* Sends back what it receives, until the channel that it receives from is shut down. */
static void* echo(void* argument) {
    const int loop = new_loop();
    const int from = socket2_channel_open(loop, *(int*)argument);
    CHECK(from > 0);
    int size;
    while ((size = recv_now(loop, from)) >= 0) {
        const int to = socket2_message_channel(loop, from, 0);
        CHECK(to > 0);
        CHECK_INT(
            finish(loop,
                   send_bytes(loop, to, socket2_message_data(loop, from), (size_t)size, in(LIMIT)),
                   to, SOCKET2_WRITE),
            0);
        CHECK_INT(socket2_channel_close(loop, to), 0);
    }
    CHECK_INT(size, SOCKET2_ECLOSED);
    CHECK_INT(socket2_loop_close(loop), 0);
    return NULL;
}

/* Without the inbox of events.h, which the other thread uses. */
static void test_a_message_brings_its_way_back(void) {
    const int loop = new_loop();
    const int there = new_channel(loop, 0), back = new_channel(loop, 1);
    int id = socket2_channel_id(loop, there);
    pthread_t thread;
    CHECK_INT(pthread_create(&thread, NULL, echo, &id), 0);
    socket2_event event;
    for (int i = 0; i < ROUNDS; ++i) {
        int r = socket2_channel_send(loop, there, &i, sizeof i, &back, 1, NULL, 0, in(LIMIT));
        while (r == SOCKET2_PENDING) {
            if (socket2_poll(loop, &event, 1, in(LIMIT)) == 1) r = event.result;
        }
        CHECK_INT(r, 0);
        r = socket2_channel_recv(loop, back, in(LIMIT));
        while (r == SOCKET2_PENDING) {
            if (socket2_poll(loop, &event, 1, in(LIMIT)) == 1) r = event.result;
        }
        CHECK_INT(r, (int)sizeof i);
        CHECK(memcmp(socket2_message_data(loop, back), &i, sizeof i) == 0);
        if (failures != 0) break;
    }
    CHECK_INT(socket2_channel_shutdown(loop, there), 0);
    CHECK_INT(pthread_join(thread, NULL), 0);
    CHECK_INT(socket2_channel_open(loop, id) > 0, 1);
    CHECK_INT(socket2_loop_close(loop), 0);
}

/* ---- all of them ---------------------------------------------------------------------------- */

static const test_case tests[] = {
    TEST(messages_come_in_order),
    TEST(what_is_sent_is_copied),
    TEST(one_of_each_at_a_time),
    TEST(deadlines_and_cancels),
    TEST(shutdown),
    TEST(a_close_ends_what_is_pending),
    TEST(a_message_that_nobody_took_goes_back),
    TEST(numbers),
    TEST(numbers_come_back_late),
    TEST(channels_in_messages),
    TEST(a_descriptor_is_taken_once),
    TEST(a_descriptor_stays_when_the_send_fails_at_once),
    TEST(a_descriptor_comes_back_when_the_send_fails_later),
    TEST(an_owner_takes_the_channel_along),
    TEST(a_message_can_go_before_the_next),
    TEST(a_socket_goes_to_another_loop),
    TEST(bad_handles),
    TEST(bad_arguments),
    TEST(a_bad_recv_keeps_the_message),
    TEST(a_message_brings_its_way_back),
};

int main(int argc, char** argv) {
    return run_tests(tests, sizeof tests / sizeof *tests, argc, argv);
}
