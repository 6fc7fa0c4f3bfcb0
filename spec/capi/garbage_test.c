/*
 * Every exported function with a random mix of good and bad arguments, and handles that are live,
 * stale, of another kind, of another loop or made up. Only documented answers may come back, a
 * handle that is not live is always recognized, every pending operation has exactly one event, and
 * no timer is early.
 *
 * garbage_test [SEED [SECONDS]]
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "descriptors.h"
#include "spec/capi/garbage/calls.h"

/* Random calls alone rarely connect anything. */
static void make_a_connection(void) {
    const int loop = loops[below(LOOPS)].handle;
    if (is_full(loop)) return;
    const int listener = socket2_tcp_new(loop, SOCKET2_INET, 0);
    made_socket(loop, listener, TCP);
    const int client = socket2_tcp_new(loop, SOCKET2_INET, 0);
    made_socket(loop, client, TCP);
    socket2_addr* addr = fresh_addr();
    if (socket2_socket_bind(loop, listener, &good_addrs[1]) != 0 ||
        socket2_tcp_listen(loop, listener, 5) != 0 ||
        socket2_socket_localaddr(loop, listener, addr) != 0) {
        fail("no listener", listener);
        return;
    }
    remember_addr(addr);
    const int accepting = socket2_tcp_accept(loop, listener, room_for_addr(), SOCKET2_NEVER);
    check_op(loop, listener, TCP, SOCKET2_READ, 1, accepting);
    const int connecting = socket2_tcp_connect(loop, client, addr, SOCKET2_NEVER);
    check_op(loop, client, TCP, SOCKET2_WRITE, 0, connecting);
}

static const call_table* const tables[] = {&process_calls, &loop_calls, &socket_calls,
                                           &stream_calls,  &name_calls, &channel_calls};
enum { TABLES = sizeof tables / sizeof *tables };

static call* any_call(void) {
    size_t count = 0;
    for (size_t i = 0; i < TABLES; ++i) count += tables[i]->count;
    size_t chosen = (size_t)below((int)count);
    const call_table* const* table = tables;
    while (chosen >= (*table)->count) chosen -= (*table++)->count;
    return &(*table)->calls[chosen];
}

int main(int argc, char** argv) {
    const uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
    seed_random(seed);
    const double seconds = argc > 2 ? strtod(argv[2], NULL) : 2;
    setvbuf(stdout, NULL, _IONBF, 0);
    printf("seed %llu, %g s\n", (unsigned long long)seed, seconds);
    const int fds = count_fds();
    current = "setup";
    socket2_thread_name(thread_name, sizeof thread_name);
    make_arguments();
    for (int i = 0; i < LOOPS; ++i) loops[i].handle = socket2_loop_new();

    const double end = socket2_clock() + seconds;
    for (step = 0; step % 64 != 0 || socket2_clock() < end; ++step) {
        /* Events are taken now and then, because otherwise the socket tables would only fill. */
        if (step % 8 == 0) {
            current = "socket2_poll";
            call_poll();
        } else if (step % 101 == 0) {
            current = "a connection";
            make_a_connection();
        } else if (step % 17 == 0) {
            current = "a message";
            if (one_in(2)) {
                call_channel_send();
            } else {
                call_channel_recv();
            }
        } else if (step % 13 == 0) {
            current = "own descriptors";
            stir_own_fds();
        } else {
            call* c = any_call();
            current = c->name;
            c->call();
            ++c->count;
        }
    }

    /* What is still pending completes when its socket is closed, once each. */
    current = "the end";
    for (int l = 0; l < LOOPS; ++l) {
        const int loop = loops[l].handle;
        while (loops[l].socket_count > 0) {
            const live_socket s = loops[l].sockets[0];
            const int code = s.is == TIMER     ? socket2_timer_close(loop, s.handle)
                             : s.is == LOOKUP  ? socket2_lookup_close(loop, s.handle)
                             : s.is == CHANNEL ? socket2_channel_close(loop, s.handle)
                                               : socket2_socket_close(loop, s.handle);
            if (code != 0) fail("a live one stays", code);
            remove_socket(loop, s.handle);
        }
        const double limit = socket2_clock() + 20;
        while (loops[l].pending_count > 0 && socket2_clock() < limit) {
            socket2_event events[16];
            const int n = socket2_poll(loop, events, 16, limit);
            check_code(n);
            for (int i = 0; i < n; ++i) check_event(loop, &events[i]);
        }
        if (loops[l].pending_count > 0) fail("an event never came", loops[l].pending_count);
        if (socket2_loop_close(loop) != 0) fail("a live loop cannot be closed", loop);
    }
    for (size_t i = 0; i < TABLES; ++i) {
        for (size_t k = 0; k < tables[i]->count; ++k) {
            if (tables[i]->calls[k].count == 0) fail(tables[i]->calls[k].name, 0);
        }
    }
    free_arguments();
    /* An abandoned lookup may still have a thread. */
    const double limit = socket2_clock() + 20;
    while (count_fds() != fds && socket2_clock() < limit) usleep(1000);
    if (count_fds() != fds) fail("descriptors are left", count_fds() - fds);
    printf("%d calls\n", step);
    printf("%d passed, %d failed\n", failures == 0, failures);
    return failures == 0 ? 0 : 1;
}
