/* Operations that end early while what they wait for comes: nothing is lost, nothing comes twice,
 * and memory is not touched after the event was given. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>

#include "spec/capi/events.h"

static socket2_addr loopback(int type) {
    socket2_addr addr;
    CHECK_INT(socket2_addr_lookup(NULL, NULL, type, SOCKET2_INET, 0, 0, &addr, 1, NULL, 0), 1);
    return addr;
}

static int bound(int loop, int type) {
    const socket2_addr any = loopback(type);
    const int handle = type == SOCKET2_TCP ? socket2_tcp_new(loop, SOCKET2_INET, 0)
                                           : socket2_udp_new(loop, SOCKET2_INET, 0);
    CHECK_INT(socket2_socket_bind(loop, handle, &any), 0);
    return handle;
}

static int listening(int loop) {
    const int listener = bound(loop, SOCKET2_TCP);
    CHECK_INT(socket2_tcp_listen(loop, listener, 100), 0);
    return listener;
}

/* A connection between two loops. */
static void connect_loops(int loop, int* server, int other_loop, int* client) {
    const int listener = listening(loop);
    const socket2_addr to = local_addr(loop, listener);
    *client = socket2_tcp_new(other_loop, SOCKET2_INET, 0);
    const int connecting = socket2_tcp_connect(other_loop, *client, &to, in(LIMIT));
    const int accepting = socket2_tcp_accept(loop, listener, NULL, in(LIMIT));
    CHECK_INT(finish(other_loop, connecting, *client, SOCKET2_WRITE), 0);
    *server = finish(loop, accepting, listener, SOCKET2_READ);
    CHECK(*server > 0);
    CHECK_INT(socket2_socket_close(loop, listener), 0);
}

/* ---- memory that is watched ----------------------------------------------------------------- */

enum { BUFFERS = 32, ROOM = 64, GUARD = 32, POISON = 0xa5, FENCE = 0x3c };

static struct { unsigned char before[GUARD], data[ROOM], after[GUARD]; } buffers[BUFFERS];

static int filled_with(const unsigned char* data, size_t size, int byte) {
    for (size_t i = 0; i < size; ++i) {
        if (data[i] != byte) return 0;
    }
    return 1;
}

static void poison(int buffer) {
    memset(buffers[buffer].before, FENCE, GUARD);
    memset(buffers[buffer].data, POISON, ROOM);
    memset(buffers[buffer].after, FENCE, GUARD);
}

static void poison_all(void) {
    for (int i = 0; i < BUFFERS; ++i) poison(i);
}

/* Beyond the first `size` bytes. */
static void check_untouched(int buffer, size_t size) {
    CHECK(filled_with(buffers[buffer].before, GUARD, FENCE));
    CHECK(filled_with(buffers[buffer].data + size, ROOM - size, POISON));
    CHECK(filled_with(buffers[buffer].after, GUARD, FENCE));
}

static void check_all_untouched(void) {
    for (int i = 0; i < BUFFERS; ++i) check_untouched(i, 0);
}

static unsigned seed = 1;

static unsigned below(unsigned n) {
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % n;
}

/* A deadline that has usually passed before anything comes. */
static double soon(void) {
    switch (below(4)) {
        case 0:
            return 0;
        case 1:
            return SOCKET2_AT_ONCE;
        default:
            return in(1e-5 * below(200));
    }
}

/* Finishes the operation, and sometimes cancels it on the way. */
static int finish_early(int loop, int result, int handle) {
    if (result == SOCKET2_PENDING && below(3) == 0) {
        if (below(2) == 0) poll_into_inbox(loop, 0);
        CHECK_INT(socket2_socket_cancel(loop, handle, SOCKET2_READ), 0);
    }
    return finish(loop, result, handle, SOCKET2_READ);
}

static int is_early(int result) {
    return result == SOCKET2_ETIMEOUT || result == SOCKET2_ECANCELED;
}

/* ---- a stream ------------------------------------------------------------------------------- */

enum { CANCELS = 3000 };

typedef struct {
    int loop, handle;
    socket2_addr to;
    atomic_uint sent, received;
    atomic_int stop, over;
} source;

static unsigned char byte_of(unsigned number) {
    return (unsigned char)(number * 13 + number / 256);
}

static int finish_write(int loop, int result, int handle) {
    socket2_event event;
    const double limit = in(LIMIT);
    while (result == SOCKET2_PENDING && socket2_clock() < limit) {
        if (socket2_poll(loop, &event, 1, limit) == 1 && event.handle == handle)
            return event.result;
    }
    return result;
}

/* Sends while no more than that is on its way. */
static int has_room(source* s, unsigned most) {
    return atomic_load(&s->sent) - atomic_load(&s->received) < most;
}

static void rest_a_little(source* s) {
    socket2_event event;
    socket2_poll(s->loop, &event, 1, in(1e-4));
}

static void* stream_out(void* argument) {
    source* s = argument;
    unsigned char data[100];
    for (unsigned turn = 0; !atomic_load(&s->stop); ++turn) {
        rest_a_little(s);
        if (!has_room(s, 4096)) continue;
        const unsigned first = atomic_load(&s->sent), size = turn * 7919 % sizeof data + 1;
        for (unsigned i = 0; i < size; ++i) data[i] = byte_of(first + i);
        atomic_store(&s->sent, first + size);
        const int r = socket2_stream_send(s->loop, s->handle, data, size, SOCKET2_NEVER);
        if (finish_write(s->loop, r, s->handle) != (int)size) break;
    }
    socket2_socket_close(s->loop, s->handle);
    return NULL;
}

static void test_reads_of_a_stream_that_end_early(void) {
    static source s;
    const int loop = new_loop();
    int server;
    s.loop = new_loop();
    connect_loops(loop, &server, s.loop, &s.handle);
    poison_all();
    pthread_t thread;
    CHECK_INT(pthread_create(&thread, NULL, stream_out, &s), 0);
    unsigned number = 0;
    int early = 0, wrong = 0, r = 1;
    const double limit = in(60);
    while (r != 0 && socket2_clock() < limit) {
        if (early >= CANCELS) atomic_store(&s.stop, 1);
        const int buffer = (int)below(BUFFERS);
        const size_t size = below(ROOM) + 1;
        unsigned char* data = buffers[buffer].data;
        r = finish_early(loop, socket2_stream_recv(loop, server, data, size, soon()), server);
        if (is_early(r)) {
            ++early;
        } else if (r < 0) {
            CHECK_INT(r, 0);
            break;
        }
        const size_t came = r > 0 ? (size_t)r : 0;
        for (size_t i = 0; i < came; ++i) wrong += data[i] != byte_of(number++);
        atomic_store(&s.received, number);
        check_untouched(buffer, came);
        poison(buffer);
        if (below(64) == 0) check_all_untouched();
    }
    CHECK_INT(r, 0);
    CHECK_INT(pthread_join(thread, NULL), 0);
    CHECK_INT(wrong, 0);
    CHECK_INT(number, atomic_load(&s.sent));
    CHECK(early >= CANCELS);
    CHECK_INT(socket2_loop_close(loop), 0);
    CHECK_INT(socket2_loop_close(s.loop), 0);
    check_all_untouched();
}

/* ---- datagrams ------------------------------------------------------------------------------ */

static void* datagrams_out(void* argument) {
    source* s = argument;
    unsigned char data[ROOM];
    while (!atomic_load(&s->stop)) {
        rest_a_little(s);
        if (!has_room(s, 8)) continue;
        const unsigned number = atomic_load(&s->sent);
        memset(data, byte_of(number), sizeof data);
        memcpy(data, &number, sizeof number);
        atomic_store(&s->sent, number + 1);
        const size_t size = sizeof number + number % (ROOM - sizeof number + 1);
        const int r = socket2_udp_send(s->loop, s->handle, data, size, &s->to, SOCKET2_NEVER);
        if (finish_write(s->loop, r, s->handle) != (int)size) break;
    }
    atomic_store(&s->over, 1);
    return NULL;
}

static void test_datagrams_and_receives_that_end_early(void) {
    static source s;
    const int loop = new_loop();
    const int receiver = bound(loop, SOCKET2_UDP);
    s.loop = new_loop();
    s.handle = bound(s.loop, SOCKET2_UDP);
    s.to = local_addr(loop, receiver);
    poison_all();
    pthread_t thread;
    CHECK_INT(pthread_create(&thread, NULL, datagrams_out, &s), 0);
    unsigned number = 0;
    int early = 0;
    const double limit = in(60);
    socket2_addr from[2];
    for (int k = 0; k < 2; ++k) memset(&from[k], POISON, sizeof from[k]);
    while ((!atomic_load(&s.over) || number != atomic_load(&s.sent)) && socket2_clock() < limit) {
        if (early >= CANCELS) atomic_store(&s.stop, 1);
        const int buffer = (int)below(BUFFERS);
        unsigned char* data = buffers[buffer].data;
        const int r = finish_early(
            loop, socket2_udp_recv(loop, receiver, data, ROOM, NULL, &from[0], soon()), receiver);
        size_t came = 0;
        if (is_early(r)) {
            ++early;
        } else {
            unsigned got;
            CHECK_INT(r, sizeof got + number % (ROOM - sizeof got + 1));
            came = r > 0 ? (size_t)r : 0;
            memcpy(&got, data, sizeof got);
            CHECK_INT(got, number);
            CHECK(filled_with(data + sizeof got, came - sizeof got, byte_of(number)));
            ++number;
            atomic_store(&s.received, number);
        }
        if (failures > 20) break;
        check_untouched(buffer, came);
        poison(buffer);
        if (below(64) == 0) check_all_untouched();
    }
    atomic_store(&s.stop, 1);
    CHECK_INT(pthread_join(thread, NULL), 0);
    CHECK_INT(number, atomic_load(&s.sent));
    CHECK(early >= CANCELS);
    CHECK_INT(socket2_loop_close(loop), 0);
    CHECK_INT(socket2_loop_close(s.loop), 0);
    check_all_untouched();
    CHECK(filled_with((const unsigned char*)&from[1], sizeof from[1], POISON));
}

/* ---- connections ---------------------------------------------------------------------------- */

/* Each connection is accepted once, by one of many accepts that end early. */
static void test_accepts_that_end_early(void) {
    enum { CLIENTS = 100 };
    const int loop = new_loop(), other = new_loop();
    const int listener = listening(loop);
    const socket2_addr to = local_addr(loop, listener);
    static int clients[CLIENTS], seen[CLIENTS];
    int begun = 0, accepted = 0, early = 0;
    const double limit = in(60);
    while (accepted < CLIENTS && socket2_clock() < limit) {
        if (begun < CLIENTS && begun - accepted < 20 && below(3) == 0) {
            const int client = clients[begun++] = socket2_tcp_new(other, SOCKET2_INET, 0);
            const int r = socket2_tcp_connect(other, client, &to, in(LIMIT));
            CHECK_INT(finish(other, r, client, SOCKET2_WRITE), 0);
            const unsigned char number = (unsigned char)(begun - 1);
            CHECK_INT(finish(other, socket2_stream_send(other, client, &number, 1, in(LIMIT)),
                             client, SOCKET2_WRITE),
                      1);
        }
        const int server =
            finish_early(loop, socket2_tcp_accept(loop, listener, NULL, soon()), listener);
        if (is_early(server)) {
            ++early;
            continue;
        }
        CHECK(server > 0);
        unsigned char number = 255;
        CHECK_INT(recv_some(loop, server, (char*)&number, 1), 1);
        if (number < CLIENTS) ++seen[number];
        CHECK_INT(socket2_socket_close(loop, server), 0);
        ++accepted;
    }
    for (int i = 0; i < CLIENTS; ++i) CHECK_INT(seen[i], 1);
    CHECK(early > 0);
    CHECK_INT(socket2_loop_close(loop), 0);
    CHECK_INT(socket2_loop_close(other), 0);
}

/* ---- what is still pending ------------------------------------------------------------------ */

enum { PAIRS = 10, HANDLES = 6 * PAIRS };

static char* much; /* more than a connection takes */
enum { MUCH = 32 << 20 };

/* One of each kind, many times: the handles, and the kinds of their pending operations. */
static int pending_of_all_kinds(int loop, int handles[HANDLES], int kinds[HANDLES]) {
    int n = 0;
    much = calloc(1, MUCH);
    poison_all();
    const socket2_addr nobody = local_addr(loop, bound(loop, SOCKET2_UDP));
    for (int i = 0; i < PAIRS; ++i) {
        int server, client;
        connect_loops(loop, &server, loop, &client);
        CHECK_INT(socket2_stream_recv(loop, server, buffers[i].data, ROOM, SOCKET2_NEVER),
                  SOCKET2_PENDING);
        handles[n] = server, kinds[n++] = SOCKET2_READ;
        CHECK_INT(socket2_stream_send(loop, server, much, MUCH, SOCKET2_NEVER), SOCKET2_PENDING);
        handles[n] = server, kinds[n++] = SOCKET2_WRITE;
        CHECK_INT(socket2_socket_wait(loop, bound(loop, SOCKET2_UDP), SOCKET2_READ, SOCKET2_NEVER),
                  SOCKET2_PENDING);
        const int listener = listening(loop);
        CHECK_INT(socket2_tcp_accept(loop, listener, NULL, SOCKET2_NEVER), SOCKET2_PENDING);
        handles[n] = listener, kinds[n++] = SOCKET2_READ;
        const int receiver = bound(loop, SOCKET2_UDP);
        CHECK_INT(socket2_udp_recv(loop, receiver, buffers[PAIRS + i].data, ROOM,
                                   i % 2 ? &nobody : NULL, NULL, SOCKET2_NEVER),
                  SOCKET2_PENDING);
        handles[n] = receiver, kinds[n++] = SOCKET2_READ;
        const int waiting = bound(loop, SOCKET2_UDP);
        CHECK_INT(socket2_socket_wait(loop, waiting, SOCKET2_READ, in(1000)), SOCKET2_PENDING);
        handles[n] = waiting, kinds[n++] = SOCKET2_READ;
    }
    CHECK_INT(inbox.count, 0);
    return n;
}

static void test_close_with_all_kinds_pending(void) {
    int handles[HANDLES], kinds[HANDLES];
    const int loop = new_loop();
    const int n = pending_of_all_kinds(loop, handles, kinds);
    for (int i = 0; i < n; ++i) {
        const int r = socket2_socket_close(loop, handles[i]);
        CHECK(r == 0 || (r == SOCKET2_EBADHANDLE && i > 0 && handles[i] == handles[i - 1]));
    }
    for (int i = 0; i < n; ++i) {
        CHECK_INT(finish(loop, SOCKET2_PENDING, handles[i], kinds[i]), SOCKET2_ECLOSED);
    }
    check_quiet(loop);
    CHECK_INT(socket2_loop_close(loop), 0);
    check_all_untouched();
    free(much);
}

static void test_loop_close_with_all_kinds_pending(void) {
    int handles[HANDLES], kinds[HANDLES];
    const int loop = new_loop();
    pending_of_all_kinds(loop, handles, kinds);
    CHECK_INT(socket2_loop_close(loop), 0);
    check_all_untouched();
    memset(much, 1, MUCH);
    free(much);
}

/* The process of this test exits while these are pending. */
static void test_exit_with_all_kinds_pending(void) {
    int handles[HANDLES], kinds[HANDLES];
    pending_of_all_kinds(new_loop(), handles, kinds);
    pending_of_all_kinds(new_loop(), handles, kinds);
}

static void test_a_peer_that_dies(void) {
    for (int sends = 0; sends <= 1; ++sends) {
        const int loop = new_loop(), other = new_loop();
        int server, client;
        much = calloc(1, MUCH);
        poison_all();
        connect_loops(loop, &server, other, &client);
        int r = sends ? socket2_stream_send(loop, server, much, MUCH, in(LIMIT))
                      : socket2_stream_recv(loop, server, buffers[0].data, ROOM, in(LIMIT));
        CHECK_INT(r, SOCKET2_PENDING);
        CHECK_INT(poll_into_inbox(loop, 0), 0);
        /* Like the system does for a killed process. */
        CHECK_INT(socket2_socket_setopt(other, client, "linger", 0), 0);
        CHECK_INT(socket2_socket_close(other, client), 0);
        r = finish(loop, r, server, sends ? SOCKET2_WRITE : SOCKET2_READ);
        CHECK(r == SOCKET2_ECONNRESET || (sends && r == SOCKET2_EPIPE));
        CHECK_INT(socket2_socket_close(loop, server), 0);
        check_quiet(loop);
        check_all_untouched();
        CHECK_INT(socket2_loop_close(loop), 0);
        CHECK_INT(socket2_loop_close(other), 0);
        free(much);
    }
}

static const test_case tests[] = {
    TEST(reads_of_a_stream_that_end_early),
    TEST(datagrams_and_receives_that_end_early),
    TEST(accepts_that_end_early),
    TEST(close_with_all_kinds_pending),
    TEST(loop_close_with_all_kinds_pending),
    TEST(exit_with_all_kinds_pending),
    TEST(a_peer_that_dies),
};

int main(int argc, char** argv) {
    return run_tests(tests, sizeof tests / sizeof *tests, argc, argv);
}
