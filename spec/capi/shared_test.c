/* Loops of several threads on one epoll or completion port: whichever takes an event, it reaches
 * its loop, and nothing is lost. */
#define _GNU_SOURCE
#include <pthread.h>

#include "spec/capi/events.h"

enum { MEMBERS = 3, ROUNDS = 200 };

static socket2_addr addr_of(int type) {
    socket2_addr addr;
    CHECK_INT(socket2_addr_lookup(NULL, NULL, type, SOCKET2_INET, 0, 0, &addr, 1, NULL, 0), 1);
    return addr;
}

static int bound_udp(int loop) {
    const socket2_addr any = addr_of(SOCKET2_UDP);
    const int handle = socket2_udp_new(loop, SOCKET2_INET, 0);
    CHECK_INT(socket2_socket_bind(loop, handle, &any), 0);
    return handle;
}

/* An event of that handle and kind, with no others before it: for loops in threads other than the
 * main one. */
static int wait_for(int loop, int result, int handle, int kind) {
    const double limit = in(LIMIT);
    while (result == SOCKET2_PENDING && socket2_clock() < limit) {
        socket2_event event;
        if (socket2_poll(loop, &event, 1, limit) != 1) continue;
        result = event.handle == handle && event.kind == kind ? event.result : -1000;
    }
    return result;
}

typedef struct {
    int loop, handle;
    socket2_addr next;
    int starts, done;
} member;

static int send_number(member* m, int number) {
    return wait_for(
               m->loop,
               socket2_udp_send(m->loop, m->handle, &number, sizeof number, &m->next, in(LIMIT)),
               m->handle, SOCKET2_WRITE) == (int)sizeof number;
}

/* A number goes round and grows. */
static void* pass_on(void* argument) {
    member* m = argument;
    int number = 0;
    if (m->starts && !send_number(m, 1)) return NULL;
    for (; m->done < ROUNDS; ++m->done) {
        const int expected = number == 0 ? 0 : number + MEMBERS;
        const int r =
            socket2_udp_recv(m->loop, m->handle, &number, sizeof number, NULL, NULL, in(LIMIT));
        if (wait_for(m->loop, r, m->handle, SOCKET2_READ) != (int)sizeof number) break;
        if (expected != 0 && number != expected) break;
        const int last = m->starts && m->done == ROUNDS - 1;
        if (!last && !send_number(m, number + 1)) break;
    }
    return NULL;
}

static void test_datagrams_go_round(void) {
    need_loops_that_share();
    static member members[MEMBERS];
    pthread_t threads[MEMBERS];
    for (int i = 0; i < MEMBERS; ++i) {
        members[i].loop = new_loop();
        if (i > 0) CHECK_INT(share(members[i].loop, members[0].loop), 0);
        members[i].handle = bound_udp(members[i].loop);
        members[i].starts = i == 0;
    }
    for (int i = 0; i < MEMBERS; ++i) {
        const member* next = &members[(i + 1) % MEMBERS];
        members[i].next = local_addr(next->loop, next->handle);
    }
    for (int i = 0; i < MEMBERS; ++i) pthread_create(&threads[i], NULL, pass_on, &members[i]);
    for (int i = 0; i < MEMBERS; ++i) pthread_join(threads[i], NULL);
    for (int i = 0; i < MEMBERS; ++i) {
        CHECK_INT(members[i].done, ROUNDS);
        CHECK_INT(socket2_loop_close(members[i].loop), 0);
    }
}

/* The numbers of a stream, received on one of the loops while another loop sends them. */
typedef struct {
    int loop, handle;
    unsigned count, bad;
} stream;

enum { NUMBERS = 20000 };

static void* read_numbers(void* argument) {
    stream* s = argument;
    static unsigned char data[4093];
    for (;;) {
        const int r = socket2_stream_recv(s->loop, s->handle, data, sizeof data, in(LIMIT));
        const int n = wait_for(s->loop, r, s->handle, SOCKET2_READ);
        if (n <= 0) break;
        for (int i = 0; i < n; ++i, ++s->count) s->bad += data[i] != (unsigned char)(s->count * 7);
    }
    return NULL;
}

static void* write_numbers(void* argument) {
    stream* s = argument;
    static unsigned char data[NUMBERS];
    for (unsigned i = 0; i < NUMBERS; ++i) data[i] = (unsigned char)(i * 7);
    while (s->count < NUMBERS) {
        const unsigned left = NUMBERS - s->count, size = left < 101 ? left : 101;
        const int r = socket2_stream_send(s->loop, s->handle, data + s->count, size, in(LIMIT));
        if (wait_for(s->loop, r, s->handle, SOCKET2_WRITE) != (int)size) break;
        s->count += size;
    }
    CHECK_INT(socket2_socket_close(s->loop, s->handle), 0);
    return NULL;
}

static void test_a_stream_between_two_of_them(void) {
    need_loops_that_share();
    static stream reader, writer;
    reader.loop = new_loop();
    writer.loop = new_loop();
    /* A loop that leaves takes nothing along. */
    const int leaves = new_loop();
    CHECK_INT(share(reader.loop, leaves), 0);
    CHECK_INT(share(writer.loop, leaves), 0);
    const socket2_addr any = addr_of(SOCKET2_TCP);
    const int listener = socket2_tcp_new(reader.loop, SOCKET2_INET, 0);
    CHECK_INT(socket2_socket_bind(reader.loop, listener, &any), 0);
    CHECK_INT(socket2_tcp_listen(reader.loop, listener, 1), 0);
    const socket2_addr to = local_addr(reader.loop, listener);
    writer.handle = socket2_tcp_new(writer.loop, SOCKET2_INET, 0);
    const int connecting = socket2_tcp_connect(writer.loop, writer.handle, &to, in(LIMIT));
    const int accepting = socket2_tcp_accept(reader.loop, listener, NULL, in(LIMIT));
    /* It finds events of the others. */
    for (int i = 0; i < 20; ++i) CHECK_INT(poll_into_inbox(leaves, in(0.001)), 0);
    CHECK_INT(wait_for(writer.loop, connecting, writer.handle, SOCKET2_WRITE), 0);
    reader.handle = wait_for(reader.loop, accepting, listener, SOCKET2_READ);
    CHECK(reader.handle > 0);
    pthread_t threads[2];
    pthread_create(&threads[0], NULL, read_numbers, &reader);
    pthread_create(&threads[1], NULL, write_numbers, &writer);
    CHECK_INT(poll_into_inbox(leaves, in(0.01)), 0);
    CHECK_INT(socket2_loop_close(leaves), 0);
    for (int i = 0; i < 2; ++i) pthread_join(threads[i], NULL);
    CHECK_INT(writer.count, NUMBERS);
    CHECK_INT(reader.count, NUMBERS);
    CHECK_INT(reader.bad, 0);
    CHECK_INT(socket2_loop_close(reader.loop), 0);
    CHECK_INT(socket2_loop_close(writer.loop), 0);
}

/* Its operations have begun, and another loop may have their results. */
static void test_a_loop_with_operations_leaves(void) {
    need_loops_that_share();
    enum { SOCKETS = 20 };
    const int stays = new_loop();
    for (int i = 0; i < 10; ++i) {
        const int leaves = new_loop();
        CHECK_INT(share(leaves, stays), 0);
        char data[SOCKETS];
        const int sender = bound_udp(stays);
        for (int k = 0; k < SOCKETS; ++k) {
            const int handle = bound_udp(leaves);
            const socket2_addr to = local_addr(leaves, handle);
            CHECK_INT(socket2_udp_recv(leaves, handle, &data[k], 1, NULL, NULL, SOCKET2_NEVER),
                      SOCKET2_PENDING);
            if (k % 2 == 0) {
                CHECK_INT(finish(stays, socket2_udp_send(stays, sender, "x", 1, &to, in(LIMIT)),
                                 sender, SOCKET2_WRITE),
                          1);
            }
        }
        CHECK_INT(poll_into_inbox(stays, in(0.002)), 0);
        CHECK_INT(socket2_loop_close(leaves), 0);
        CHECK_INT(socket2_socket_close(stays, sender), 0);
    }
    check_quiet(stays);
    CHECK_INT(socket2_loop_close(stays), 0);
}

static void test_not_with_sockets(void) {
    need_loops_that_share();
    const int a = new_loop(), b = new_loop();
    const int handle = bound_udp(a);
    CHECK_INT(share(a, b), SOCKET2_EBUSY);
    CHECK_INT(share(b, a), 0);
    CHECK_INT(share(a, b), 0); /* it shares already */
    CHECK_INT(socket2_socket_close(a, handle), 0);
    const int c = new_loop();
    CHECK_INT(share(a, c), 0);
    CHECK_INT(socket2_loop_close(b), 0);
    CHECK_INT(socket2_loop_close(a), 0);
    CHECK_INT(socket2_loop_close(c), 0);
}

static const test_case tests[] = {
    TEST(datagrams_go_round),
    TEST(a_stream_between_two_of_them),
    TEST(a_loop_with_operations_leaves),
    TEST(not_with_sockets),
};

int main(int argc, char** argv) {
    return run_tests(tests, sizeof tests / sizeof *tests, argc, argv);
}
