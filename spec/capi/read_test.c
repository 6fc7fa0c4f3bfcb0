/* Buffered reads: every split of the bytes, a cancel and a deadline at every place, and what they
 * promise. */
#define _GNU_SOURCE
#include <limits.h>
#include <math.h>

#include "spec/capi/events.h"

typedef struct {
    int loop, listener, client, server;
} connection;

static connection connected(void) {
    connection c = {new_loop(), 0, 0, 0};
    socket2_addr addr;
    CHECK_INT(socket2_addr_lookup(NULL, NULL, SOCKET2_TCP, SOCKET2_INET, 0, 0, &addr, 1, NULL, 0),
              1);
    c.listener = socket2_tcp_new(c.loop, SOCKET2_INET, 0);
    c.client = socket2_tcp_new(c.loop, SOCKET2_INET, 0);
    CHECK_INT(socket2_socket_bind(c.loop, c.listener, &addr), 0);
    CHECK_INT(socket2_tcp_listen(c.loop, c.listener, 5), 0);
    addr = local_addr(c.loop, c.listener);
    const int connecting = socket2_tcp_connect(c.loop, c.client, &addr, in(LIMIT));
    const int accepting = socket2_tcp_accept(c.loop, c.listener, NULL, in(LIMIT));
    CHECK_INT(finish(c.loop, connecting, c.client, SOCKET2_WRITE), 0);
    c.server = finish(c.loop, accepting, c.listener, SOCKET2_READ);
    CHECK(c.server > 0);
    return c;
}

static void end(connection c) {
    check_quiet(c.loop);
    CHECK_INT(socket2_loop_close(c.loop), 0);
}

static void feed(connection c, const char* data, size_t size) {
    CHECK_INT(finish(c.loop, socket2_stream_send(c.loop, c.client, data, size, in(LIMIT)), c.client,
                     SOCKET2_WRITE),
              size);
}

static void hang_up(connection c) {
    CHECK_INT(socket2_socket_shutdown(c.loop, c.client, SOCKET2_SHUT_WRITE), 0);
}

/* Lets what was sent arrive, and pending operations see it. */
static void look(int loop) {
    for (int i = 0; i < 3; ++i) poll_into_inbox(loop, in(0.0005));
}

/* ---- a script of reads ---- */

typedef struct {
    char kind; /* r: read, p: peek, l: line, u: until "--", a: all, v: recv */
    size_t limit;
    const char* expected; /* null: an error is expected */
    int error;
} step;

static int begin(connection c, const step* s, double deadline) {
    static char room[64];
    switch (s->kind) {
        case 'r':
            return socket2_stream_read(c.loop, c.server, s->limit, deadline);
        case 'p':
            return socket2_stream_peek(c.loop, c.server, s->limit, deadline);
        case 'l':
            return socket2_stream_readline(c.loop, c.server, s->limit, deadline);
        case 'u':
            return socket2_stream_readuntil(c.loop, c.server, "--", 2, s->limit, deadline);
        case 'v':
            return socket2_stream_recv(c.loop, c.server, room, s->limit, deadline);
        default:
            return socket2_stream_readall(c.loop, c.server, s->limit, deadline);
    }
}

static int end_step(connection c, int begun) {
    return finish(c.loop, begun, c.server, SOCKET2_READ);
}

static void check_result(connection c, const step* s, int result) {
    const char* data = socket2_stream_data(c.loop, c.server);
    if (s->expected == NULL) {
        CHECK_INT(result, s->error);
        CHECK(data == NULL);
        return;
    }
    CHECK_INT(result, strlen(s->expected));
    CHECK(data != NULL && memcmp(data, s->expected, strlen(s->expected)) == 0);
    if (s->kind == 'l') CHECK(data[result] == '\r' || data[result] == '\n');
}

static const char kText[] = "12345one\r\n\ntwo\r\r\n-x-part---\n-- the rest\r";
static const step kScript[] = {
    {'r', 0, "", 0},
    {'p', 3, "123", 0},
    {'l', 4, NULL, SOCKET2_ETOOLONG},
    {'r', 5, "12345", 0},
    {'l', 3, "one", 0},
    {'l', 0, "", 0},
    {'l', 3, NULL, SOCKET2_ETOOLONG},
    {'l', 4, "two\r", 0},
    {'u', 6, NULL, SOCKET2_ETOOLONG},
    {'u', 7, "-x-part", 0},
    {'l', 100, "-", 0},
    {'u', 0, "", 0},
    {'a', 9, NULL, SOCKET2_ETOOLONG},
    {'l', 100, NULL, SOCKET2_EENDOFSTREAM},
    {'r', 11, NULL, SOCKET2_EENDOFSTREAM},
    {'p', 10, " the rest\r", 0},
    {'a', 10, " the rest\r", 0},
    {'a', 10, "", 0},
    {'r', 1, NULL, SOCKET2_EENDOFSTREAM},
};
enum { STEPS = sizeof kScript / sizeof *kScript, LENGTH = sizeof kText - 1 };

static void test_every_split(void) {
    for (size_t split = 0; split <= LENGTH; ++split) {
        connection c = connected();
        if (split > 0) feed(c, kText, split);
        look(c.loop);
        int fed = 0;
        for (int i = 0; i < STEPS; ++i) {
            int r = begin(c, &kScript[i], in(LIMIT));
            if (r == SOCKET2_PENDING && !fed) {
                look(c.loop);
                if (split < LENGTH) feed(c, kText + split, LENGTH - split);
                hang_up(c);
                fed = 1;
            }
            check_result(c, &kScript[i], end_step(c, r));
            CHECK_INT(socket2_socket_pending(c.loop, c.server, SOCKET2_READ, NULL), 0);
        }
        end(c);
    }
}

/* All of it comes in single bytes, and before each byte the read is ended and begun again. */
static void test_what_ends_a_read_in_the_middle_loses_nothing(void) {
    for (int late = 0; late <= 1; ++late) {
        connection c = connected();
        size_t fed = 0;
        for (int i = 0; i < STEPS; ++i) {
            int r = begin(c, &kScript[i], in(LIMIT));
            while (r == SOCKET2_PENDING) {
                look(c.loop);
                int result = SOCKET2_PENDING;
                if (take(c.server, SOCKET2_READ, &result)) {
                    r = result;
                    break;
                }
                CHECK_INT(socket2_socket_pending(c.loop, c.server, SOCKET2_READ, NULL),
                          SOCKET2_OP_RECV);
                CHECK_INT(begin(c, &kScript[i], in(LIMIT)), SOCKET2_EBUSY);
                CHECK(socket2_stream_data(c.loop, c.server) == NULL);
                CHECK_INT(socket2_socket_cancel(c.loop, c.server, SOCKET2_READ), 0);
                result = end_step(c, r);
                if (result != SOCKET2_ECANCELED) {
                    r = result;
                    break;
                }
                if (fed < LENGTH) {
                    feed(c, kText + fed++, 1);
                } else {
                    hang_up(c);
                }
                r = begin(c, &kScript[i], late ? 0 : in(LIMIT));
                if (late) {
                    r = end_step(c, r);
                    if (r == SOCKET2_ETIMEOUT) r = begin(c, &kScript[i], in(LIMIT));
                }
            }
            check_result(c, &kScript[i], r);
        }
        end(c);
    }
}

static void test_at_once(void) {
    connection c = connected();
    CHECK_INT(socket2_stream_readline(c.loop, c.server, 100, SOCKET2_AT_ONCE), SOCKET2_ETIMEOUT);
    feed(c, "li", 2);
    const double limit = in(LIMIT);
    while (socket2_stream_buffered(c.loop, c.server) < 2 && socket2_clock() < limit) {
        CHECK_INT(socket2_stream_readline(c.loop, c.server, 100, SOCKET2_AT_ONCE),
                  SOCKET2_ETIMEOUT);
        poll_into_inbox(c.loop, in(0.01));
    }
    feed(c, "ne\n", 3);
    int r = SOCKET2_ETIMEOUT;
    while (r == SOCKET2_ETIMEOUT && socket2_clock() < limit) {
        r = socket2_stream_readline(c.loop, c.server, 100, SOCKET2_AT_ONCE);
        if (r < 0) poll_into_inbox(c.loop, in(0.01));
    }
    CHECK_INT(r, 4);
    CHECK(memcmp(socket2_stream_data(c.loop, c.server), "line", 4) == 0);
    end(c);
}

static void test_one_deadline_for_all_parts(void) {
    connection c = connected();
    const double begun = socket2_clock();
    int r = socket2_stream_readline(c.loop, c.server, 1000000, begun + 0.2);
    CHECK_INT(r, SOCKET2_PENDING);
    int result = SOCKET2_PENDING;
    while (!take(c.server, SOCKET2_READ, &result) && socket2_clock() < begun + LIMIT) {
        feed(c, "x", 1);
        poll_into_inbox(c.loop, in(0.02));
    }
    CHECK_INT(result, SOCKET2_ETIMEOUT);
    CHECK(socket2_clock() >= begun + 0.2);
    CHECK(socket2_stream_buffered(c.loop, c.server) > 0);
    end(c);
}

static void test_recv_and_wait_see_what_is_buffered(void) {
    connection c = connected();
    char data[16] = "";
    feed(c, "line\nmore", 9);
    CHECK_INT(finish(c.loop, socket2_stream_readline(c.loop, c.server, 100, in(LIMIT)), c.server,
                     SOCKET2_READ),
              4);
    step more = {'p', 4, "more", 0};
    check_result(c, &more, end_step(c, begin(c, &more, in(LIMIT))));
    CHECK_INT(socket2_stream_buffered(c.loop, c.server), 4);
    CHECK_INT(socket2_socket_wait(c.loop, c.server, SOCKET2_READ, SOCKET2_NEVER), 0);
    CHECK_INT(socket2_stream_recv(c.loop, c.server, data, 3, SOCKET2_NEVER), 3);
    CHECK(memcmp(data, "mor", 3) == 0);
    CHECK_INT(socket2_stream_recv(c.loop, c.server, data, 3, SOCKET2_AT_ONCE), 1);
    CHECK_INT(data[0], 'e');
    CHECK_INT(socket2_stream_buffered(c.loop, c.server), 0);
    CHECK_INT(socket2_stream_recv(c.loop, c.server, data, 3, SOCKET2_AT_ONCE), SOCKET2_ETIMEOUT);
    end(c);
}

static void test_unread(void) {
    connection c = connected();
    char* large = malloc(100000);
    memset(large, 'x', 100000);
    CHECK_INT(socket2_stream_unread(c.loop, c.server, "two", 3), 0);
    CHECK_INT(socket2_stream_unread(c.loop, c.server, "one ", 4), 0);
    CHECK_INT(socket2_stream_unread(c.loop, c.server, NULL, 0), 0);
    CHECK_INT(socket2_stream_unread(c.loop, c.server, large, 100000), 0);
    CHECK_INT(socket2_stream_buffered(c.loop, c.server), 100007);
    CHECK_INT(socket2_stream_read(c.loop, c.server, 100000, SOCKET2_NEVER), 100000);
    CHECK(memcmp(socket2_stream_data(c.loop, c.server), large, 100000) == 0);
    CHECK_INT(socket2_stream_read(c.loop, c.server, 7, SOCKET2_NEVER), 7);
    CHECK(memcmp(socket2_stream_data(c.loop, c.server), "one two", 7) == 0);
    CHECK_INT(socket2_stream_read(c.loop, c.server, 1, SOCKET2_NEVER), SOCKET2_PENDING);
    CHECK_INT(socket2_stream_unread(c.loop, c.server, "x", 1), SOCKET2_EBUSY);
    CHECK_INT(socket2_socket_close(c.loop, c.server), 0);
    CHECK_INT(finish(c.loop, SOCKET2_PENDING, c.server, SOCKET2_READ), SOCKET2_ECLOSED);
    free(large);
    end(c);
}

static void test_undo(void) {
    connection c = connected();
    feed(c, "one\r\ntwo\nthree", 14);
    const step lines[] = {{'l', 10, "one", 0}, {'l', 10, "two", 0}};
    for (int i = 0; i < 2; ++i) {
        for (int again = 0; again < 3; ++again) {
            check_result(c, &lines[i], end_step(c, begin(c, &lines[i], in(LIMIT))));
            if (again == 2) continue;
            CHECK_INT(socket2_stream_undo(c.loop, c.server), 0);
            CHECK(socket2_stream_data(c.loop, c.server) == NULL);
            CHECK_INT(socket2_stream_undo(c.loop, c.server), 0); /* once */
        }
    }
    CHECK_INT(socket2_stream_release(c.loop, c.server), 0);
    CHECK(socket2_stream_data(c.loop, c.server) == NULL);
    CHECK_INT(socket2_stream_undo(c.loop, c.server), 0);
    CHECK_INT(socket2_stream_buffered(c.loop, c.server), 5);
    const step more = {'l', 10, NULL, SOCKET2_ECANCELED};
    CHECK_INT(begin(c, &more, in(LIMIT)), SOCKET2_PENDING);
    CHECK_INT(socket2_stream_undo(c.loop, c.server), SOCKET2_EBUSY);
    CHECK_INT(socket2_stream_release(c.loop, c.server), 0);
    CHECK_INT(socket2_socket_cancel(c.loop, c.server, SOCKET2_READ), 0);
    check_result(c, &more, end_step(c, SOCKET2_PENDING));
    end(c);
}

static void test_what_the_last_read_gave(void) {
    connection c = connected();
    const socket2_read* last = socket2_loop_last_read(c.loop);
    CHECK(last != NULL && socket2_loop_last_read(0) == NULL);
    feed(c, "one\ntwo\n", 8);
    const step lines[] = {{'l', 10, "one", 0}, {'l', 10, "two", 0}, {'l', 10, NULL, 0}};
    for (int i = 0; i < 2; ++i) {
        CHECK_INT(end_step(c, begin(c, &lines[i], in(LIMIT))), 3);
        if (i == 0) continue; /* its data may have come later */
        CHECK(last->data == socket2_stream_data(c.loop, c.server));
        CHECK(memcmp(last->data, "two", 3) == 0);
        CHECK_INT(last->received, 0);
        CHECK_INT(last->left, 0);
    }
    CHECK_INT(begin(c, &lines[2], SOCKET2_AT_ONCE), SOCKET2_ETIMEOUT);
    CHECK(last->data == NULL);
    feed(c, "three\n+", 7);
    const double limit = in(LIMIT);
    int r = SOCKET2_ETIMEOUT;
    while (r == SOCKET2_ETIMEOUT && socket2_clock() < limit) {
        r = begin(c, &lines[2], SOCKET2_AT_ONCE);
    }
    CHECK_INT(r, 5);
    CHECK_INT(last->received, 1);
    CHECK_INT(last->left, 1);
    end(c);
}

/* It has its bytes when the loop hands it out, and then there is nobody to take them. */
static void test_a_canceled_read_consumes_nothing(void) {
    enum { FEW = 70 };
    socket2_event events[FEW];
    connection c = connected();
    int timers[FEW];
    const step line = {'l', 10, "line", 0};
    CHECK_INT(begin(c, &line, in(LIMIT)), SOCKET2_PENDING);
    /* Handed out before it: its completion stays in the loop. */
    for (int i = 0; i < FEW; ++i) timers[i] = socket2_timer_new(c.loop, 0);
    feed(c, "line\n", 5);
    int n = socket2_poll(c.loop, events, 1, in(LIMIT));
    CHECK_INT(n, 1);
    CHECK_INT(events[0].kind, SOCKET2_TIMER);
    CHECK_INT(socket2_socket_cancel(c.loop, c.server, SOCKET2_READ), 0);
    int result = SOCKET2_PENDING;
    const double limit = in(LIMIT);
    while (result == SOCKET2_PENDING && socket2_clock() < limit) {
        n = socket2_poll(c.loop, events, FEW, in(LIMIT));
        for (int i = 0; i < n; ++i) {
            if (events[i].kind == SOCKET2_READ) result = events[i].result;
        }
    }
    CHECK_INT(result, SOCKET2_ECANCELED);
    check_result(c, &line, end_step(c, begin(c, &line, in(LIMIT))));
    for (int i = 0; i < FEW; ++i) {
        const int closed = socket2_timer_close(c.loop, timers[i]);
        CHECK(closed == 0 || closed == SOCKET2_EBADHANDLE);
    }
    end(c);
}

static void test_at_once_beside_a_wait(void) {
    connection c = connected();
    const step line = {'l', 10, "line", 0};
    CHECK_INT(socket2_socket_wait(c.loop, c.server, SOCKET2_READ, in(LIMIT)), SOCKET2_PENDING);
    CHECK_INT(begin(c, &line, in(LIMIT)), SOCKET2_EBUSY);
    CHECK_INT(begin(c, &line, SOCKET2_AT_ONCE), SOCKET2_ETIMEOUT);
    feed(c, "line\nx", 6);
    const double limit = in(LIMIT);
    int r = SOCKET2_ETIMEOUT;
    while (r == SOCKET2_ETIMEOUT && socket2_clock() < limit) r = begin(c, &line, SOCKET2_AT_ONCE);
    check_result(c, &line, r);
    char data[4];
    CHECK_INT(socket2_stream_recv(c.loop, c.server, data, 4, SOCKET2_AT_ONCE), 1);
    CHECK_INT(data[0], 'x');
    r = socket2_socket_pending(c.loop, c.server, SOCKET2_READ, NULL);
    if (r > 0) {
        CHECK_INT(socket2_socket_cancel(c.loop, c.server, SOCKET2_READ), 0);
        r = end_step(c, SOCKET2_PENDING);
        CHECK(r == SOCKET2_ECANCELED || r == 0);
    }
    end(c);
}

/* Into the caller's memory, few and many bytes, with some that were buffered; what fails is unread. */
static void test_recvn(void) {
    enum { MANY = 300000 };
    static const size_t sizes[] = {0, 1, 100, 16384 + 7, MANY};
    char *sent = malloc(MANY), *got = malloc(MANY + 1);
    for (int i = 0; i < MANY; ++i) sent[i] = (char)(i * 31 + i / 251);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i) {
        for (int had = 0; had <= 1; ++had) {
            connection c = connected();
            const size_t size = sizes[i], begun = had && size > 0 ? 1 : 0;
            if (begun > 0) {
                feed(c, sent, begun);
                CHECK_INT(end_step(c, socket2_stream_peek(c.loop, c.server, 1, in(LIMIT))), 1);
            }
            memset(got, '!', MANY + 1);
            int r = socket2_stream_recvn(c.loop, c.server, got, size, in(LIMIT));
            if (size - begun > 1) {
                CHECK_INT(r, SOCKET2_PENDING);
                feed(c, sent + begun, 1);
                look(c.loop);
                CHECK_INT(socket2_socket_cancel(c.loop, c.server, SOCKET2_READ), 0);
                CHECK_INT(end_step(c, r), SOCKET2_ECANCELED);
                CHECK_INT(socket2_stream_buffered(c.loop, c.server), begun + 1);
                r = socket2_stream_recvn(c.loop, c.server, got, size, SOCKET2_AT_ONCE);
                CHECK_INT(r, SOCKET2_ETIMEOUT);
                CHECK_INT(socket2_stream_buffered(c.loop, c.server), begun + 1);
                r = socket2_stream_recvn(c.loop, c.server, got, size, in(LIMIT));
                CHECK_INT(r, SOCKET2_PENDING);
                feed(c, sent + begun + 1, size - begun - 1);
            } else if (size > begun) {
                feed(c, sent + begun, size - begun);
            }
            CHECK_INT(end_step(c, r), size);
            CHECK(memcmp(got, sent, size) == 0);
            CHECK_INT(got[size], '!');
            CHECK(socket2_stream_data(c.loop, c.server) != NULL);
            CHECK_INT(socket2_stream_buffered(c.loop, c.server), 0);
            feed(c, "rest", 4);
            hang_up(c);
            r = socket2_stream_recvn(c.loop, c.server, got, MANY, in(LIMIT));
            CHECK_INT(end_step(c, r), SOCKET2_EENDOFSTREAM);
            const step rest = {'a', 10, "rest", 0};
            check_result(c, &rest, end_step(c, begin(c, &rest, in(LIMIT))));
            end(c);
        }
    }
    connection c = connected();
    CHECK_INT(socket2_stream_recvn(c.loop, c.server, NULL, 1, 0), SOCKET2_EINVAL);
    CHECK_INT(socket2_stream_recvn(c.loop, c.server, NULL, 0, 0), 0);
    CHECK_INT(socket2_stream_recvn(c.loop, c.server, got, (size_t)INT_MAX + 1, 0), SOCKET2_EINVAL);
    feed(c, "half", 4);
    CHECK_INT(socket2_stream_recvn(c.loop, c.server, got, MANY, SOCKET2_NEVER), SOCKET2_PENDING);
    look(c.loop);
    CHECK_INT(socket2_socket_close(c.loop, c.server), 0);
    CHECK_INT(finish(c.loop, SOCKET2_PENDING, c.server, SOCKET2_READ), SOCKET2_ECLOSED);
    free(sent);
    free(got);
    end(c);
}

static void test_much(void) {
    enum { MUCH = 5000000 };
    connection c = connected();
    char* data = malloc(MUCH);
    for (int i = 0; i < MUCH; ++i) data[i] = (char)(i * 31 + i / 251);
    const int reading = socket2_stream_readall(c.loop, c.server, MUCH, in(LIMIT));
    feed(c, data, MUCH);
    hang_up(c);
    CHECK_INT(finish(c.loop, reading, c.server, SOCKET2_READ), MUCH);
    CHECK(memcmp(socket2_stream_data(c.loop, c.server), data, MUCH) == 0);
    free(data);
    end(c);
}

/* A crowd of readers that have received nothing yet. */
static void test_a_close_ends_reads_and_frees(void) {
    connection c = connected();
    feed(c, "half", 4);
    CHECK_INT(socket2_stream_readline(c.loop, c.server, 100, SOCKET2_NEVER), SOCKET2_PENDING);
    look(c.loop);
    CHECK_INT(socket2_socket_close(c.loop, c.server), 0);
    CHECK(socket2_stream_data(c.loop, c.server) == NULL);
    CHECK_INT(finish(c.loop, SOCKET2_PENDING, c.server, SOCKET2_READ), SOCKET2_ECLOSED);
    end(c);
    c = connected();
    feed(c, "half", 4);
    CHECK_INT(socket2_stream_readline(c.loop, c.server, 100, SOCKET2_NEVER), SOCKET2_PENDING);
    CHECK_INT(socket2_loop_close(c.loop), 0);
    c = connected();
    feed(c, "half", 4);
    CHECK_INT(socket2_stream_read(c.loop, c.server, 100, SOCKET2_NEVER), SOCKET2_PENDING);
    CHECK(socket2_socket_detach(c.loop, c.server) >= 0);
    CHECK_INT(finish(c.loop, SOCKET2_PENDING, c.server, SOCKET2_READ), SOCKET2_ECLOSED);
    CHECK_INT(socket2_loop_close(c.loop), 0);
}

static void test_a_reset_is_told(void) {
    connection c = connected();
    feed(c, "half", 4);
    int r = socket2_stream_readline(c.loop, c.server, 100, SOCKET2_NEVER);
    CHECK_INT(r, SOCKET2_PENDING);
    look(c.loop);
    CHECK_INT(socket2_socket_setopt(c.loop, c.client, "linger", 0), 0);
    CHECK_INT(socket2_socket_close(c.loop, c.client), 0);
    CHECK_INT(finish(c.loop, r, c.server, SOCKET2_READ), SOCKET2_ECONNRESET);
    CHECK_INT(socket2_stream_read(c.loop, c.server, 4, SOCKET2_NEVER), 4);
    CHECK(memcmp(socket2_stream_data(c.loop, c.server), "half", 4) == 0);
    end(c);
}

static void test_arguments(void) {
    connection c = connected();
    const int loop = c.loop, s = c.server, udp = socket2_udp_new(loop, SOCKET2_INET, 0);
    const size_t large = (size_t)INT_MAX + 1;
    CHECK_INT(socket2_stream_read(loop, s, large, 0), SOCKET2_EINVAL);
    CHECK_INT(socket2_stream_peek(loop, s, large, 0), SOCKET2_EINVAL);
    CHECK_INT(socket2_stream_readline(loop, s, large, 0), SOCKET2_EINVAL);
    CHECK_INT(socket2_stream_readall(loop, s, large, 0), SOCKET2_EINVAL);
    CHECK_INT(socket2_stream_readuntil(loop, s, "x", 1, large, 0), SOCKET2_EINVAL);
    CHECK_INT(socket2_stream_readuntil(loop, s, "x", 0, 1, 0), SOCKET2_EINVAL);
    CHECK_INT(socket2_stream_readuntil(loop, s, NULL, 1, 1, 0), SOCKET2_EINVAL);
    CHECK_INT(socket2_stream_read(loop, s, 1, NAN), SOCKET2_EINVAL);
    CHECK_INT(socket2_stream_unread(loop, s, NULL, 1), SOCKET2_EINVAL);
    CHECK_INT(socket2_stream_unread(loop, s, "x", large), SOCKET2_EINVAL);
    CHECK_INT(socket2_stream_read(loop, udp, 1, 0), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_stream_buffered(loop, udp), SOCKET2_EBADHANDLE);
    CHECK(socket2_stream_data(loop, udp) == NULL);
    CHECK(socket2_stream_data(0, s) == NULL);
    CHECK(socket2_stream_data(loop, s) == NULL);
    CHECK_INT(socket2_stream_read(loop, s, INT_MAX, 0), SOCKET2_PENDING);
    CHECK_INT(finish(loop, SOCKET2_PENDING, s, SOCKET2_READ), SOCKET2_ETIMEOUT);
    end(c);
}

int main(int argc, char** argv) {
    static const test_case tests[] = {
        TEST(every_split),
        TEST(what_ends_a_read_in_the_middle_loses_nothing),
        TEST(at_once),
        TEST(one_deadline_for_all_parts),
        TEST(recv_and_wait_see_what_is_buffered),
        TEST(unread),
        TEST(undo),
        TEST(what_the_last_read_gave),
        TEST(a_canceled_read_consumes_nothing),
        TEST(at_once_beside_a_wait),
        TEST(recvn),
        TEST(much),
        TEST(a_close_ends_reads_and_frees),
        TEST(a_reset_is_told),
        TEST(arguments),
    };
    return run_tests(tests, sizeof tests / sizeof *tests, argc, argv);
}
