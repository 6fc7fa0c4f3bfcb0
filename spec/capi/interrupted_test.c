/* System calls that a signal interrupts. Chance plays no part: connect() and write() of this
 * program replace the C library's, and return EINTR as often as a test wants. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "spec/capi/events.h"

/* Otherwise the library would not find them. */
#define IN_FRONT __attribute__((visibility("default")))

enum { TIMES = 3 };

static atomic_int before_connect, after_connect, before_write; /* how often from now on */

static int interrupts(atomic_int* times) {
    int left = atomic_load(times);
    while (left > 0 && !atomic_compare_exchange_weak(times, &left, left - 1)) {
    }
    if (left > 0) errno = EINTR;
    return left > 0;
}

IN_FRONT int connect(int fd, __CONST_SOCKADDR_ARG to, socklen_t size) {
    if (interrupts(&before_connect)) return -1;
    const long r = syscall(SYS_connect, fd, to.__sockaddr__, size);
    return interrupts(&after_connect) ? -1 : (int)r;
}

IN_FRONT ssize_t write(int fd, const void* data, size_t size) {
    return interrupts(&before_write) ? -1 : syscall(SYS_write, fd, data, size);
}

static socket2_addr loopback(int type) {
    socket2_addr addr;
    CHECK_INT(socket2_addr_lookup(NULL, NULL, type, SOCKET2_INET, 0, 0, &addr, 1, NULL, 0), 1);
    return addr;
}

static int bound(int loop, int handle, int type) {
    const socket2_addr any = loopback(type);
    CHECK(handle > 0);
    CHECK_INT(socket2_socket_bind(loop, handle, &any), 0);
    return handle;
}

/* Nothing has begun, so the call is made again. */
static void test_a_udp_connect(void) {
    const int loop = new_loop();
    const int server = bound(loop, socket2_udp_new(loop, SOCKET2_INET, 0), SOCKET2_UDP);
    const int client = bound(loop, socket2_udp_new(loop, SOCKET2_INET, 0), SOCKET2_UDP);
    const socket2_addr addr = local_addr(loop, server);
    before_connect = TIMES;
    CHECK_INT(socket2_udp_connect(loop, client, &addr), 0);
    CHECK_INT(before_connect, 0);
    socket2_addr peer;
    CHECK_INT(socket2_socket_remoteaddr(loop, client, &peer), 0);
    CHECK_INT(socket2_addr_port(&peer), socket2_addr_port(&addr));
    CHECK_INT(socket2_loop_close(loop), 0);
}

/* The connect goes on, and a second one would be refused. */
static void test_a_tcp_connect(void) {
    const int loop = new_loop();
    const int listener = bound(loop, socket2_tcp_new(loop, SOCKET2_INET, 0), SOCKET2_TCP);
    CHECK_INT(socket2_tcp_listen(loop, listener, -1), 0);
    const int client = socket2_tcp_new(loop, SOCKET2_INET, 0);
    const socket2_addr addr = local_addr(loop, listener);
    after_connect = 1;
    const int r = socket2_tcp_connect(loop, client, &addr, in(LIMIT));
    CHECK_INT(after_connect, 0);
    CHECK_INT(finish(loop, r, client, SOCKET2_WRITE), 0);
    const int accepted = socket2_tcp_accept(loop, listener, NULL, in(LIMIT));
    CHECK(finish(loop, accepted, listener, SOCKET2_READ) > 0);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void* wake_soon(void* loop) {
    poll(NULL, 0, 1);
    CHECK_INT(socket2_wake(*(const int*)loop), 0);
    return NULL;
}

/* A wake is a write only if the loop sleeps by then. If it came before, it writes nothing, and
 * there is another round. */
static void test_a_wake(void) {
    need_a_shared_epoll(); /* other pollers do not wake by a write */
    int loop = new_loop();
    before_write = TIMES;
    const double end = in(LIMIT);
    while (before_write > 0 && socket2_clock() < end) {
        pthread_t thread;
        CHECK_INT(pthread_create(&thread, NULL, wake_soon, &loop), 0);
        socket2_event event;
        const double limit = in(LIMIT / 2);
        CHECK_INT(socket2_poll(loop, &event, 1, limit), 0);
        CHECK(socket2_clock() < limit);
        CHECK_INT(pthread_join(thread, NULL), 0);
    }
    CHECK_INT(before_write, 0);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static const test_case tests[] = {
    TEST(a_udp_connect),
    TEST(a_tcp_connect),
    TEST(a_wake),
};

int main(int argc, char** argv) {
    return run_tests(tests, sizeof tests / sizeof *tests, argc, argv);
}
