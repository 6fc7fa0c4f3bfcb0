/* Timers in a C program. */
#define _GNU_SOURCE
#include <float.h>
#include <math.h>

#include "spec/capi/harness.h"

/* Long enough for a loaded machine; nothing that works waits for it. */
#define LIMIT 20.0

static int new_loop(void) {
    const int loop = socket2_loop_new();
    CHECK(loop > 0);
    return loop;
}

static int new_timer(int loop, double deadline) {
    const int timer = socket2_timer_new(loop, deadline);
    CHECK(timer > 0);
    return timer;
}

/* The next event; its handle is 0 when none comes. */
static socket2_event next_event(int loop) {
    const double limit = in(LIMIT);
    socket2_event event = {0, 0, 0, 0};
    int n = 0;
    while (n == 0 && socket2_clock() < limit) n = socket2_poll(loop, &event, 1, limit);
    CHECK_INT(n, 1);
    return event;
}

/* The next event belongs to this timer. */
static void check_goes_off(int loop, int timer) {
    const socket2_event event = next_event(loop);
    CHECK_INT(event.handle, timer);
    CHECK_INT(event.kind, SOCKET2_TIMER);
    CHECK_INT(event.result, 0);
    CHECK_INT(event.detail, 0);
}

static void check_quiet(int loop) {
    socket2_event event;
    for (int i = 0; i < 3; ++i) CHECK_INT(socket2_poll(loop, &event, 1, 0), 0);
}

/* Two datagram sockets; the second is connected to the first. */
typedef struct {
    int receiver, sender;
} udp_pair;

static udp_pair new_udp_pair(int loop) {
    udp_pair pair;
    socket2_addr addr;
    pair.receiver = socket2_udp_new(loop, SOCKET2_INET, 0);
    pair.sender = socket2_udp_new(loop, SOCKET2_INET, 0);
    CHECK(pair.receiver > 0 && pair.sender > 0);
    CHECK_INT(socket2_addr_lookup(NULL, NULL, SOCKET2_UDP, SOCKET2_INET, 0, 0, &addr, 1, NULL, 0),
              1);
    CHECK_INT(socket2_socket_bind(loop, pair.receiver, &addr), 0);
    CHECK_INT(socket2_socket_localaddr(loop, pair.receiver, &addr), 0);
    CHECK_INT(socket2_udp_connect(loop, pair.sender, &addr), 0);
    return pair;
}

/* ---- firing --------------------------------------------------------------------------------- */

static void test_goes_off_once_and_never_early(void) {
    const int loop = new_loop();
    static const double waits[] = {0, 1e-6, 1e-4, 0.00123, 0.01, 0.05};
    for (size_t i = 0; i < sizeof waits / sizeof *waits; ++i) {
        const double deadline = in(waits[i]);
        const int timer = new_timer(loop, deadline);
        check_goes_off(loop, timer);
        CHECK(socket2_clock() >= deadline);
        check_quiet(loop);
    }
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_a_passed_time_goes_off_with_the_next_poll(void) {
    const int loop = new_loop();
    const double passed[] = {socket2_clock(), socket2_clock() - 1, 0, -1, -1e300, -INFINITY};
    for (size_t i = 0; i < sizeof passed / sizeof *passed; ++i) {
        const int timer = new_timer(loop, passed[i]);
        socket2_event event;
        CHECK_INT(socket2_poll(loop, &event, 1, 0), 1);
        CHECK_INT(event.handle, timer);
        CHECK_INT(event.kind, SOCKET2_TIMER);
    }
    check_quiet(loop);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_a_far_time_does_not_come(void) {
    const int loop = new_loop();
    const double far[] = {in(1e6), in(1e9), 1e18, 1e300, DBL_MAX};
    int timers[5];
    for (int i = 0; i < 5; ++i) timers[i] = new_timer(loop, far[i]);
    const double deadline = in(0.02);
    socket2_event event;
    while (socket2_clock() < deadline) CHECK_INT(socket2_poll(loop, &event, 1, deadline), 0);
    for (int i = 0; i < 5; ++i) CHECK_INT(socket2_timer_close(loop, timers[i]), 0);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_bad_times(void) {
    const int loop = new_loop();
    CHECK_INT(socket2_timer_new(loop, NAN), SOCKET2_EINVAL);
    CHECK_INT(socket2_os_error(loop), 0);
    CHECK_INT(socket2_timer_new(loop, -NAN), SOCKET2_EINVAL);
    CHECK_INT(socket2_timer_new(loop, SOCKET2_NEVER), SOCKET2_EINVAL);
    check_quiet(loop);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_the_order_is_that_of_the_times(void) {
    enum { COUNT = 200 };
    const int loop = new_loop();
    int timers[COUNT];
    const double base = in(0.005);
    for (int i = 0; i < COUNT; ++i) {
        const int k = i * 77 % COUNT; /* 77 and 200 have no common divisor */
        timers[k] = new_timer(loop, base + k * 1e-4);
    }
    for (int k = 0; k < COUNT; ++k) {
        check_goes_off(loop, timers[k]);
        CHECK(socket2_clock() >= base + k * 1e-4);
    }
    check_quiet(loop);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_timers_of_one_time_each_come_once(void) {
    enum { COUNT = 1000 };
    const int loop = new_loop();
    int timers[COUNT], seen[COUNT] = {0};
    const double deadline = in(0.01);
    for (int i = 0; i < COUNT; ++i) timers[i] = new_timer(loop, deadline);
    int count = 0;
    const double limit = in(LIMIT);
    while (count < COUNT && socket2_clock() < limit) {
        socket2_event events[64];
        const int n = socket2_poll(loop, events, 64, limit);
        CHECK(n >= 0);
        if (n > 0) CHECK(socket2_clock() >= deadline);
        for (int e = 0; e < n; ++e) {
            for (int i = 0; i < COUNT; ++i) seen[i] += timers[i] == events[e].handle;
        }
        count += n;
    }
    CHECK_INT(count, COUNT);
    for (int i = 0; i < COUNT; ++i) CHECK_INT(seen[i], 1);
    check_quiet(loop);
    CHECK_INT(socket2_loop_close(loop), 0);
}

/* ---- closing -------------------------------------------------------------------------------- */

static void test_a_closed_timer_does_not_go_off(void) {
    const int loop = new_loop();
    const int a = new_timer(loop, in(0.001)), b = new_timer(loop, in(0.002));
    const int c = new_timer(loop, in(0.003)), d = new_timer(loop, 0);
    CHECK_INT(socket2_timer_close(loop, a), 0);
    CHECK_INT(socket2_timer_close(loop, c), 0);
    CHECK_INT(socket2_timer_close(loop, d), 0);
    check_goes_off(loop, b);
    const double deadline = in(0.01);
    socket2_event event;
    while (socket2_clock() < deadline) CHECK_INT(socket2_poll(loop, &event, 1, deadline), 0);
    CHECK_INT(socket2_loop_close(loop), 0);
}

/* Two are due, but there was room for only one event: the other can still be closed. */
static void test_a_timer_whose_event_was_not_given_can_be_closed(void) {
    const int loop = new_loop();
    const int a = new_timer(loop, 1), b = new_timer(loop, 2), c = new_timer(loop, 3);
    check_goes_off(loop, a);
    CHECK_INT(socket2_timer_close(loop, b), 0);
    CHECK_INT(socket2_timer_close(loop, b), SOCKET2_EBADHANDLE);
    check_goes_off(loop, c);
    check_quiet(loop);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_the_handle_is_stale_after_the_event(void) {
    const int loop = new_loop();
    for (int i = 0; i < 100; ++i) {
        const int timer = new_timer(loop, 0);
        check_goes_off(loop, timer);
        CHECK_INT(socket2_timer_close(loop, timer), SOCKET2_EBADHANDLE);
        const int next = new_timer(loop, in(LIMIT));
        CHECK(next != timer);
        CHECK_INT(socket2_timer_close(loop, timer), SOCKET2_EBADHANDLE);
        CHECK_INT(socket2_timer_close(loop, next), 0);
        CHECK_INT(socket2_timer_close(loop, next), SOCKET2_EBADHANDLE);
    }
    check_quiet(loop);
    CHECK_INT(socket2_loop_close(loop), 0);
}

/* Both events are in the caller's batch when it closes the timer: the events were given. */
static void test_a_close_inside_a_batch(void) {
    const int loop = new_loop();
    const int a = new_timer(loop, 1), b = new_timer(loop, 2);
    socket2_event events[4];
    CHECK_INT(socket2_poll(loop, events, 4, 0), 2);
    CHECK_INT(events[0].handle, a);
    CHECK_INT(events[1].handle, b);
    CHECK_INT(socket2_timer_close(loop, b), SOCKET2_EBADHANDLE);
    check_quiet(loop);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_bad_handles(void) {
    const int loop = new_loop(), other = new_loop();
    static const int made_up[] = {0, -1, 1, 12345, 0x7fffffff, -0x7fffffff - 1};
    for (size_t i = 0; i < sizeof made_up / sizeof *made_up; ++i) {
        CHECK_INT(socket2_timer_close(loop, made_up[i]), SOCKET2_EBADHANDLE);
        CHECK_INT(socket2_timer_new(made_up[i], 0), SOCKET2_EBADHANDLE);
        CHECK_INT(socket2_timer_close(made_up[i], 1), SOCKET2_EBADHANDLE);
    }
    CHECK_INT(socket2_timer_new(0, NAN), SOCKET2_EBADHANDLE);
    /* Names on their loop. */
    new_timer(loop, in(LIMIT));
    const int second = new_timer(loop, in(LIMIT));
    CHECK_INT(socket2_timer_close(other, second), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_timer_close(loop, second), 0);
    CHECK_INT(socket2_loop_close(other), 0);
    CHECK_INT(socket2_timer_new(other, 0), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_timer_close(other, 1), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_loop_close(loop), 0);
}

/* A timer's handle is a bad handle in every socket function, whatever else is wrong. */
static void test_a_timer_is_no_socket(void) {
    const int loop = new_loop();
    const int timer = new_timer(loop, in(LIMIT));
    socket2_addr addr, out;
    char data[8] = "";
    int value = 0;
    double since = 0;
    CHECK_INT(socket2_addr_lookup(NULL, "1", SOCKET2_TCP, SOCKET2_INET, 0, 0, &addr, 1, NULL, 0),
              1);
    CHECK_INT(socket2_socket_close(loop, timer), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_socket_cancel(loop, timer, SOCKET2_READ), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_socket_wait(loop, timer, SOCKET2_READ, 0), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_socket_pending(loop, timer, SOCKET2_READ, &since), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_socket_type(loop, timer), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_socket_family(loop, timer), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_socket_protocol(loop, timer), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_socket_fd(loop, timer), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_socket_bind(loop, timer, &addr), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_socket_shutdown(loop, timer, SOCKET2_SHUT_READ), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_socket_localaddr(loop, timer, &out), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_socket_remoteaddr(loop, timer, &out), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_socket_setopt(loop, timer, "rcvbuf", 1), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_socket_getopt(loop, timer, "rcvbuf", &value), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_socket_setopt_text(loop, timer, "bindtodevice", ""), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_socket_getopt_text(loop, timer, "bindtodevice", data, 8), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_tcp_listen(loop, timer, 1), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_tcp_accept(loop, timer, NULL, 0), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_tcp_connect(loop, timer, &addr, 0), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_stream_send(loop, timer, data, 1, 0), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_stream_recv(loop, timer, data, 1, 0), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_udp_connect(loop, timer, NULL), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_udp_send(loop, timer, data, 1, NULL, 0), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_udp_recv(loop, timer, data, 1, NULL, NULL, 0), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_udp_truncated(loop, timer), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_udp_join(loop, timer, &addr, NULL), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_udp_leave(loop, timer, &addr, NULL), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_lookup_cancel(loop, timer), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_lookup_result(loop, timer, NULL, 0, NULL, 0), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_lookup_close(loop, timer), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_timer_close(loop, timer), 0);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_a_socket_is_no_timer(void) {
    const int loop = new_loop();
    int fds[2];
    CHECK_INT(pipe(fds), 0);
    const int handles[] = {socket2_tcp_new(loop, SOCKET2_INET, 0),
                           socket2_udp_new(loop, SOCKET2_INET, 0), socket2_fd_new(loop, fds[0])};
    for (int i = 0; i < 3; ++i) {
        CHECK(handles[i] > 0);
        CHECK_INT(socket2_timer_close(loop, handles[i]), SOCKET2_EBADHANDLE);
        CHECK(socket2_socket_fd(loop, handles[i]) >= 0);
        CHECK_INT(socket2_socket_close(loop, handles[i]), 0);
    }
    const int lookup =
        socket2_lookup_new(loop, "127.0.0.1", "1", SOCKET2_TCP, SOCKET2_INET, 0, 0, SOCKET2_NEVER);
    CHECK(lookup > 0);
    CHECK_INT(socket2_timer_close(loop, lookup), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_lookup_close(loop, lookup), 0);
    CHECK_INT(socket2_loop_close(loop), 0);
    close(fds[0]);
    close(fds[1]);
}

/* ---- beside sockets ------------------------------------------------------------------------- */

static void test_a_crowd_does_not_hold_up_sockets(void) {
    enum { COUNT = 10000 };
    const int loop = new_loop();
    const udp_pair pair = new_udp_pair(loop);
    /* All these times have passed; the clock may have started with the machine, a minute ago. */
    for (int i = 0; i < COUNT; ++i) new_timer(loop, i * 1e-4);
    char data[8];
    int timers = 0, datagrams = 0, polls = 0, last = 0, receiving = SOCKET2_PENDING - 100;
    while (timers < COUNT && polls < 10 * COUNT) {
        if (receiving != SOCKET2_PENDING) {
            receiving = socket2_udp_recv(loop, pair.receiver, data, 8, NULL, NULL, SOCKET2_NEVER);
            CHECK_INT(receiving, SOCKET2_PENDING);
            CHECK_INT(socket2_udp_send(loop, pair.sender, "x", 1, NULL, in(LIMIT)), 1);
            last = polls;
        }
        socket2_event events[64];
        const int n = socket2_poll(loop, events, 64, 0);
        ++polls;
        CHECK(n > 0);
        for (int i = 0; i < n; ++i) {
            if (events[i].kind == SOCKET2_TIMER) {
                ++timers;
                continue;
            }
            CHECK_INT(events[i].handle, pair.receiver);
            CHECK_INT(events[i].result, 1);
            /* A loopback may be late, but the timers are not. */
            CHECK(polls - last < 50);
            ++datagrams;
            receiving = 0;
        }
        if (n <= 0) break;
    }
    CHECK_INT(timers, COUNT);
    CHECK(datagrams >= 5);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_busy_sockets_do_not_hold_up_a_timer(void) {
    const int loop = new_loop();
    const udp_pair pair = new_udp_pair(loop);
    char data[8];
    const double deadline = in(0.02);
    const int timer = new_timer(loop, deadline);
    const double limit = in(LIMIT);
    int late = 0, done = 0, receiving = 0;
    while (!done && socket2_clock() < limit) {
        if (receiving != SOCKET2_PENDING) {
            receiving = socket2_udp_recv(loop, pair.receiver, data, 8, NULL, NULL, SOCKET2_NEVER);
        }
        CHECK(socket2_udp_send(loop, pair.sender, "x", 1, NULL, 0) != SOCKET2_EBUSY);
        const int is_due = socket2_clock() >= deadline;
        socket2_event events[4];
        const int n = socket2_poll(loop, events, 4, is_due ? 0 : in(1e-3));
        for (int i = 0; i < n; ++i) {
            if (events[i].kind == SOCKET2_READ) receiving = 0;
            if (events[i].kind != SOCKET2_TIMER) continue;
            CHECK_INT(events[i].handle, timer);
            CHECK(socket2_clock() >= deadline);
            done = 1;
        }
        late += is_due && !done;
        CHECK(late <= 4);
    }
    CHECK(done);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_a_timer_and_a_deadline(void) {
    const int loop = new_loop();
    const udp_pair pair = new_udp_pair(loop);
    char data[8];
    const double base = in(0.005);
    CHECK_INT(socket2_udp_recv(loop, pair.receiver, data, 8, NULL, NULL, base + 0.005),
              SOCKET2_PENDING);
    const int before = new_timer(loop, base), behind = new_timer(loop, base + 0.2);
    check_goes_off(loop, before);
    const socket2_event event = next_event(loop);
    CHECK_INT(event.handle, pair.receiver);
    CHECK_INT(event.result, SOCKET2_ETIMEOUT);
    CHECK(socket2_clock() >= base + 0.005);
    check_goes_off(loop, behind);
    CHECK(socket2_clock() >= base + 0.2);
    check_quiet(loop);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_another_epoll_keeps_timers(void) {
    need_loops_that_share();
    const int loop = new_loop(), other = new_loop();
    const int timer = new_timer(loop, in(0.005));
    CHECK_INT(share(loop, other), 0);
    check_goes_off(loop, timer);
    CHECK_INT(socket2_loop_close(loop), 0);
    CHECK_INT(socket2_loop_close(other), 0);
}

static void test_a_wake_does_not_make_a_timer_early(void) {
    const int loop = new_loop();
    const double deadline = in(0.02);
    const int timer = new_timer(loop, deadline);
    socket2_event event;
    int n = 0;
    const double limit = in(LIMIT);
    while (n == 0 && socket2_clock() < limit) {
        CHECK_INT(socket2_wake(loop), 0);
        n = socket2_poll(loop, &event, 1, limit);
    }
    CHECK(socket2_clock() >= deadline);
    CHECK_INT(n, 1);
    CHECK_INT(event.handle, timer);
    CHECK_INT(socket2_loop_close(loop), 0);
}

/* ---- the end -------------------------------------------------------------------------------- */

static void test_a_loop_can_be_closed_with_timers(void) {
    for (int round = 0; round < 3; ++round) {
        const int loop = new_loop();
        for (int i = 0; i < 1000; ++i) new_timer(loop, round == 0 ? in(LIMIT) : i);
        if (round == 2) {
            /* Some have fired and were not taken, beside an operation that is pending. */
            const udp_pair pair = new_udp_pair(loop);
            char data[8];
            CHECK_INT(socket2_udp_recv(loop, pair.receiver, data, 8, NULL, NULL, SOCKET2_NEVER),
                      SOCKET2_PENDING);
            socket2_event event;
            CHECK_INT(socket2_poll(loop, &event, 1, 0), 1);
            CHECK_INT(socket2_socket_close(loop, pair.sender), 0);
        }
        CHECK_INT(socket2_loop_close(loop), 0);
    }
}

/* Against a table of what should be true: the seed is fixed. */
static void test_by_chance(void) {
    enum { COUNT = 300 };
    static struct {
        int handle;
        double deadline;
    } timers[COUNT];
    const int loop = new_loop();
    unsigned random = 7;
    int armed = 0, given = 0;
    for (int step = 0; step < 30000; ++step) {
        random = random * 1664525u + 1013904223u;
        const unsigned i = (random >> 8) % COUNT;
        switch ((random >> 24) % 4) {
            case 0:
            case 1:
                if (timers[i].handle != 0) break;
                timers[i].deadline = in(((int)(random >> 16 & 0xff) - 50) * 1e-5);
                timers[i].handle = new_timer(loop, timers[i].deadline);
                ++armed;
                break;
            case 2:
                if (timers[i].handle == 0) break;
                CHECK_INT(socket2_timer_close(loop, timers[i].handle), 0);
                timers[i].handle = 0;
                --armed;
                break;
            default: {
                socket2_event events[40];
                const int n = socket2_poll(loop, events, 1 + (int)(random >> 16) % 40, 0);
                const double now = socket2_clock();
                for (int e = 0; e < n; ++e) {
                    int found = 0;
                    for (int k = 0; k < COUNT; ++k) {
                        if (timers[k].handle != events[e].handle) continue;
                        ++found;
                        CHECK(timers[k].deadline <= now);
                        CHECK_INT(socket2_timer_close(loop, timers[k].handle), SOCKET2_EBADHANDLE);
                        timers[k].handle = 0;
                        --armed;
                        ++given;
                    }
                    CHECK_INT(found, 1);
                    CHECK_INT(events[e].kind, SOCKET2_TIMER);
                }
            }
        }
    }
    const double limit = in(LIMIT);
    while (armed > 0 && socket2_clock() < limit) {
        socket2_event event;
        if (socket2_poll(loop, &event, 1, limit) == 1) --armed;
    }
    CHECK_INT(armed, 0);
    CHECK(given > 100);
    check_quiet(loop);
    CHECK_INT(socket2_loop_close(loop), 0);
}

/* ---- all of them ---------------------------------------------------------------------------- */

static const test_case tests[] = {
    TEST(goes_off_once_and_never_early),
    TEST(a_passed_time_goes_off_with_the_next_poll),
    TEST(a_far_time_does_not_come),
    TEST(bad_times),
    TEST(the_order_is_that_of_the_times),
    TEST(timers_of_one_time_each_come_once),
    TEST(a_closed_timer_does_not_go_off),
    TEST(a_timer_whose_event_was_not_given_can_be_closed),
    TEST(the_handle_is_stale_after_the_event),
    TEST(a_close_inside_a_batch),
    TEST(bad_handles),
    TEST(a_timer_is_no_socket),
    TEST(a_socket_is_no_timer),
    TEST(a_crowd_does_not_hold_up_sockets),
    TEST(busy_sockets_do_not_hold_up_a_timer),
    TEST(a_timer_and_a_deadline),
    TEST(another_epoll_keeps_timers),
    TEST(a_wake_does_not_make_a_timer_early),
    TEST(a_loop_can_be_closed_with_timers),
    TEST(by_chance),
};

int main(int argc, char** argv) {
    return run_tests(tests, sizeof tests / sizeof *tests, argc, argv);
}
