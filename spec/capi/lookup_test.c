/* Lookups in the background, and addresses without lookups, in a C program. */
#include <limits.h>
#include <math.h>
#include <pthread.h>

#include "spec/capi/harness.h"

/* Longer than the system's resolver takes to give up. */
#define LIMIT 60.0

static int start_until(int loop, const char* host, const char* service, double deadline) {
    const int handle =
        socket2_lookup_new(loop, host, service, SOCKET2_TCP, SOCKET2_UNSPECIFIED, 0, 0, deadline);
    CHECK(handle > 0);
    return handle;
}

static int start(int loop, const char* host) {
    return start_until(loop, host, "80", SOCKET2_NEVER);
}

/* The result of the next event, which has to belong to this lookup. */
static int finish(int loop, int handle) {
    const double limit = in(LIMIT);
    socket2_event event;
    int n = 0;
    while (n == 0 && socket2_clock() < limit) n = socket2_poll(loop, &event, 1, limit);
    CHECK_INT(n, 1);
    if (n != 1) return SOCKET2_PENDING;
    CHECK_INT(event.handle, handle);
    CHECK_INT(event.kind, SOCKET2_LOOKUP);
    CHECK_INT(event.detail, 0);
    return event.result;
}

static void check_quiet(int loop) {
    socket2_event event;
    for (int i = 0; i < 3; ++i) CHECK_INT(socket2_poll(loop, &event, 1, 0), 0);
}

static int result(int loop, int handle) {
    return socket2_lookup_result(loop, handle, NULL, 0, NULL, 0);
}

static void check_addr(const socket2_addr* addr, const char* expected) {
    char text[192];
    CHECK(socket2_addr_format(addr, text, sizeof text) >= 0);
    CHECK_TEXT(text, expected);
}

/* ---- addresses without a resolver ----------------------------------------------------------- */

static int parse(const char* host, const char* service, int family, socket2_addr* out) {
    return socket2_addr_parse(host, service, SOCKET2_TCP, family, 0, 0, out);
}

static void test_parse(void) {
    socket2_addr addr;
    CHECK_INT(parse("192.0.2.1", "80", 0, &addr), 1);
    check_addr(&addr, "192.0.2.1:80");
    CHECK_INT(socket2_addr_type(&addr), SOCKET2_TCP);
    CHECK_INT(socket2_addr_protocol(&addr), 6);
    CHECK_INT(parse("::1", NULL, 0, &addr), 1);
    check_addr(&addr, "[::1]:0");
    CHECK_INT(parse("*", "1", 0, &addr), 1);
    check_addr(&addr, "0.0.0.0:1");
    CHECK_INT(parse(NULL, "65535", SOCKET2_INET6, &addr), 1);
    check_addr(&addr, "[::1]:65535");
    const int abstract = parse("@name", NULL, SOCKET2_UNIX, &addr);
    CHECK(abstract == 1 || abstract == SOCKET2_ENOTSUPPORTED);
    if (abstract == 1) check_addr(&addr, "@name");
}

static void test_parse_leaves_names_alone(void) {
    socket2_addr addr, before;
    memset(&addr, 0x5a, sizeof addr);
    before = addr;
    CHECK_INT(parse("localhost", "80", 0, &addr), 0);
    CHECK_INT(parse("192.0.2.1", "http", 0, &addr), 0);
    CHECK_INT(parse("no-such-name.invalid", NULL, 0, &addr), 0);
    CHECK(memcmp(&addr, &before, sizeof addr) == 0);
}

static void test_parse_errors(void) {
    socket2_addr addr;
    CHECK_INT(parse("192.0.2.1", "65536", 0, &addr), SOCKET2_EPORT);
    CHECK_INT(parse("192.0.2.1", "80", SOCKET2_INET6, &addr), SOCKET2_EFAMILY);
    CHECK_INT(parse("fe80::1%no-such-zone", "80", 0, &addr), SOCKET2_ENODEV);
    CHECK_INT(parse("192.0.2.1", "80", 99, &addr), SOCKET2_EFAMILY);
    CHECK_INT(parse("192.0.2.1", "80", 0, NULL), SOCKET2_EINVAL);
    CHECK_INT(parse("localhost", "80", 0, NULL), SOCKET2_EINVAL);
    CHECK_INT(socket2_addr_parse("::1", "80", 9, 0, 0, 0, &addr), SOCKET2_ESOCKTYPE);
    CHECK_INT(socket2_addr_parse("::1", "80", SOCKET2_TCP, 0, 256, 0, &addr), SOCKET2_EPROTOCOL);
    CHECK_INT(socket2_addr_parse("::1", "80", SOCKET2_TCP, 0, -1, 0, &addr), SOCKET2_EPROTOCOL);
    CHECK_INT(socket2_addr_parse("::1", "80", SOCKET2_TCP, 0, 0, 256, &addr), SOCKET2_EINVAL);
}

/* ---- lookups -------------------------------------------------------------------------------- */

static void test_literals(void) {
    const int loop = socket2_loop_new();
    const int handle = start_until(loop, "::1", "80", 0); /* passed: tries without waiting */
    CHECK_INT(result(loop, handle), SOCKET2_EBUSY);
    CHECK_INT(finish(loop, handle), 1);
    socket2_addr addr[2];
    CHECK_INT(socket2_lookup_result(loop, handle, addr, 2, NULL, 0), 1);
    check_addr(&addr[0], "[::1]:80");
    CHECK_INT(socket2_lookup_result(loop, handle, addr, 1, NULL, 0), 1); /* again */
    CHECK_INT(socket2_lookup_close(loop, handle), 0);
    CHECK_INT(socket2_lookup_close(loop, handle), SOCKET2_EBADHANDLE);
    CHECK_INT(result(loop, handle), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_lookup_cancel(loop, handle), SOCKET2_EBADHANDLE);

    const int path =
        socket2_lookup_new(loop, "/path", NULL, SOCKET2_UDP, SOCKET2_UNIX, 0, 0, SOCKET2_NEVER);
    CHECK_INT(finish(loop, path), 1);
    CHECK_INT(socket2_lookup_result(loop, path, addr, 1, NULL, 0), 1);
    check_addr(&addr[0], "/path");
    const int any = start(loop, "*");
    CHECK_INT(finish(loop, any), 1);
    const int loopback = start(loop, NULL);
    CHECK_INT(finish(loop, loopback), 1);
    check_quiet(loop);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_localhost(void) {
    const int loop = socket2_loop_new();
    socket2_addr expected[16], found[16];
    const int count = socket2_addr_lookup("localhost", "80", SOCKET2_TCP, SOCKET2_UNSPECIFIED, 0, 0,
                                          expected, 16, NULL, 0);
    CHECK(count > 0 && count <= 16);
    const int handle = start(loop, "localhost");
    CHECK_INT(finish(loop, handle), count);
    CHECK_INT(socket2_lookup_result(loop, handle, found, 16, NULL, 0), count);
    for (int i = 0; i < count && i < 16; ++i) {
        char text[192];
        socket2_addr_format(&expected[i], text, sizeof text);
        check_addr(&found[i], text);
    }
    memset(found, 0x5a, sizeof found);
    CHECK_INT(socket2_lookup_result(loop, handle, found, 0, NULL, 0), count);
    CHECK(found[0].content[0] == 0x5a5a5a5a5a5a5a5a);
    CHECK_INT(socket2_lookup_result(loop, handle, NULL, 0, NULL, 0), count);
    check_quiet(loop);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_canonical_name(void) {
    const int loop = socket2_loop_new();
    socket2_addr addr;
    char expected[300], name[300];
    strcpy(name, "?");
    CHECK(socket2_addr_lookup("localhost", "80", SOCKET2_TCP, SOCKET2_INET, 0, SOCKET2_CANONNAME,
                              &addr, 1, expected, sizeof expected) > 0);
    const int handle = socket2_lookup_new(loop, "localhost", "80", SOCKET2_TCP, SOCKET2_INET, 0,
                                          SOCKET2_CANONNAME, SOCKET2_NEVER);
    CHECK(finish(loop, handle) > 0);
    CHECK(socket2_lookup_result(loop, handle, &addr, 1, name, sizeof name) > 0);
    CHECK_TEXT(name, expected);
    CHECK(strlen(name) > 3);
    CHECK(socket2_lookup_result(loop, handle, &addr, 1, name, 4) > 0); /* cut to fit */
    CHECK_INT(strlen(name), 3);
    CHECK(strncmp(name, expected, 3) == 0);

    const int literal = socket2_lookup_new(loop, "192.0.2.1", "80", SOCKET2_TCP, SOCKET2_INET, 0,
                                           SOCKET2_CANONNAME, SOCKET2_NEVER);
    CHECK_INT(finish(loop, literal), 1);
    CHECK_INT(socket2_lookup_result(loop, literal, NULL, 0, name, sizeof name), 1);
    CHECK_TEXT(name, "192.0.2.1");

    const int without = start(loop, "localhost");
    CHECK(finish(loop, without) > 0);
    CHECK(socket2_lookup_result(loop, without, NULL, 0, name, sizeof name) > 0);
    CHECK_TEXT(name, "");
    CHECK_INT(socket2_loop_close(loop), 0);
}

/* What the blocking lookup says about an unknown name. A machine without name servers cannot tell
 * such a name from another. */
static void test_unknown(void) {
    const int loop = socket2_loop_new();
    const int handle = start(loop, "no-such-name.invalid");
    const int code = finish(loop, handle);
    CHECK(code == SOCKET2_EUNKNOWNHOST || code == SOCKET2_ELOOKUPAGAIN || code == SOCKET2_ELOOKUP);
    socket2_addr addr;
    memset(&addr, 0x5a, sizeof addr);
    char name[8] = "?";
    CHECK_INT(socket2_lookup_result(loop, handle, &addr, 1, name, sizeof name), code);
    CHECK(addr.content[0] == 0x5a5a5a5a5a5a5a5a);
    CHECK_TEXT(name, "?");
    const int long_name = start(loop, "");
    CHECK_INT(finish(loop, long_name), SOCKET2_EUNKNOWNHOST);
    const int service = start_until(loop, "127.0.0.1", "no-such-service", SOCKET2_NEVER);
    CHECK_INT(finish(loop, service), SOCKET2_EUNKNOWNSERVICE);
    const int bad_service = start_until(loop, "127.0.0.1", "+80", SOCKET2_NEVER);
    CHECK_INT(finish(loop, bad_service), SOCKET2_EUNKNOWNSERVICE);
    const int port = start_until(loop, "127.0.0.1", "65536", SOCKET2_NEVER);
    CHECK_INT(finish(loop, port), SOCKET2_EPORT);
    const int zone = start(loop, "fe80::1%no-such-zone");
    CHECK_INT(finish(loop, zone), SOCKET2_ENODEV);
    CHECK_INT(result(loop, zone), SOCKET2_ENODEV);
    const int family =
        socket2_lookup_new(loop, "::1", "80", SOCKET2_TCP, SOCKET2_INET, 0, 0, SOCKET2_NEVER);
    CHECK_INT(finish(loop, family), SOCKET2_EFAMILY);
    char path[300];
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    const int too_long =
        socket2_lookup_new(loop, path, NULL, SOCKET2_TCP, SOCKET2_UNIX, 0, 0, SOCKET2_NEVER);
    CHECK_INT(finish(loop, too_long), SOCKET2_EPATHTOOLONG);
    check_quiet(loop);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_bad_arguments(void) {
    const int loop = socket2_loop_new();
    const double never = SOCKET2_NEVER;
    CHECK_INT(socket2_lookup_new(0, "::1", "80", 1, 0, 0, 0, never), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_lookup_new(-7, "::1", "80", 1, 0, 0, 0, never), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_lookup_new(loop, "::1", "80", 0, 0, 0, 0, never), SOCKET2_ESOCKTYPE);
    CHECK_INT(socket2_lookup_new(loop, "::1", "80", 4, 0, 0, 0, never), SOCKET2_ESOCKTYPE);
    CHECK_INT(socket2_lookup_new(loop, "::1", "80", 1, -1, 0, 0, never), SOCKET2_EFAMILY);
    CHECK_INT(socket2_lookup_new(loop, "::1", "80", 1, 4, 0, 0, never), SOCKET2_EFAMILY);
    CHECK_INT(socket2_lookup_new(loop, "::1", "80", 1, 0, 256, 0, never), SOCKET2_EPROTOCOL);
    CHECK_INT(socket2_lookup_new(loop, "::1", "80", 1, 0, -1, 0, never), SOCKET2_EPROTOCOL);
    CHECK_INT(socket2_lookup_new(loop, "::1", "80", 1, 0, 0, 256, never), SOCKET2_EINVAL);
    CHECK_INT(socket2_lookup_new(loop, "::1", "80", 1, 0, 0, INT_MIN, never), SOCKET2_EINVAL);
    CHECK_INT(socket2_lookup_new(loop, "::1", "80", 1, 0, 0, 0, NAN), SOCKET2_EINVAL);

    const int handle = start(loop, "::1");
    socket2_addr addr;
    CHECK_INT(socket2_lookup_result(loop, handle, &addr, -1, NULL, 0), SOCKET2_EINVAL);
    CHECK_INT(socket2_lookup_result(loop, handle, NULL, 1, NULL, 0), SOCKET2_EINVAL);
    CHECK_INT(socket2_lookup_result(0, handle, &addr, 1, NULL, 0), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_lookup_cancel(0, handle), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_lookup_close(0, handle), SOCKET2_EBADHANDLE);
    CHECK_INT(finish(loop, handle), 1);
    CHECK_INT(socket2_lookup_result(loop, handle, &addr, -1, NULL, 0), SOCKET2_EINVAL);
    CHECK_INT(socket2_lookup_result(loop, handle, NULL, 1, NULL, 0), SOCKET2_EINVAL);

    CHECK_INT(socket2_lookup_cache(NAN), SOCKET2_EINVAL);
    CHECK_INT(socket2_lookup_cache(-1), SOCKET2_EINVAL);
    CHECK_INT(socket2_lookup_cache(-SOCKET2_NEVER), SOCKET2_EINVAL);
    CHECK_INT(socket2_lookup_cache(0), 0);
    check_quiet(loop);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_foreign_handles(void) {
    const int loop = socket2_loop_new();
    const int handles[] = {0,
                           -1,
                           INT_MIN,
                           INT_MAX,
                           12345,
                           socket2_tcp_new(loop, SOCKET2_INET, 0),
                           socket2_timer_new(loop, in(LIMIT))};
    for (size_t i = 0; i < sizeof handles / sizeof *handles; ++i) {
        CHECK_INT(result(loop, handles[i]), SOCKET2_EBADHANDLE);
        CHECK_INT(socket2_lookup_cancel(loop, handles[i]), SOCKET2_EBADHANDLE);
        CHECK_INT(socket2_lookup_close(loop, handles[i]), SOCKET2_EBADHANDLE);
    }
    const int handle = start(loop, "::1");
    char byte;
    CHECK_INT(socket2_socket_close(loop, handle), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_socket_cancel(loop, handle, SOCKET2_READ), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_socket_type(loop, handle), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_stream_recv(loop, handle, &byte, 1, 0), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_timer_close(loop, handle), SOCKET2_EBADHANDLE);
    CHECK_INT(finish(loop, handle), 1);
    const int other = socket2_loop_new();
    CHECK_INT(result(other, handle), SOCKET2_EBADHANDLE);
    CHECK_INT(socket2_loop_close(other), 0);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_cancel(void) {
    const int loop = socket2_loop_new();
    const char* const hosts[] = {"::1", "localhost", "no-such-name.invalid"};
    for (int i = 0; i < 3; ++i) {
        const int handle = start(loop, hosts[i]);
        CHECK_INT(socket2_lookup_cancel(loop, handle), 0);
        CHECK_INT(socket2_lookup_cancel(loop, handle), 0);
        CHECK_INT(result(loop, handle), SOCKET2_EBUSY);
        CHECK_INT(finish(loop, handle), SOCKET2_ECANCELED);
        CHECK_INT(result(loop, handle), SOCKET2_ECANCELED);
        CHECK_INT(socket2_lookup_cancel(loop, handle), 0);
        check_quiet(loop);
    }
    const int handle = start(loop, "::1");
    CHECK_INT(finish(loop, handle), 1);
    CHECK_INT(socket2_lookup_cancel(loop, handle), 0);
    check_quiet(loop);
    CHECK_INT(result(loop, handle), 1);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_close_while_pending(void) {
    const int loop = socket2_loop_new();
    const char* const hosts[] = {"::1", "localhost", "no-such-name.invalid"};
    for (int i = 0; i < 3; ++i) {
        const int handle = start(loop, hosts[i]);
        CHECK_INT(socket2_lookup_close(loop, handle), 0);
        CHECK_INT(socket2_lookup_close(loop, handle), SOCKET2_EBADHANDLE);
        CHECK_INT(finish(loop, handle), SOCKET2_ECLOSED);
        CHECK_INT(result(loop, handle), SOCKET2_EBADHANDLE);
        check_quiet(loop);
    }
    const int handle = start(loop, "::1");
    CHECK_INT(finish(loop, handle), 1);
    CHECK_INT(socket2_lookup_close(loop, handle), 0);
    check_quiet(loop);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_deadline(void) {
    const int loop = socket2_loop_new();
    /* No time at all for a name. */
    const int handle = start_until(loop, "no-such-name.invalid", "80", 0);
    CHECK_INT(finish(loop, handle), SOCKET2_ETIMEOUT);
    CHECK_INT(result(loop, handle), SOCKET2_ETIMEOUT);
    check_quiet(loop);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_loop_close_while_pending(void) {
    for (int i = 0; i < 50; ++i) {
        const int loop = socket2_loop_new();
        start(loop, "localhost");
        start(loop, "no-such-name.invalid");
        start(loop, "::1");
        CHECK_INT(socket2_lookup_close(loop, start(loop, "localhost")), 0);
        CHECK_INT(socket2_loop_close(loop), 0);
    }
}

/* It has nothing to do with the epoll. */
static void test_outlives_a_change_of_the_epoll(void) {
    need_loops_that_share();
    const int loop = socket2_loop_new();
    const int other = socket2_loop_new();
    const int handle = start(loop, "::1");
    CHECK_INT(share(loop, other), 0);
    CHECK_INT(finish(loop, handle), 1);
    CHECK_INT(socket2_lookup_close(loop, handle), 0);
    CHECK_INT(socket2_loop_close(other), 0);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_cache(void) {
    const int loop = socket2_loop_new();
    CHECK_INT(socket2_lookup_cache(SOCKET2_NEVER), 0);
    const int first = start(loop, "localhost");
    const int count = finish(loop, first);
    CHECK(count > 0);
    /* Without any time an answer can only come from memory. */
    const int second = start_until(loop, "localhost", "80", 0);
    CHECK_INT(finish(loop, second), count);
    CHECK_INT(socket2_lookup_cache(0), 0);
    const int third = start_until(loop, "localhost", "80", 0);
    CHECK_INT(finish(loop, third), SOCKET2_ETIMEOUT);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void test_many(void) {
    const int loop = socket2_loop_new();
    enum { COUNT = 200 };
    int handles[COUNT], results = 0;
    for (int i = 0; i < COUNT; ++i) handles[i] = start(loop, i % 2 == 0 ? "localhost" : "::1");
    const double limit = in(LIMIT);
    while (results < COUNT && socket2_clock() < limit) {
        socket2_event events[16];
        const int n = socket2_poll(loop, events, 16, limit);
        CHECK(n >= 0);
        for (int i = 0; i < n; ++i) CHECK(events[i].result > 0);
        results += n;
    }
    CHECK_INT(results, COUNT);
    for (int i = 0; i < COUNT; ++i) {
        CHECK(result(loop, handles[i]) > 0);
        CHECK_INT(socket2_lookup_close(loop, handles[i]), 0);
    }
    check_quiet(loop);
    CHECK_INT(socket2_loop_close(loop), 0);
}

/* A child has none of its parent's threads, and needs its own. */
static void test_fork(void) {
    need_posix("there is no fork() here");
    const int loop = socket2_loop_new();
    CHECK(finish(loop, start(loop, "localhost")) > 0);
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        alarm((unsigned)LIMIT);
        failures = 0;
        const int own = socket2_loop_new();
        CHECK(finish(own, start(own, "localhost")) > 0);
        CHECK_INT(socket2_loop_close(own), 0);
        fflush(stdout);
        _exit(failures != 0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_INT(status, 0);
    CHECK_INT(socket2_loop_close(loop), 0);
}

static void* thread_main(void* arg) {
    int* done = arg;
    for (int round = 0; round < 5; ++round) {
        const int loop = socket2_loop_new();
        for (int i = 0; i < 10; ++i) {
            const int handle = start(loop, "localhost");
            if (i % 2 == 0 && finish(loop, handle) > 0) ++*done;
            if (i % 2 != 0 && socket2_lookup_cancel(loop, handle) == 0 &&
                finish(loop, handle) == SOCKET2_ECANCELED) {
                ++*done;
            }
        }
        socket2_loop_close(loop);
    }
    return NULL;
}

static void test_threads(void) {
    pthread_t threads[4];
    int done[4] = {0};
    for (int i = 0; i < 4; ++i)
        CHECK(pthread_create(&threads[i], NULL, thread_main, &done[i]) == 0);
    for (int i = 0; i < 4; ++i) {
        CHECK(pthread_join(threads[i], NULL) == 0);
        CHECK_INT(done[i], 50);
    }
}

/* ---- all of them ---------------------------------------------------------------------------- */

static const test_case tests[] = {
    TEST(parse),
    TEST(parse_leaves_names_alone),
    TEST(parse_errors),
    TEST(literals),
    TEST(localhost),
    TEST(canonical_name),
    TEST(unknown),
    TEST(bad_arguments),
    TEST(foreign_handles),
    TEST(cancel),
    TEST(close_while_pending),
    TEST(deadline),
    TEST(loop_close_while_pending),
    TEST(outlives_a_change_of_the_epoll),
    TEST(cache),
    TEST(many),
    TEST(fork),
    TEST(threads),
};

int main(int argc, char** argv) {
    return run_tests(tests, sizeof tests / sizeof *tests, argc, argv);
}
