/* Descriptors that the caller owns: pipes, pairs, files and others, which are waited for, attached
 * and detached. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "spec/capi/waits.h"

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
    CHECK_INT(count_fds(), before); /* the caller still owns the descriptor */
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
    /* Only for a real reading end: what stands in for a pipe on other systems can be written to. */
    if (WRAPS_PIPES) CHECK_INT(wait_for(loop, handle, SOCKET2_WRITE), SOCKET2_PENDING);
    CHECK_INT(socket2_socket_close(loop, handle), 0);
    CHECK_INT(socket2_socket_close(loop, handle), SOCKET2_EBADHANDLE);
    CHECK_INT(finish(loop, SOCKET2_PENDING, handle, SOCKET2_READ), SOCKET2_ECLOSED);
    if (WRAPS_PIPES) {
        CHECK_INT(finish(loop, SOCKET2_PENDING, handle, SOCKET2_WRITE), SOCKET2_ECLOSED);
    }
    CHECK_INT(write(fds[1], "x", 1), 1);
    check_quiet(loop);
    /* And again, with a new handle. */
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
    /* The lower half of this number is a descriptor. */
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

/* An operation that can end at once does so, no matter which others wait. */
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

/* A handle on a socket's own descriptor is a second one on the same descriptor. */
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

/* This breaks the rules: it must not crash, and the next owner of the number works. */
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
        /* The next socket gets the lowest free number. */
        c.client = new_tcp(c.loop);
        CHECK_INT(socket2_socket_fd(c.loop, c.client), fd);
        if (closes_handle_first) CHECK_INT(socket2_socket_close(c.loop, handle), 0);
        connect_client(&c);
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

/* This makes no sense: it gives an error or a deadline passes, and the loop goes on. */
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
        if (fd < 0) continue; /* this system has no unix sockets */
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

/* ---- all of them ---------------------------------------------------------------------------- */

static const test_case tests[] = {
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
    TEST(a_detached_descriptor_stays_open),
    TEST(what_can_be_attached),
    TEST(what_cannot_be_attached),
    TEST(a_pipe_is_wrapped_or_refused),
};

int main(int argc, char** argv) {
    return run_tests(tests, sizeof tests / sizeof *tests, argc, argv);
}
