/* Reading and writing descriptors other than the library's sockets: pipes, terminals, files ... */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>

#include "spec/capi/events.h"

enum { BIG = 3 << 20 };

static int wrap(int loop, int fd) {
    const int handle = socket2_fd_new(loop, fd);
    CHECK(handle > 0);
    return handle;
}

static int send_now(int loop, int handle, const char* text) {
    return socket2_stream_send(loop, handle, text, strlen(text), in(LIMIT));
}

static int recv_now(int loop, int handle, char* data, size_t size) {
    return socket2_stream_recv(loop, handle, data, size, in(LIMIT));
}

static int pending(int loop, int handle, int kind) {
    return socket2_socket_pending(loop, handle, kind, NULL);
}

static int is_sigpipe_pending(void) {
    sigset_t set;
    sigpending(&set);
    return sigismember(&set, SIGPIPE);
}

static int is_sigpipe_blocked(void) {
    sigset_t set;
    pthread_sigmask(SIG_BLOCK, NULL, &set);
    return sigismember(&set, SIGPIPE);
}

/* A pipe with handles; the caller owns its descriptors. */
typedef struct {
    int loop, fds[2], reader, writer;
} piped;

static piped new_pipe(int flags) {
    piped p = {.loop = new_loop()};
    CHECK_INT(pipe2(p.fds, flags | O_CLOEXEC), 0);
    p.reader = wrap(p.loop, p.fds[0]);
    p.writer = wrap(p.loop, p.fds[1]);
    return p;
}

static void end_pipe(piped p) {
    check_quiet(p.loop);
    CHECK_INT(socket2_loop_close(p.loop), 0);
    close(p.fds[0]);
    close(p.fds[1]);
}

/* A terminal: the program's side, in raw mode, and the other side. */
static void open_terminal(int fds[2], char* path, size_t size) {
    fds[0] = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    CHECK(fds[0] >= 0 && grantpt(fds[0]) == 0 && unlockpt(fds[0]) == 0);
    CHECK_INT(ptsname_r(fds[0], path, size), 0);
    fds[1] = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK(fds[1] >= 0);
    struct termios mode;
    CHECK_INT(tcgetattr(fds[1], &mode), 0);
    cfmakeraw(&mode);
    CHECK_INT(tcsetattr(fds[1], TCSANOW, &mode), 0);
}

static void fill(char* data, size_t size) {
    for (size_t i = 0; i < size; ++i) data[i] = (char)(i * 31 % 251);
}

/* ---- pipes ---------------------------------------------------------------------------------- */

static void check_a_pipe(int flags) {
    piped p = new_pipe(flags);
    char data[8];
    CHECK_INT(send_now(p.loop, p.writer, "abc"), 3);
    CHECK_INT(recv_now(p.loop, p.reader, data, 2), 2);
    CHECK_INT(recv_now(p.loop, p.reader, data, 8), 1);
    CHECK_INT(data[0], 'c');
    for (int i = 0; i < 3; ++i) {
        const int reading = recv_now(p.loop, p.reader, data, 8);
        CHECK_INT(reading, SOCKET2_PENDING);
        CHECK_INT(pending(p.loop, p.reader, SOCKET2_READ), SOCKET2_OP_RECV);
        CHECK_INT(recv_now(p.loop, p.reader, data, 8), SOCKET2_EBUSY);
        check_quiet(p.loop);
        CHECK_INT(send_now(p.loop, p.writer, "hello"), 5);
        CHECK_INT(finish(p.loop, reading, p.reader, SOCKET2_READ), 5);
        CHECK(memcmp(data, "hello", 5) == 0);
        CHECK_INT(detail, 0);
        CHECK_INT(pending(p.loop, p.reader, SOCKET2_READ), 0);
    }
    CHECK_INT(fcntl(p.fds[0], F_GETFL) & O_NONBLOCK, flags);
    const int reading = recv_now(p.loop, p.reader, data, 8);
    CHECK_INT(socket2_socket_close(p.loop, p.writer), 0);
    check_quiet(p.loop); /* the caller still owns the descriptor */
    close(p.fds[1]);
    CHECK_INT(finish(p.loop, reading, p.reader, SOCKET2_READ), 0);
    CHECK_INT(recv_now(p.loop, p.reader, data, 8), 0);
    p.fds[1] = dup(p.fds[0]);
    end_pipe(p);
}

static void test_a_pipe(void) { check_a_pipe(O_NONBLOCK); }
static void test_a_pipe_in_blocking_mode(void) { check_a_pipe(0); }

/* More than there is room for, read slowly: all of it arrives, and the loop goes on meanwhile. */
static void check_a_slow_reader(int flags) {
    static char data[BIG], got[BIG];
    fill(data, BIG);
    piped p = new_pipe(flags);
    const int sending = socket2_stream_send(p.loop, p.writer, data, BIG, in(LIMIT));
    CHECK_INT(sending, SOCKET2_PENDING);
    CHECK_INT(pending(p.loop, p.writer, SOCKET2_WRITE), SOCKET2_OP_SEND);
    CHECK_INT(send_now(p.loop, p.writer, "x"), SOCKET2_EBUSY);
    size_t done = 0;
    while (done < BIG && failures == 0) {
        poll_into_inbox(p.loop, 0);
        const int n =
            finish(p.loop, recv_now(p.loop, p.reader, got + done, 50000), p.reader, SOCKET2_READ);
        CHECK(n > 0);
        if (n > 0) done += (size_t)n;
    }
    CHECK_INT(finish(p.loop, sending, p.writer, SOCKET2_WRITE), BIG);
    CHECK_INT(detail, BIG);
    CHECK(memcmp(data, got, BIG) == 0);
    end_pipe(p);
}

static void test_a_slow_reader(void) { check_a_slow_reader(O_NONBLOCK); }
static void test_a_slow_reader_in_blocking_mode(void) { check_a_slow_reader(0); }

static void check_a_full_pipe(int flags) {
    static char data[BIG];
    piped p = new_pipe(flags);
    const int room = fcntl(p.fds[1], F_GETPIPE_SZ);
    CHECK_INT(finish(p.loop, socket2_stream_send(p.loop, p.writer, data, BIG, in(0.05)), p.writer,
                     SOCKET2_WRITE),
              SOCKET2_ETIMEOUT);
    CHECK_INT(detail, room);
    CHECK_INT(
        finish(p.loop, socket2_stream_send(p.loop, p.writer, data, 1, 0), p.writer, SOCKET2_WRITE),
        SOCKET2_ETIMEOUT);
    CHECK_INT(detail, 0);
    CHECK_INT(socket2_stream_send(p.loop, p.writer, data, 1, SOCKET2_AT_ONCE), SOCKET2_ETIMEOUT);
    /* canceled, and closed */
    int sending = socket2_stream_send(p.loop, p.writer, data, BIG, SOCKET2_NEVER);
    CHECK_INT(sending, SOCKET2_PENDING);
    CHECK_INT(socket2_socket_cancel(p.loop, p.writer, SOCKET2_WRITE), 0);
    CHECK_INT(finish(p.loop, sending, p.writer, SOCKET2_WRITE), SOCKET2_ECANCELED);
    sending = socket2_stream_send(p.loop, p.writer, data, BIG, SOCKET2_NEVER);
    CHECK_INT(sending, SOCKET2_PENDING);
    CHECK_INT(socket2_socket_close(p.loop, p.writer), 0);
    CHECK_INT(finish(p.loop, sending, p.writer, SOCKET2_WRITE), SOCKET2_ECLOSED);
    CHECK(fcntl(p.fds[1], F_GETFD) >= 0);
    end_pipe(p);
}

static void test_a_full_pipe(void) { check_a_full_pipe(O_NONBLOCK); }
static void test_a_full_pipe_in_blocking_mode(void) { check_a_full_pipe(0); }

static void test_an_empty_pipe(void) {
    piped p = new_pipe(O_NONBLOCK);
    char data[8];
    CHECK_INT(finish(p.loop, socket2_stream_recv(p.loop, p.reader, data, 8, in(0.02)), p.reader,
                     SOCKET2_READ),
              SOCKET2_ETIMEOUT);
    CHECK_INT(
        finish(p.loop, socket2_stream_recv(p.loop, p.reader, data, 8, 0), p.reader, SOCKET2_READ),
        SOCKET2_ETIMEOUT);
    CHECK_INT(socket2_stream_recv(p.loop, p.reader, data, 8, SOCKET2_AT_ONCE), SOCKET2_ETIMEOUT);
    int reading = socket2_stream_recv(p.loop, p.reader, data, 8, SOCKET2_NEVER);
    CHECK_INT(reading, SOCKET2_PENDING);
    CHECK_INT(socket2_socket_cancel(p.loop, p.reader, SOCKET2_READ), 0);
    CHECK_INT(finish(p.loop, reading, p.reader, SOCKET2_READ), SOCKET2_ECANCELED);
    CHECK_INT(send_now(p.loop, p.writer, "x"), 1); /* nothing was lost to a canceled read */
    CHECK_INT(socket2_stream_recv(p.loop, p.reader, data, 8, SOCKET2_AT_ONCE), 1);
    reading = socket2_stream_recv(p.loop, p.reader, data, 8, SOCKET2_NEVER);
    CHECK_INT(socket2_socket_close(p.loop, p.reader), 0);
    CHECK_INT(finish(p.loop, reading, p.reader, SOCKET2_READ), SOCKET2_ECLOSED);
    end_pipe(p);
}

/* What an AT_ONCE operation did not find, the next poll reports. */
static void test_at_once(void) {
    piped p = new_pipe(O_NONBLOCK);
    static char data[BIG];
    const int room = fcntl(p.fds[1], F_GETPIPE_SZ);
    CHECK_INT(socket2_stream_recv(p.loop, p.reader, data, 8, SOCKET2_AT_ONCE), SOCKET2_ETIMEOUT);
    CHECK_INT(socket2_stream_send(p.loop, p.writer, data, BIG, SOCKET2_AT_ONCE), room);
    socket2_event event;
    CHECK_INT(socket2_poll(p.loop, &event, 1, SOCKET2_NEVER), 0);
    CHECK_INT(socket2_stream_recv(p.loop, p.reader, data, BIG, SOCKET2_AT_ONCE), room);
    CHECK_INT(socket2_stream_send(p.loop, p.writer, data, 7, SOCKET2_AT_ONCE), 7);
    end_pipe(p);
}

/* ---- no signal ------------------------------------------------------------------------------ */

static volatile sig_atomic_t signals;
static void count_signal(int number) {
    (void)number;
    ++signals;
}

static void check_no_reader(int flags) {
    piped p = new_pipe(flags);
    close(p.fds[0]);
    for (int i = 0; i < 3; ++i) {
        CHECK_INT(send_now(p.loop, p.writer, "x"), SOCKET2_EPIPE);
        CHECK_INT(socket2_os_error(p.loop), EPIPE);
        CHECK_INT(socket2_stream_send(p.loop, p.writer, "x", 1, SOCKET2_AT_ONCE), SOCKET2_EPIPE);
    }
    p.fds[0] = dup(p.fds[1]);
    end_pipe(p);
}

static void test_a_pipe_without_a_reader(void) { /* the signal would end the process */
    check_no_reader(O_NONBLOCK);
    check_no_reader(0);
    CHECK_INT(is_sigpipe_blocked(), 0);
    CHECK_INT(is_sigpipe_pending(), 0);
}

static void test_a_reader_that_goes_away(void) {
    static char data[BIG];
    piped p = new_pipe(O_NONBLOCK);
    const int sending = socket2_stream_send(p.loop, p.writer, data, BIG, in(LIMIT));
    CHECK_INT(sending, SOCKET2_PENDING);
    check_quiet(p.loop);
    const int room = fcntl(p.fds[1], F_GETPIPE_SZ);
    CHECK_INT(socket2_socket_close(p.loop, p.reader), 0);
    close(p.fds[0]);
    CHECK_INT(finish(p.loop, sending, p.writer, SOCKET2_WRITE), SOCKET2_EPIPE);
    CHECK_INT(detail, room);
    p.fds[0] = dup(p.fds[1]);
    end_pipe(p);
}

static void test_a_handler_and_the_mask_stay_the_programs(void) {
    signal(SIGPIPE, count_signal);
    check_no_reader(O_NONBLOCK);
    CHECK_INT(signals, 0);
    signal(SIGPIPE, SIG_IGN);
    check_no_reader(O_NONBLOCK);
    signal(SIGPIPE, count_signal);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    check_no_reader(O_NONBLOCK);
    CHECK_INT(is_sigpipe_blocked(), 1);
    CHECK_INT(is_sigpipe_pending(), 0);
    raise(SIGPIPE); /* the program's own stays pending */
    check_no_reader(O_NONBLOCK);
    CHECK_INT(is_sigpipe_pending(), 1);
    CHECK_INT(signals, 0);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    CHECK_INT(signals, 1);
    raise(SIGPIPE);
    CHECK_INT(signals, 2);
}

/* ---- other kinds ---------------------------------------------------------------------------- */

static void test_sockets(void) {
    const int kinds[] = {0, SOCK_NONBLOCK};
    for (int i = 0; i < 2; ++i) {
        static char data[BIG];
        const int loop = new_loop();
        int fds[2];
        CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | kinds[i], 0, fds), 0);
        const int a = wrap(loop, fds[0]), b = wrap(loop, fds[1]);
        const int reading = recv_now(loop, a, data, 8);
        CHECK_INT(reading, SOCKET2_PENDING);
        CHECK_INT(send_now(loop, b, "abc"), 3);
        CHECK_INT(finish(loop, reading, a, SOCKET2_READ), 3);
        const int sending = socket2_stream_send(loop, b, data, BIG, in(LIMIT));
        CHECK_INT(sending, SOCKET2_PENDING); /* also in blocking mode */
        for (int got = 0; got < BIG && failures == 0;) {
            poll_into_inbox(loop, 0);
            const int n = finish(loop, recv_now(loop, a, data, sizeof data), a, SOCKET2_READ);
            CHECK(n > 0);
            got += n;
        }
        CHECK_INT(finish(loop, sending, b, SOCKET2_WRITE), BIG);
        CHECK_INT(fcntl(fds[0], F_GETFL) & O_NONBLOCK, kinds[i] != 0 ? O_NONBLOCK : 0);
        CHECK_INT(socket2_socket_close(loop, a), 0);
        close(fds[0]);
        CHECK_INT(send_now(loop, b, "x"), SOCKET2_EPIPE);
        CHECK_INT(socket2_loop_close(loop), 0);
        close(fds[1]);
    }
}

static void test_a_terminal(void) {
    const int loop = new_loop();
    char path[64], data[16];
    int fds[2];
    open_terminal(fds, path, sizeof path);
    const int before = count_fds();
    const int tty = socket2_fd_open(loop, path), master = wrap(loop, fds[0]);
    CHECK(tty > 0);
    const int fd = socket2_socket_fd(loop, tty);
    CHECK_INT(fcntl(fd, F_GETFD), FD_CLOEXEC);
    CHECK_INT(fcntl(fd, F_GETFL) & (O_NONBLOCK | O_ACCMODE), O_NONBLOCK | O_RDWR);
    int reading = recv_now(loop, tty, data, 16);
    CHECK_INT(reading, SOCKET2_PENDING);
    CHECK_INT(send_now(loop, master, "hello"), 5);
    CHECK_INT(finish(loop, reading, tty, SOCKET2_READ), 5);
    reading = recv_now(loop, master, data, 16);
    CHECK_INT(send_now(loop, tty, "back"), 4);
    CHECK_INT(finish(loop, reading, master, SOCKET2_READ), 4);
    /* all of a lot, read slowly */
    static char big[1 << 18], got[1 << 18];
    fill(big, sizeof big);
    const int sending = socket2_stream_send(loop, tty, big, sizeof big, in(LIMIT));
    CHECK_INT(sending, SOCKET2_PENDING);
    for (size_t done = 0; done < sizeof big && failures == 0;) {
        const int n = finish(loop, recv_now(loop, master, got + done, 999), master, SOCKET2_READ);
        CHECK(n > 0);
        done += (size_t)n;
    }
    CHECK_INT(finish(loop, sending, tty, SOCKET2_WRITE), sizeof big);
    CHECK(memcmp(big, got, sizeof big) == 0);
    /* the other side goes */
    reading = recv_now(loop, master, data, 16);
    CHECK_INT(reading, SOCKET2_PENDING);
    close(fds[1]);
    CHECK_INT(socket2_socket_close(loop, tty), 0);
    CHECK_INT(fcntl(fd, F_GETFD), -1); /* the library's own */
    CHECK_INT(finish(loop, reading, master, SOCKET2_READ), SOCKET2_EIO);
    CHECK_INT(socket2_os_error(loop), EIO);
    CHECK_INT(count_fds(), before - 1); /* without fds[1] */
    CHECK_INT(socket2_loop_close(loop), 0);
    close(fds[0]);
}

/* The system does not tell how much it takes without blocking. */
static void test_a_terminal_in_blocking_mode(void) {
    const int loop = new_loop();
    char path[64], data[16];
    int fds[2];
    open_terminal(fds, path, sizeof path);
    const int tty = wrap(loop, fds[1]);
    CHECK_INT(send_now(loop, tty, "x"), SOCKET2_ENOTSUPPORTED);
    const int reading = recv_now(loop, tty, data, 16);
    CHECK_INT(reading, SOCKET2_PENDING);
    CHECK_INT(write(fds[0], "abc", 3), 3);
    CHECK_INT(finish(loop, reading, tty, SOCKET2_READ), 3);
    CHECK_INT(fcntl(fds[1], F_SETFL, O_RDWR | O_NONBLOCK), 0); /* the mode is read each time */
    CHECK_INT(send_now(loop, tty, "x"), 1);
    CHECK_INT(socket2_loop_close(loop), 0);
    close(fds[0]);
    close(fds[1]);
}

static void test_an_eventfd(void) {
    const int loop = new_loop();
    const int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), event = wrap(loop, fd);
    uint64_t n = 0;
    const int reading = recv_now(loop, event, (char*)&n, sizeof n);
    CHECK_INT(reading, SOCKET2_PENDING);
    const uint64_t five = 5, most = UINT64_MAX - 1;
    CHECK_INT(socket2_stream_send(loop, event, &five, sizeof five, in(LIMIT)), 8);
    CHECK_INT(finish(loop, reading, event, SOCKET2_READ), 8);
    CHECK_INT(n, 5);
    CHECK_INT(socket2_stream_send(loop, event, &most, sizeof most, in(LIMIT)), 8);
    const int sending = socket2_stream_send(loop, event, &five, sizeof five, in(LIMIT));
    CHECK_INT(sending, SOCKET2_PENDING);
    CHECK_INT(recv_now(loop, event, (char*)&n, sizeof n), 8);
    CHECK_INT(finish(loop, sending, event, SOCKET2_WRITE), 8);
    char one;
    CHECK_INT(recv_now(loop, event, &one, 1), SOCKET2_EINVAL);
    CHECK_INT(socket2_loop_close(loop), 0);
    close(fd);
}

static void test_files(void) {
    static char data[BIG], got[BIG];
    fill(data, BIG);
    const int without_loop = count_fds();
    const int loop = new_loop();
    char path[] = "/tmp/socket2_fd_test_XXXXXX";
    const int fd = mkstemp(path);
    CHECK_INT(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    const int ours = wrap(loop, fd), opened = socket2_fd_open(loop, path);
    CHECK(opened > 0);
    CHECK_INT(recv_now(loop, opened, got, 8), 0);
    /* more than its share of a turn */
    CHECK_INT(
        finish(loop, socket2_stream_send(loop, ours, data, BIG, in(LIMIT)), ours, SOCKET2_WRITE),
        BIG);
    int done = 0, n;
    while ((n = finish(loop, recv_now(loop, opened, got + done, 1 << 20), opened, SOCKET2_READ)) >
           0)
        done += n;
    CHECK_INT(done, BIG);
    CHECK_INT(recv_now(loop, opened, data, 8), 0);
    CHECK(memcmp(data, got, BIG) == 0);
    CHECK_INT(finish(loop, socket2_stream_send(loop, opened, data, BIG, in(LIMIT)), opened,
                     SOCKET2_WRITE),
              BIG);
    struct stat status;
    CHECK_INT(stat(path, &status), 0);
    CHECK_INT(status.st_size, 2 * BIG);
    CHECK_INT(socket2_loop_close(loop), 0);
    CHECK_INT(count_fds(), without_loop + 1);
    unlink(path);
    close(fd);
}

static void test_null_and_full(void) {
    static char data[BIG];
    const int loop = new_loop();
    const int null = socket2_fd_open(loop, "/dev/null"), full = socket2_fd_open(loop, "/dev/full");
    CHECK_INT(
        finish(loop, socket2_stream_send(loop, null, data, BIG, in(LIMIT)), null, SOCKET2_WRITE),
        BIG);
    CHECK_INT(recv_now(loop, null, data, 8), 0);
    CHECK_INT(recv_now(loop, full, data, 8), 8);
    CHECK_INT(send_now(loop, full, "x"), SOCKET2_ESYSTEM);
    CHECK_INT(socket2_os_error(loop), ENOSPC);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_a_fifo(void) {
    const int loop = new_loop();
    char path[64], data[8];
    snprintf(path, sizeof path, "/tmp/socket2_fd_test_%d", (int)getpid());
    CHECK_INT(mkfifo(path, 0600), 0);
    const int a = socket2_fd_open(loop, path), b = socket2_fd_open(loop, path);
    const int reading = recv_now(loop, a, data, 8);
    CHECK_INT(reading, SOCKET2_PENDING);
    CHECK_INT(send_now(loop, b, "abc"), 3);
    CHECK_INT(finish(loop, reading, a, SOCKET2_READ), 3);
    CHECK_INT(socket2_loop_close(loop), 0);
    unlink(path);
}

/* ---- ownership and errors ------------------------------------------------------------------- */

/* A read of a unix stream stops at a passed descriptor: that it is short does not mean "all". */
static void test_a_stream_with_descriptors_in_it(void) {
    const int loop = new_loop();
    int fds[2];
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    const int handle = socket2_socket_attach(loop, fds[0]);
    CHECK(handle > 0);
    char data[16];
    const int receiving = socket2_stream_recv(loop, handle, data, sizeof data, in(LIMIT));
    CHECK_INT(receiving, SOCKET2_PENDING);
    CHECK_INT(write(fds[1], "!", 1), 1);
    CHECK_INT(finish(loop, receiving, handle, SOCKET2_READ), 1);

    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    memset(&control, 0, sizeof control);
    struct iovec bytes = {"bbb", 3};
    struct msghdr message = {.msg_iov = &bytes,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    control.head.cmsg_level = SOL_SOCKET;
    control.head.cmsg_type = SCM_RIGHTS;
    control.head.cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&control.head), &fds[1], sizeof(int));
    CHECK_INT(write(fds[1], "aaa", 3), 3);
    CHECK_INT(sendmsg(fds[1], &message, 0), 3);
    CHECK_INT(write(fds[1], "ccc", 3), 3);
    for (int i = 0; i < 3; ++i) CHECK_INT(poll_into_inbox(loop, 0), 0); /* no read meanwhile */
    char all[10] = "";
    size_t got = 0;
    while (got < 9) {
        const int n = recv_some(loop, handle, data, sizeof data);
        CHECK(n > 0 && got + (size_t)n <= 9);
        if (n <= 0 || got + (size_t)n > 9) break;
        memcpy(all + got, data, (size_t)n);
        got += (size_t)n;
    }
    CHECK_TEXT(all, "aaabbbccc");
    close(fds[1]);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_attach_and_detach(void) {
    const int loop = new_loop();
    int fds[2];
    CHECK_INT(pipe(fds), 0);
    const int reader = socket2_fd_attach(loop, fds[0]), writer = wrap(loop, fds[1]);
    CHECK_INT(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
    CHECK(fcntl(fds[0], F_GETFL) & O_NONBLOCK);
    CHECK_INT(fcntl(fds[1], F_GETFD), 0);
    char data[8];
    const int reading = recv_now(loop, reader, data, 8);
    CHECK_INT(socket2_socket_detach(loop, reader), fds[0]);
    CHECK_INT(finish(loop, reading, reader, SOCKET2_READ), SOCKET2_ECLOSED);
    CHECK_INT(socket2_socket_fd(loop, reader), SOCKET2_EBADHANDLE);
    CHECK_INT(send_now(loop, writer, "abc"), 3);
    CHECK_INT(read(fds[0], data, 8), 3);
    CHECK_INT(socket2_socket_close(loop, socket2_fd_attach(loop, fds[0])), 0);
    CHECK_INT(fcntl(fds[0], F_GETFD), -1);
    CHECK_INT(socket2_fd_attach(loop, fds[0]), SOCKET2_EDESCRIPTOR);
    CHECK_INT(socket2_fd_attach(loop, -1), SOCKET2_EDESCRIPTOR);
    CHECK_INT(socket2_fd_attach(loop, ((intptr_t)1 << 32) + fds[1]), SOCKET2_EDESCRIPTOR);
    CHECK_INT(socket2_fd_attach(loop, fds[1]) > 0, 1);
    CHECK_INT(socket2_loop_close(loop), 0);
    CHECK_INT(fcntl(fds[1], F_GETFD), -1); /* the loop's end is its own */
}

static void test_what_cannot_be_opened(void) {
    const int loop = new_loop(), before = count_fds();
    static char endless[8192];
    memset(endless, 'x', sizeof endless - 1);
    endless[0] = '/';
    CHECK_INT(socket2_fd_open(loop, "/nowhere/x"), SOCKET2_ENOENT);
    CHECK_INT(socket2_fd_open(loop, ""), SOCKET2_ENOENT);
    CHECK_INT(socket2_fd_open(loop, "/"), SOCKET2_ESYSTEM);
    CHECK_INT(socket2_os_error(loop), EISDIR);
    CHECK_INT(socket2_fd_open(loop, endless), SOCKET2_EPATHTOOLONG);
    CHECK_INT(socket2_fd_open(loop, NULL), SOCKET2_EINVAL);
    CHECK_INT(socket2_fd_open(0, "/dev/null"), SOCKET2_EBADHANDLE);
    CHECK_INT(count_fds(), before);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_arguments(void) {
    piped p = new_pipe(O_NONBLOCK);
    char data[8];
    const double nan = SOCKET2_NEVER - SOCKET2_NEVER;
    CHECK_INT(socket2_stream_send(p.loop, p.writer, NULL, 0, 0), 0);
    CHECK_INT(socket2_stream_send(p.loop, p.writer, NULL, 1, 0), SOCKET2_EINVAL);
    CHECK_INT(socket2_stream_send(p.loop, p.writer, data, (size_t)1 << 31, 0), SOCKET2_EINVAL);
    CHECK_INT(socket2_stream_send(p.loop, p.writer, data, 1, nan), SOCKET2_EINVAL);
    CHECK_INT(socket2_stream_recv(p.loop, p.reader, data, 0, 0), SOCKET2_EINVAL);
    CHECK_INT(socket2_stream_recv(p.loop, p.reader, NULL, 1, 0), SOCKET2_EINVAL);
    CHECK_INT(socket2_stream_recv(p.loop, p.reader, data, 1, nan), SOCKET2_EINVAL);
    CHECK_INT(recv_now(p.loop, p.writer, data, 8), SOCKET2_EDESCRIPTOR);
    CHECK_INT(send_now(p.loop, p.reader, "x"), SOCKET2_EDESCRIPTOR);
    const int tcp = socket2_tcp_new(p.loop, SOCKET2_INET, 0);
    CHECK_INT(recv_now(p.loop, tcp, data, 8), SOCKET2_ENOTCONN);
    CHECK_INT(socket2_stream_recv(0, p.reader, data, 8, 0), SOCKET2_EBADHANDLE);
    const int root = open("/", O_RDONLY), dir = wrap(p.loop, root);
    CHECK_INT(recv_now(p.loop, dir, data, 8), SOCKET2_ESYSTEM);
    CHECK_INT(socket2_os_error(p.loop), EISDIR);
    CHECK_INT(send_now(p.loop, dir, "x"), SOCKET2_EDESCRIPTOR);
    close(root);
    CHECK_INT(recv_now(p.loop, dir, data, 8), SOCKET2_EDESCRIPTOR); /* closed too early */
    CHECK_INT(send_now(p.loop, dir, "x"), SOCKET2_EDESCRIPTOR);
    end_pipe(p);
}

int main(int argc, char** argv) {
    static const test_case tests[] = {
        TEST(a_pipe),
        TEST(a_pipe_in_blocking_mode),
        TEST(a_slow_reader),
        TEST(a_slow_reader_in_blocking_mode),
        TEST(a_full_pipe),
        TEST(a_full_pipe_in_blocking_mode),
        TEST(an_empty_pipe),
        TEST(at_once),
        TEST(a_pipe_without_a_reader),
        TEST(a_reader_that_goes_away),
        TEST(a_handler_and_the_mask_stay_the_programs),
        TEST(sockets),
        TEST(a_terminal),
        TEST(a_terminal_in_blocking_mode),
        TEST(an_eventfd),
        TEST(files),
        TEST(null_and_full),
        TEST(a_fifo),
        TEST(a_stream_with_descriptors_in_it),
        TEST(attach_and_detach),
        TEST(what_cannot_be_opened),
        TEST(arguments),
    };
    return run_tests(tests, sizeof tests / sizeof *tests, argc, argv);
}
