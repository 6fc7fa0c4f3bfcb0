/*
 * Every exported function with a random mix of good and bad arguments, and handles that are live,
 * stale, of another kind, of another loop or made up. Only documented answers may come back, a
 * handle that is not live is always recognized, every pending operation has exactly one event, and
 * no timer is early.
 *
 * garbage_test [SEED [SECONDS]]
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "capi/socket2.h"
#include "descriptors.h"
#include "facts.h"

/* ---- chance --------------------------------------------------------------------------------- */

static uint64_t state;

/* splitmix64: the same numbers on every system. */
static uint64_t next_random(void) {
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static int below(int limit) { return (int)(next_random() % (uint64_t)limit); }
static int one_in(int n) { return below(n) == 0; }

#define PICK(array) (array)[below((int)(sizeof(array) / sizeof *(array)))]

/* ---- what ought to be true ------------------------------------------------------------------ */

enum { LOOPS = 3, SOCKETS = 60, STALE = 64 };

/* What a handle names. */
enum { TCP = 1, UDP = 2, FD = 4, TIMER = 8, LOOKUP = 16, CHANNEL = 32 };

/* What a function takes. */
enum {
    ANY_SOCKET = TCP | UDP,
    STREAM = TCP | FD,
    WAITABLE = TCP | UDP | FD,
    PORT = WAITABLE | CHANNEL
};

typedef struct {
    int handle, is;
    double deadline; /* of a timer */
    int borrowed;    /* its descriptor stays this test's */
    int id, message; /* of a channel's handle; the size of its message, -1 for none */
} live_socket;

enum { PASSENGERS = 2 };

/* Descriptors that go along with a message, this test's own until they are gone. */
typedef struct {
    int fds[PASSENGERS];
    int count;
} passengers;

typedef struct {
    int handle, kind, is_accept;
} pending_op;

static struct {
    int handle;
    live_socket sockets[SOCKETS * 2];
    int socket_count;
    pending_op pending[SOCKETS * 16];
    int pending_count;
} loops[LOOPS];

static int stale_loops[STALE], stale_sockets[STALE];
static int failures;
static int step;
static const char* current;

static void fail(const char* what, int code) {
    printf("step %d, %s: %s: %d (%s)\n", step, current, what, code, socket2_error_name(code));
    if (++failures > 20) exit(1);
}

static int loop_index(int loop) {
    for (int i = 0; i < LOOPS; ++i) {
        if (loop > 0 && loops[i].handle == loop) return i;
    }
    return -1;
}

static live_socket* find_live(int loop, int handle) {
    const int l = loop_index(loop);
    if (l < 0) return NULL;
    for (int i = 0; i < loops[l].socket_count; ++i) {
        if (loops[l].sockets[i].handle == handle) return &loops[l].sockets[i];
    }
    return NULL;
}

static int check_code(int code) {
    if (code < SOCKET2_EIO || code == SOCKET2_PENDING) fail("no documented answer", code);
    return code;
}

/* Answers of a function that takes a loop. */
static int check_loop(int loop, int code) {
    check_code(code);
    if (loop_index(loop) < 0 && code != SOCKET2_EBADHANDLE) fail("the loop is not live", code);
    if (loop_index(loop) >= 0 && code == SOCKET2_EBADHANDLE) fail("the loop is live", code);
    return code;
}

static int may_take(int loop, int handle, int kinds) {
    const live_socket* s = find_live(loop, handle);
    return s != NULL && (kinds & s->is) != 0;
}

static int check_socket(int loop, int handle, int kinds, int code) {
    check_code(code);
    if (may_take(loop, handle, kinds) != (code != SOCKET2_EBADHANDLE)) {
        fail("the handle is judged wrongly", code);
    }
    return code;
}

static void add_socket(int loop, int handle, int is) {
    const int l = loop_index(loop);
    if (find_live(loop, handle) != NULL) fail("a live handle is given again", handle);
    loops[l].sockets[loops[l].socket_count++] = (live_socket){handle, is, 0, 0, 0, -1};
}

static void close_all(const passengers* with) {
    for (int i = 0; i < with->count; ++i) {
        if (close(with->fds[i]) != 0) fail("a descriptor was closed already", with->fds[i]);
    }
}

static void remove_socket(int loop, int handle) {
    const int l = loop_index(loop);
    live_socket* s = find_live(loop, handle);
    *s = loops[l].sockets[--loops[l].socket_count];
    PICK(stale_sockets) = handle;
}

static pending_op* find_pending(int loop, int handle, int kind) {
    const int l = loop_index(loop);
    if (l < 0) return NULL;
    for (int i = 0; i < loops[l].pending_count; ++i) {
        pending_op* p = &loops[l].pending[i];
        if (p->handle == handle && p->kind == kind) return p;
    }
    return NULL;
}

/* Answers of a function that may be pending. */
static void check_op(int loop, int handle, int kinds, int kind, int is_accept, int code) {
    if (code != SOCKET2_PENDING) {
        check_socket(loop, handle, kinds, code);
        if (is_accept && code >= 0) add_socket(loop, code, TCP);
        return;
    }
    const int l = loop_index(loop);
    if (!may_take(loop, handle, kinds)) {
        fail("pending on a bad handle", code);
        return;
    }
    if (kind != SOCKET2_READ && kind != SOCKET2_WRITE && kind != SOCKET2_LOOKUP) {
        fail("pending, of no kind", kind);
    }
    if (find_pending(loop, handle, kind) != NULL) fail("two operations at a time", handle);
    loops[l].pending[loops[l].pending_count++] = (pending_op){handle, kind, is_accept};
}

static void check_event(int loop, const socket2_event* event) {
    const int l = loop_index(loop);
    if (event->result == SOCKET2_PENDING || event->result < SOCKET2_EIO) {
        fail("no documented result", event->result);
    }
    if (event->kind == SOCKET2_TIMER) {
        const live_socket* timer = find_live(loop, event->handle);
        if (timer == NULL || timer->is != TIMER) {
            fail("an event for no timer", event->handle);
            return;
        }
        if (timer->deadline > socket2_clock()) fail("a timer is early", event->handle);
        if (event->result != 0 || event->detail != 0) fail("a timer's result", event->result);
        remove_socket(loop, event->handle);
        return;
    }
    pending_op* found = find_pending(loop, event->handle, event->kind);
    if (found != NULL) {
        const pending_op p = *found;
        *found = loops[l].pending[--loops[l].pending_count];
        if (p.is_accept && event->result >= 0) add_socket(loop, event->result, TCP);
        live_socket* s = find_live(loop, event->handle);
        const int is_recv = s != NULL && s->is == CHANNEL && event->kind == SOCKET2_READ;
        if (is_recv && event->result >= 0) s->message = event->result;
        return;
    }
    fail("an event for nothing", event->handle);
}

/* ---- arguments ------------------------------------------------------------------------------ */

static int any_number(void) {
    static const int numbers[] = {0,     1,     -1,      2,       3,          4,    7,
                                  64,    127,   128,     255,     256,        1023, 1024,
                                  65535, 65536, INT_MAX, INT_MIN, INT_MAX - 1};
    return one_in(4) ? (int)(uint32_t)next_random() : PICK(numbers);
}

static int any_loop(void) {
    if (!one_in(20)) return loops[below(LOOPS)].handle;
    return one_in(2) ? PICK(stale_loops) : any_number();
}

/*
 * Mostly a live one of the loop and of these kinds, else one of other kinds, of another loop, a
 * stale one or a number.
 */
static int any_handle(int loop, int kinds) {
    int l = loop_index(loop);
    if (l < 0 || one_in(30)) l = below(LOOPS);
    if (one_in(10) || loops[l].socket_count == 0) {
        return one_in(2) ? PICK(stale_sockets) : any_number();
    }
    const live_socket* s = &loops[l].sockets[below(loops[l].socket_count)];
    for (int tries = 0; tries < 10 && (s->is & kinds) == 0 && !one_in(20); ++tries) {
        s = &loops[l].sockets[below(loops[l].socket_count)];
    }
    return s->handle;
}
static int any_socket(int loop) { return any_handle(loop, ANY_SOCKET); }

/* Pending operations may still look at an address: none is written again while one could. */
enum { ADDRS = 1 << 15 };
static socket2_addr* addrs;
static int next_addr;
static socket2_addr good_addrs[64];
static int good_count;

static void remember_addr(const socket2_addr* addr) {
    if (good_count < 64) {
        good_addrs[good_count++] = *addr;
    } else {
        good_addrs[16 + below(48)] = *addr;
    }
}

/*
 * Good ones are loopback addresses of this test's own, so that nobody else hears of it. The others
 * differ from those behind the IPv4 part only, or are nothing like an address.
 */
static socket2_addr* any_addr(void) {
    if (one_in(20)) return NULL;
    next_addr = (next_addr + 1) % ADDRS;
    socket2_addr* addr = &addrs[next_addr];
    unsigned char* bytes = (unsigned char*)addr;
    const int kind = below(10);
    if (kind < 7) {
        *addr = good_addrs[below(good_count)];
    } else if (kind == 7) {
        *addr = good_addrs[0];
        const int changes = 1 + below(3);
        for (int i = 0; i < changes; ++i) {
            bytes[16 + below((int)sizeof *addr - 16)] = (unsigned char)next_random();
        }
    } else if (kind == 8) {
        memset(addr, one_in(2) ? 0 : below(256), sizeof *addr);
    } else {
        for (size_t i = 0; i < sizeof *addr; ++i) bytes[i] = (unsigned char)next_random();
    }
    return addr;
}

static socket2_addr* room_for_addr(void) {
    if (one_in(10)) return NULL;
    next_addr = (next_addr + 1) % ADDRS;
    return &addrs[next_addr];
}

static double any_deadline(void) {
    switch (below(8)) {
        case 0:
            return NAN;
        case 1:
            return 0;
        case 2:
            return -INFINITY;
        case 3:
            return SOCKET2_NEVER;
        case 4:
            return socket2_clock() + 1e-4;
        case 5:
            return 1e300;
        default:
            return socket2_clock() + 1e-3 * below(5);
    }
}

enum { DATA = 1 << 16 };
static char* data;

static size_t any_size(void) {
    static const size_t huge[] = {(size_t)INT_MAX + 1, SIZE_MAX, SIZE_MAX / 2 + 1};
    if (one_in(20)) return PICK(huge);
    return one_in(4) ? (size_t)below(DATA + 1) : (size_t)below(100);
}

static char* any_data(void) { return one_in(20) ? NULL : data; }

static char garbage_text[512];

static const char* any_garbage_text(void) {
    const int size = one_in(4) ? below(500) : below(40);
    for (int i = 0; i < size; ++i) garbage_text[i] = (char)(1 + below(255));
    garbage_text[size] = '\0';
    return garbage_text;
}

static const char* const option_names[] = {"acceptconn",
                                           "broadcast",
                                           "dontroute",
                                           "error",
                                           "keepalive",
                                           "oobinline",
                                           "rcvbuf",
                                           "rcvlowat",
                                           "reuseaddr",
                                           "reuseport",
                                           "sndbuf",
                                           "tcp_nodelay",
                                           "tcp_keepcnt",
                                           "tcp_keepintvl",
                                           "tcp_maxseg",
                                           "v6only",
                                           "hdrincl",
                                           "ttl",
                                           "tos",
                                           "multicast_ttl",
                                           "multicast_loop",
                                           "multicast_if",
                                           "bindtodevice",
                                           "priority",
                                           "freebind",
                                           "mtu_discover",
                                           "tcp_congestion",
                                           "tcp_cork",
                                           "tcp_keepidle",
                                           "tcp_quickack",
                                           "tcp_user_timeout",
                                           "tcp_defer_accept",
                                           "tcp_window_clamp",
                                           "tcp_notsent_lowat",
                                           "tcp_syncnt",
                                           "tcp_linger2",
                                           "tcp_fastopen",
                                           "mark",
                                           "incoming_cpu"};

static const char* any_option(void) {
    if (one_in(20)) return NULL;
    return one_in(10) ? any_garbage_text() : PICK(option_names);
}

/* An unknown congestion control would have the system look for a module. */
static const char* any_option_text(void) {
    static const char* const texts[] = {NULL, "", "lo", "reno", "127.0.0.1", "1"};
    return PICK(texts);
}

static const char* any_interface(void) {
    static const char* const names[] = {NULL, "", "lo", "127.0.0.1", "0.0.0.0", "1", "0", "-1"};
    return one_in(10) ? any_garbage_text() : PICK(names);
}

/* Text comes into the middle of this; what lies around must stay. */
enum { GUARD = 64, ROOM = 192 };
static char text_room[GUARD + ROOM + GUARD];

static char* guarded_text(void) {
    memset(text_room, 0x5a, sizeof text_room);
    return text_room + GUARD;
}

static void check_guards(size_t size) {
    for (size_t i = 0; i < GUARD; ++i) {
        if (text_room[i] != 0x5a) fail("wrote before the text", (int)i);
    }
    for (size_t i = GUARD + size; i < sizeof text_room; ++i) {
        if (text_room[i] != 0x5a) fail("wrote behind the text", (int)i);
    }
}

/* ---- the functions -------------------------------------------------------------------------- */

static void call_error_name(void) {
    if (socket2_error_name(any_number())[0] == '\0') fail("no name", 0);
}
static void call_error_message(void) {
    if (socket2_error_message(any_number())[0] == '\0') fail("no message", 0);
}
static void call_version(void) {
    if (socket2_version()[0] == '\0') fail("no version", 0);
}
static void call_abi_version(void) {
    if (socket2_abi_version() != SOCKET2_ABI_VERSION) fail("another version", 0);
}
static void call_clock(void) {
    static double last;
    const double now = socket2_clock();
    if (!(now >= last)) fail("time runs backwards", 0);
    last = now;
}
static void call_time(void) {
    if (!(socket2_time() > 1.7e9)) fail("a time long ago", 0);
}
static void call_thread_cpus(void) {
    if (socket2_thread_cpus() < 1) fail("no processor", 0);
}

static void call_hostname(void) {
    char* text = guarded_text();
    const size_t size = (size_t)below(ROOM + 1);
    if (check_code(socket2_hostname(one_in(20) ? NULL : text, size)) == 0) fail("no name", 0);
    check_guards(size);
}

static char thread_name[256];

static void call_thread_setname(void) {
    const char* name = one_in(10) ? NULL : any_garbage_text();
    const int code = check_code(socket2_thread_setname(name));
    if (code != (name == NULL ? SOCKET2_EINVAL : 0)) fail("a name that is refused", code);
    if (name == NULL) return;
    snprintf(thread_name, sizeof thread_name, "%.*s", THREAD_NAME, name);
    /* Some systems keep characters, not bytes: what is none becomes another. */
    for (const char* p = name; *p != 0; ++p) {
        if ((unsigned char)*p > 127) socket2_thread_name(thread_name, sizeof thread_name);
    }
}
static void call_thread_name(void) {
    char* text = guarded_text();
    const size_t size = (size_t)below(ROOM + 1);
    char* const out = one_in(20) ? NULL : text;
    const int length = check_code(socket2_thread_name(out, size));
    check_guards(size);
    if (length != (int)strlen(thread_name)) fail("the length of its name", length);
    if (out != NULL && size > strlen(thread_name) && strcmp(text, thread_name) != 0)
        fail("not its name", length);
}

static void call_loop_new(void) {
    const int l = below(LOOPS);
    if (loops[l].handle != 0 && !one_in(20)) return;
    const int old = loops[l].handle;
    if (old != 0) {
        if (socket2_loop_close(old) != 0) fail("a live loop cannot be closed", old);
        PICK(stale_loops) = old;
    }
    memset(&loops[l], 0, sizeof loops[l]);
    loops[l].handle = socket2_loop_new();
    if (loops[l].handle <= 0) fail("no loop", loops[l].handle);
}

static void call_loop_close(void) {
    const int loop = one_in(50) ? any_loop() : PICK(stale_loops);
    const int l = loop_index(loop);
    check_loop(loop, socket2_loop_close(loop));
    if (l < 0) return;
    PICK(stale_loops) = loop;
    memset(&loops[l], 0, sizeof loops[l]);
    loops[l].handle = socket2_loop_new();
}

static void call_poll(void) {
    const int loop = any_loop();
    socket2_event events[16];
    static const int maxima[] = {16, 16, 16, 1, 2, 0, -1, INT_MIN};
    const int max = PICK(maxima);
    static const double waits[] = {0, 0, 0, 1e-4, -INFINITY, NAN};
    const double wait = PICK(waits);
    socket2_event* const room = one_in(20) ? NULL : events;
    const int n =
        check_loop(loop, socket2_poll(loop, room, max, wait > 0 ? socket2_clock() + wait : wait));
    if ((room == NULL || max <= 0 || isnan(wait)) && loop_index(loop) >= 0 && n != SOCKET2_EINVAL) {
        fail("bad arguments are taken", n);
    }
    if (n > 0 && n > max) fail("more events than there is room for", n);
    for (int i = 0; i < n; ++i) check_event(loop, &events[i]);
}

static void call_wake(void) {
    const int loop = any_loop();
    check_loop(loop, socket2_wake(loop));
}
static void call_os_error(void) {
    const int loop = any_loop();
    const int code = check_loop(loop, socket2_os_error(loop));
    if (code < 0 && code != SOCKET2_EBADHANDLE) fail("a negative system code", code);
}
static void call_loop_epoll_fd(void) {
    const int loop = any_loop();
    check_loop(loop, socket2_loop_epoll_fd(loop));
}
/* Not another loop's epoll: events would go astray, as the header says. */
static void call_loop_set_epoll_fd(void) {
    const int loop = any_loop();
    static const int fds[] = {-1, INT_MIN, INT_MAX, 1 << 20, -2};
    const int fd = one_in(4) ? socket2_loop_epoll_fd(loop) : PICK(fds);
    check_loop(loop, socket2_loop_set_epoll_fd(loop, fd));
}
static void call_loop_iocp(void) {
    const int loop = any_loop();
    intptr_t port = 0;
    check_loop(loop, socket2_loop_iocp(loop, one_in(2) ? &port : NULL));
}
static void call_loop_set_iocp(void) {
    const int loop = any_loop();
    static const intptr_t bad[] = {0, -1, INTPTR_MIN, INTPTR_MAX, 1};
    intptr_t port = PICK(bad);
    if (one_in(4)) socket2_loop_iocp(loop, &port);
    check_loop(loop, socket2_loop_set_iocp(loop, port));
}

/* Descriptors of this test's own, for handles: the ends of pipes and of pairs, events, a file. */
static int own_fds[8];

static void make_own_fds(void) {
    if (pipe(own_fds) != 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, own_fds + 2) != 0) {
        fail("no descriptors", 0);
    }
    for (int i = 0; i < 4; ++i) set_nonblocking(own_fds[i]);
    own_fds[4] = eventfd(0, EFD_NONBLOCK);
    own_fds[5] = eventfd(1, EFD_NONBLOCK);
    own_fds[6] = open("/dev/null", O_RDWR);
    own_fds[7] = open("/", O_RDONLY);
}

static void close_own_fds(void) {
    for (size_t i = 0; i < sizeof own_fds / sizeof *own_fds; ++i) close(own_fds[i]);
}

/* Something becomes readable, or is no longer. */
static void stir_own_fds(void) {
    const uint64_t one = 1;
    static char some[1 << 16];
    const int fd = own_fds[below(6)];
    const ssize_t n = one_in(2) ? write(fd, one_in(5) ? some : (const char*)&one, sizeof one)
                                : read(fd, some, sizeof some);
    if (n == 0) fail("the end of an own descriptor", fd);
}

/* Bad numbers are few: the system looks for a module for each that it does not know. */
static int any_protocol(int good) {
    static const int bad[] = {-1, 256, INT_MAX, INT_MIN};
    return one_in(50) ? PICK(bad) : one_in(3) ? good : 0;
}

static int any_family(void) { return one_in(10) ? any_number() : 1 + below(3); }

static void made_socket(int loop, int handle, int is) {
    check_loop(loop, handle);
    if (handle >= 0) add_socket(loop, handle, is);
}
/* Leaves room for connections that are accepted. */
static int is_full(int loop) {
    const int l = loop_index(loop);
    return l >= 0 && loops[l].socket_count >= SOCKETS;
}
static void call_tcp_new(void) {
    const int loop = any_loop();
    if (!is_full(loop))
        made_socket(loop, socket2_tcp_new(loop, any_family(), any_protocol(6)), TCP);
}
static void call_udp_new(void) {
    const int loop = any_loop();
    if (!is_full(loop))
        made_socket(loop, socket2_udp_new(loop, any_family(), any_protocol(17)), UDP);
}
static void call_raw_new(void) {
    const int loop = any_loop();
    if (is_full(loop) || !one_in(4)) return;
    made_socket(loop, socket2_raw_new(loop, any_family(), any_protocol(1)), UDP);
}

/* Seldom while there is room, or nothing would live long. */
static int is_spared(int loop, int handle) {
    const int l = loop_index(loop);
    const int roomy = l >= 0 && loops[l].socket_count < SOCKETS * 3 / 4;
    return roomy && find_live(loop, handle) != NULL && !one_in(5);
}
static void call_socket_close(void) {
    const int loop = any_loop(), handle = any_handle(loop, WAITABLE);
    if (is_spared(loop, handle)) return;
    if (check_socket(loop, handle, WAITABLE, socket2_socket_close(loop, handle)) == 0) {
        remove_socket(loop, handle);
    }
}
static void call_socket_type(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    check_socket(loop, handle, ANY_SOCKET, socket2_socket_type(loop, handle));
}
static void call_socket_family(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    check_socket(loop, handle, ANY_SOCKET, socket2_socket_family(loop, handle));
}
static void call_socket_protocol(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    check_socket(loop, handle, ANY_SOCKET, socket2_socket_protocol(loop, handle));
}
static void call_socket_fd(void) {
    const int loop = any_loop(), handle = any_handle(loop, WAITABLE);
    check_socket(loop, handle, WAITABLE, socket2_socket_fd(loop, handle));
}
static int any_kind(void) { return one_in(10) ? any_number() : 1 + below(2); }
static int is_kind(int kind) { return kind == SOCKET2_READ || kind == SOCKET2_WRITE; }
static void call_socket_cancel(void) {
    const int loop = any_loop(), handle = any_handle(loop, PORT), kind = any_kind();
    /* Rarely, or little would ever finish. */
    if (!one_in(3)) return;
    const int code = check_socket(loop, handle, PORT, socket2_socket_cancel(loop, handle, kind));
    if (code != SOCKET2_EBADHANDLE && code != (is_kind(kind) ? 0 : SOCKET2_EINVAL)) {
        fail("a cancel that fails", code);
    }
}
static void call_socket_wait(void) {
    const int loop = any_loop(), handle = any_handle(loop, WAITABLE), kind = any_kind();
    const int code = socket2_socket_wait(loop, handle, kind, any_deadline());
    check_op(loop, handle, WAITABLE, kind, 0, code);
    if (code > 0) fail("a wait with a value", code);
}
static void call_socket_pending(void) {
    const int loop = any_loop(), handle = any_handle(loop, PORT), kind = any_kind();
    double since = -1;
    const int code = check_socket(
        loop, handle, PORT, socket2_socket_pending(loop, handle, kind, one_in(5) ? NULL : &since));
    if (code == SOCKET2_EBADHANDLE) return;
    if (!is_kind(kind)) {
        if (code != SOCKET2_EINVAL) fail("no such kind", code);
        return;
    }
    if (code < 0 || code > SOCKET2_OP_WAIT) fail("no such operation", code);
    if ((code > 0) != (find_pending(loop, handle, kind) != NULL)) fail("pending or not", code);
    if (since > socket2_clock() || (code == 0 && since >= 0)) fail("since when", code);
}
static void call_fd_new(void) {
    const int loop = any_loop();
    if (is_full(loop) || !one_in(3)) return;
    /* Closed too early: its number gets another owner while the handle is alive. */
    const int early = one_in(5) ? dup(PICK(own_fds)) : -1;
    const int number = any_number();
    const int strange = number < 0 || number > 2; /* not where this test writes to */
    const int handle = socket2_fd_new(loop, early >= 0              ? early
                                            : one_in(10) && strange ? number
                                                                    : PICK(own_fds));
    made_socket(loop, handle, FD);
    if (handle >= 0) find_live(loop, handle)->borrowed = 1;
    if (early >= 0) close(early);
}

static void call_fd_attach(void) {
    const int loop = any_loop();
    if (is_full(loop) || !one_in(3)) return;
    const int fd = one_in(5) ? -1 : dup(PICK(own_fds));
    const int handle = socket2_fd_attach(loop, fd);
    made_socket(loop, handle, FD);
    if (handle < 0 && fd >= 0) close(fd);
}
static void call_fd_open(void) {
    static const char* const paths[] = {"/dev/null", "/dev/ptmx", "/", "", "/dev/null/x", NULL};
    const int loop = any_loop();
    if (is_full(loop) || !one_in(3)) return;
    made_socket(loop, socket2_fd_open(loop, PICK(paths)), FD);
}
static void call_stream_recv(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    const int code = socket2_stream_recv(loop, handle, any_data(), any_size(), any_deadline());
    check_op(loop, handle, STREAM, SOCKET2_READ, 0, code);
}
static void call_stream_send(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    const int code = socket2_stream_send(loop, handle, any_data(), any_size(), any_deadline());
    check_op(loop, handle, STREAM, SOCKET2_WRITE, 0, code);
}
static size_t any_limit(void) {
    static const size_t limits[] = {0, 1, 10, 1000, 100000, (size_t)INT_MAX + 1, SIZE_MAX};
    return PICK(limits);
}
static void call_stream_read(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    const int code = socket2_stream_read(loop, handle, any_limit(), any_deadline());
    check_op(loop, handle, STREAM, SOCKET2_READ, 0, code);
}
static void call_stream_peek(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    const int code = socket2_stream_peek(loop, handle, any_limit(), any_deadline());
    check_op(loop, handle, STREAM, SOCKET2_READ, 0, code);
}
static void call_stream_readline(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    const int code = socket2_stream_readline(loop, handle, any_limit(), any_deadline());
    check_op(loop, handle, STREAM, SOCKET2_READ, 0, code);
}
static void call_stream_readuntil(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    const char* delimiter = any_data();
    const size_t size = (size_t)below(4);
    const int code =
        socket2_stream_readuntil(loop, handle, delimiter, size, any_limit(), any_deadline());
    check_op(loop, handle, STREAM, SOCKET2_READ, 0, code);
}
static void call_stream_readall(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    const int code = socket2_stream_readall(loop, handle, any_limit(), any_deadline());
    check_op(loop, handle, STREAM, SOCKET2_READ, 0, code);
}
static void call_stream_data(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    if (socket2_stream_data(loop, handle) == NULL) return;
    const live_socket* s = find_live(loop, handle);
    if (s == NULL || (s->is & STREAM) == 0) fail("data of no stream", handle);
}
static void call_stream_buffered(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    check_socket(loop, handle, STREAM, socket2_stream_buffered(loop, handle));
}
static void call_stream_unread(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    const char* bytes = any_data();
    const size_t size = (size_t)below(10);
    check_socket(loop, handle, STREAM, socket2_stream_unread(loop, handle, bytes, size));
}
static void call_stream_sendv(void) {
    /* The library's while it is pending: those of any call are the same. */
    static socket2_slice good[3];
    const int loop = any_loop(), handle = any_socket(loop);
    for (int i = 0; i < 3; ++i) good[i] = (socket2_slice){data, (size_t)i * 7};
    const socket2_slice bad[] = {{data, 1}, {any_data(), any_size()}};
    const int is_bad = one_in(4);
    const socket2_slice* slices = one_in(20) ? NULL : is_bad ? bad : good;
    /* Of bad ones none may stay behind. */
    const double deadline = is_bad ? SOCKET2_AT_ONCE : any_deadline();
    const int count = one_in(10) ? -1 - (int)below(3) : (int)below(is_bad ? 3 : 4);
    const int code = socket2_stream_sendv(loop, handle, slices, count, deadline);
    check_op(loop, handle, STREAM, SOCKET2_WRITE, 0, code);
}

static void call_socket_attach(void) {
    static const int families[] = {AF_INET, AF_INET6, AF_UNIX};
    const int loop = any_loop();
    if (is_full(loop) || !one_in(3)) return;
    const int is_other = one_in(5); /* a socket of datagrams where all descriptors are sockets */
    const int is_tcp = !is_other && one_in(2);
    const int fd = one_in(5)  ? -1
                   : is_other ? dup(own_fds[6])
                              : socket(PICK(families), is_tcp ? SOCK_STREAM : SOCK_DGRAM, 0);
    const int handle = socket2_socket_attach(loop, fd);
    made_socket(loop, handle, is_tcp ? TCP : UDP);
    if (handle < 0 && fd >= 0) close(fd);
}
static void call_socket_detach(void) {
    const int loop = any_loop(), handle = any_handle(loop, WAITABLE);
    if (is_spared(loop, handle)) return;
    const int fd = check_socket(loop, handle, WAITABLE, socket2_socket_detach(loop, handle));
    if (fd < 0) return;
    if (!find_live(loop, handle)->borrowed && close(fd) != 0) fail("not the descriptor", fd);
    remove_socket(loop, handle);
}

static void call_timer_new(void) {
    const int loop = any_loop();
    if (is_full(loop) || !one_in(2)) return;
    const double deadline = any_deadline();
    const int handle = socket2_timer_new(loop, deadline);
    made_socket(loop, handle, TIMER);
    if (handle < 0) return;
    find_live(loop, handle)->deadline = deadline;
    if (isnan(deadline) || deadline == SOCKET2_NEVER) fail("a time that is none", handle);
}
static void call_timer_close(void) {
    const int loop = any_loop(), handle = any_handle(loop, TIMER);
    if (check_socket(loop, handle, TIMER, socket2_timer_close(loop, handle)) == 0) {
        remove_socket(loop, handle);
    }
}
static void call_socket_bind(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    check_socket(loop, handle, ANY_SOCKET, socket2_socket_bind(loop, handle, any_addr()));
}
static void call_socket_shutdown(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    const int directions = one_in(2) ? any_number() : 1 + below(3);
    if (!one_in(5)) return;
    check_socket(loop, handle, ANY_SOCKET, socket2_socket_shutdown(loop, handle, directions));
}
static void call_socket_localaddr(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    socket2_addr* addr = room_for_addr();
    const int code =
        check_socket(loop, handle, ANY_SOCKET, socket2_socket_localaddr(loop, handle, addr));
    if (code == 0 && socket2_addr_port(addr) > 0) remember_addr(addr);
}
static void call_socket_remoteaddr(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    check_socket(loop, handle, ANY_SOCKET,
                 socket2_socket_remoteaddr(loop, handle, room_for_addr()));
}
static void call_option_kind(void) { check_code(socket2_option_kind(any_option())); }
static void call_socket_setopt(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    const int value = one_in(2) ? below(2) : any_number();
    check_socket(loop, handle, ANY_SOCKET,
                 socket2_socket_setopt(loop, handle, any_option(), value));
}
static void call_socket_getopt(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    int value;
    check_socket(loop, handle, ANY_SOCKET,
                 socket2_socket_getopt(loop, handle, any_option(), one_in(20) ? NULL : &value));
}
static void call_socket_setopt_text(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    check_socket(loop, handle, ANY_SOCKET,
                 socket2_socket_setopt_text(loop, handle, any_option(), any_option_text()));
}
static void call_socket_getopt_text(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    char* text = guarded_text();
    const size_t size = (size_t)below(ROOM + 1);
    check_socket(
        loop, handle, ANY_SOCKET,
        socket2_socket_getopt_text(loop, handle, any_option(), one_in(20) ? NULL : text, size));
    check_guards(size);
}

static void call_tcp_listen(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    check_socket(loop, handle, TCP, socket2_tcp_listen(loop, handle, any_number()));
}
static void call_tcp_accept(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    if (is_full(loop)) return;
    const int code = socket2_tcp_accept(loop, handle, room_for_addr(), any_deadline());
    check_op(loop, handle, TCP, SOCKET2_READ, 1, code);
}
static void call_tcp_connect(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    const int code = socket2_tcp_connect(loop, handle, any_addr(), any_deadline());
    check_op(loop, handle, TCP, SOCKET2_WRITE, 0, code);
}
static void call_udp_connect(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    check_socket(loop, handle, UDP, socket2_udp_connect(loop, handle, any_addr()));
}
static void call_udp_send(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    const int code =
        socket2_udp_send(loop, handle, any_data(), any_size(), any_addr(), any_deadline());
    check_op(loop, handle, UDP, SOCKET2_WRITE, 0, code);
}
static void call_udp_recv(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    const int code =
        socket2_udp_recv(loop, handle, any_data(), any_size(), one_in(2) ? NULL : any_addr(),
                         room_for_addr(), any_deadline());
    check_op(loop, handle, UDP, SOCKET2_READ, 0, code);
}
static void call_udp_truncated(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    check_socket(loop, handle, UDP, socket2_udp_truncated(loop, handle));
}
static void call_udp_join(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    check_socket(loop, handle, UDP, socket2_udp_join(loop, handle, any_addr(), any_interface()));
}
static void call_udp_leave(void) {
    const int loop = any_loop(), handle = any_socket(loop);
    check_socket(loop, handle, UDP, socket2_udp_leave(loop, handle, any_addr(), any_interface()));
}

/* Addresses that a look-up writes; what lies behind them must stay. */
static socket2_addr found[3];
enum { FOUND = 2 };

static void check_found(int n, int max) {
    for (int i = 0; i < n && i < max; ++i) {
        if (socket2_addr_family(&found[i]) <= 0) fail("found what is no address", n);
    }
    const unsigned char* behind = (const unsigned char*)&found[FOUND];
    for (size_t i = 0; i < sizeof *found; ++i) {
        if (behind[i] != 0x5a) fail("wrote behind the addresses", (int)i);
    }
}

typedef struct {
    const char *host, *service;
    int type, family, protocol, flags;
} endpoint;

/* Garbage names only where no name server would be asked for them. */
static endpoint any_endpoint(void) {
    static const char* const hosts[] = {NULL, "*", "127.0.0.1", "::1", "", "fe80::1%lo", "@x", ":"};
    static const char* const services[] = {NULL, "0", "80", "65535", "65536", "", "-1", "http"};
    endpoint e;
    e.family = any_family();
    const int garbage = one_in(5);
    e.flags = one_in(10) ? any_number() : below(128);
    if (garbage || e.family == 0) e.flags |= SOCKET2_NUMERICHOST;
    e.flags |= SOCKET2_NUMERICSERV;
    e.host = garbage ? any_garbage_text() : PICK(hosts);
    if (e.host != NULL && strcmp(e.host, ":") == 0) e.flags |= SOCKET2_NUMERICHOST;
    e.service = PICK(services);
    e.type = one_in(10) ? any_number() : 1 + below(3);
    e.protocol = any_protocol(6);
    return e;
}

static void call_addr_lookup(void) {
    const endpoint e = any_endpoint();
    memset(found, 0x5a, sizeof found);
    const int max = one_in(10) ? any_number() : below(FOUND + 1);
    char* text = guarded_text();
    const size_t size = (size_t)below(ROOM + 1);
    /* `max` is what the caller has room for. */
    socket2_addr* const out = max > FOUND || one_in(20) ? NULL : found;
    const int n = socket2_addr_lookup(e.host, e.service, e.type, e.family, e.protocol, e.flags, out,
                                      max, one_in(5) ? NULL : text, size);
    check_code(n);
    check_guards(size);
    if (n == 0) fail("no address and no error", n);
    check_found(out == NULL ? 0 : n, max);
}
/* It never asks anybody: any garbage will do. */
static void call_addr_parse(void) {
    endpoint e = any_endpoint();
    if (one_in(2)) e.host = any_garbage_text();
    if (one_in(2)) e.flags &= ~SOCKET2_NUMERICHOST;
    memset(found, 0x5a, sizeof found);
    socket2_addr* const out = one_in(20) ? NULL : &found[FOUND - 1];
    const int n = socket2_addr_parse(e.host, e.service, e.type, e.family, e.protocol, e.flags, out);
    check_code(n);
    if (n > 1 || (n >= 0 && out == NULL)) fail("neither parsed nor not", n);
    if (n == 1 && socket2_addr_family(out) <= 0) fail("parsed what is no address", n);
    const unsigned char* bytes = (const unsigned char*)out;
    for (size_t i = 0; out != NULL && n != 1 && i < sizeof *out; ++i) {
        if (bytes[i] != 0x5a) fail("wrote without an address", (int)i);
    }
    check_found(0, 0);
}

static void call_lookup_new(void) {
    const int loop = any_loop();
    endpoint e = any_endpoint();
    if (is_full(loop) || !one_in(2)) return;
    e.flags |= SOCKET2_NUMERICHOST;
    const int handle = socket2_lookup_new(loop, e.host, e.service, e.type, e.family, e.protocol,
                                          e.flags, any_deadline());
    made_socket(loop, handle, LOOKUP);
    if (handle > 0) check_op(loop, handle, LOOKUP, SOCKET2_LOOKUP, 0, SOCKET2_PENDING);
}
static void call_lookup_cancel(void) {
    const int loop = any_loop(), handle = any_handle(loop, LOOKUP);
    check_socket(loop, handle, LOOKUP, socket2_lookup_cancel(loop, handle));
}
static void call_lookup_result(void) {
    const int loop = any_loop(), handle = any_handle(loop, LOOKUP);
    memset(found, 0x5a, sizeof found);
    const int max = one_in(10) ? any_number() : below(FOUND + 1);
    char* text = guarded_text();
    const size_t size = (size_t)below(ROOM + 1);
    socket2_addr* const out = max > FOUND || one_in(20) ? NULL : found;
    const int n =
        check_socket(loop, handle, LOOKUP,
                     socket2_lookup_result(loop, handle, out, max, one_in(5) ? NULL : text, size));
    check_guards(size);
    if (n == 0) fail("no address and no error", n);
    const int is_early = n != SOCKET2_EBADHANDLE && find_pending(loop, handle, SOCKET2_LOOKUP);
    if (is_early && n != SOCKET2_EBUSY && n != SOCKET2_EINVAL) {
        fail("a result before the event", n);
    }
    check_found(out == NULL ? 0 : n, max);
}
static void call_lookup_close(void) {
    const int loop = any_loop(), handle = any_handle(loop, LOOKUP);
    if (check_socket(loop, handle, LOOKUP, socket2_lookup_close(loop, handle)) == 0) {
        remove_socket(loop, handle);
    }
}
static void call_lookup_cache(void) {
    static const double times[] = {0, 0, 1e-3, 60, 1e300, INFINITY, -1, -INFINITY, NAN};
    const double seconds = PICK(times);
    const int code = socket2_lookup_cache(seconds);
    if (code != (seconds >= 0 ? 0 : SOCKET2_EINVAL)) fail("how long to remember", code);
}

static void made_channel(int loop, int handle) {
    made_socket(loop, handle, CHANNEL);
    if (handle < 0) return;
    const int id = socket2_channel_id(loop, handle);
    if (id <= 0) fail("no number of a channel", id);
    find_live(loop, handle)->id = id;
}
static void call_channel_new(void) {
    const int loop = any_loop();
    if (is_full(loop) || !one_in(3)) return;
    const int capacity = one_in(10) ? any_number() : below(4);
    const int handle = socket2_channel_new(loop, capacity);
    if (capacity < 0 && handle >= 0) fail("a capacity that is none", handle);
    made_channel(loop, handle);
}
static void call_channel_id(void) {
    const int loop = any_loop(), handle = any_handle(loop, CHANNEL);
    const int id = check_socket(loop, handle, CHANNEL, socket2_channel_id(loop, handle));
    if (id >= 0 && id != find_live(loop, handle)->id) fail("the number of another", id);
}

static int stale_channels[STALE];

/* Of a live one, of one that is gone or is in a message at most, or none. */
static int any_channel_id(void) {
    const int l = below(LOOPS);
    const live_socket* s = find_live(loops[l].handle, any_handle(loops[l].handle, CHANNEL));
    if (s != NULL && s->is == CHANNEL && !one_in(5)) return s->id;
    return one_in(4) ? any_number() : PICK(stale_channels);
}
static int is_channel_live(int id) {
    for (int l = 0; l < LOOPS; ++l) {
        for (int i = 0; i < loops[l].socket_count; ++i) {
            const live_socket* s = &loops[l].sockets[i];
            if (s->is == CHANNEL && s->id == id) return 1;
        }
    }
    return 0;
}
static void call_channel_open(void) {
    const int loop = any_loop(), id = any_channel_id();
    if (is_full(loop)) return;
    const int handle = socket2_channel_open(loop, id);
    if (handle == SOCKET2_EBADHANDLE && loop_index(loop) >= 0) {
        if (is_channel_live(id)) fail("the channel is live", id);
        return;
    }
    made_channel(loop, handle);
    if (handle >= 0 && find_live(loop, handle)->id != id) fail("another channel", handle);
}
static void call_channel_close(void) {
    const int loop = any_loop(), handle = any_handle(loop, CHANNEL);
    if (is_spared(loop, handle)) return;
    if (check_socket(loop, handle, CHANNEL, socket2_channel_close(loop, handle)) == 0) {
        PICK(stale_channels) = find_live(loop, handle)->id;
        remove_socket(loop, handle);
    }
}
static void call_channel_shutdown(void) {
    const int loop = any_loop(), handle = any_handle(loop, CHANNEL);
    if (!one_in(10)) return;
    check_socket(loop, handle, CHANNEL, socket2_channel_shutdown(loop, handle));
}
static void call_channel_own(void) {
    const int loop = any_loop(), handle = any_handle(loop, CHANNEL);
    if (!one_in(10)) return;
    check_socket(loop, handle, CHANNEL, socket2_channel_own(loop, handle));
}
static void call_channel_length(void) {
    const int loop = any_loop(), handle = any_handle(loop, CHANNEL);
    check_socket(loop, handle, CHANNEL, socket2_channel_length(loop, handle));
}

/* Every byte of a message tells its size. */
static char text_of_message[DATA];

static void call_channel_send(void) {
    const int loop = any_loop(), handle = any_handle(loop, CHANNEL);
    const size_t size = one_in(20) ? any_size() : (size_t)below(100);
    if (size <= DATA) memset(text_of_message, (int)(size & 0xff), size);
    /* Channels in messages in each other are never freed: of two the one with the larger number is
       in the messages of the other. */
    const live_socket* s = find_live(loop, handle);
    int channels[2], all_live = 1;
    const int channel_count = one_in(20) ? -below(3) : one_in(3) ? below(3) : 0;
    for (int i = 0; i < channel_count; ++i) {
        channels[i] = any_handle(loop, CHANNEL);
        const live_socket* other = find_live(loop, channels[i]);
        const int is_good = other != NULL && other->is == CHANNEL;
        if (is_good && s != NULL && other->id < s->id) channels[i] = handle;
        all_live &= is_good;
    }
    passengers with = {{0}, one_in(5) ? below(PASSENGERS + 1) : 0};
    intptr_t fds[PASSENGERS + 1];
    int fd_count = with.count;
    for (int i = 0; i < with.count; ++i) fds[i] = with.fds[i] = dup(PICK(own_fds));
    /* One that is not open, or is there twice. */
    if (one_in(30)) fds[fd_count++] = with.count > 0 && one_in(2) ? fds[0] : 1 << 20;
    if (one_in(50)) fd_count = -1;
    const int code = socket2_channel_send(loop, handle, one_in(20) ? NULL : text_of_message, size,
                                          one_in(20) ? NULL : channels, channel_count,
                                          one_in(20) ? NULL : fds, fd_count, any_deadline());
    if (code != 0 && code != SOCKET2_PENDING) close_all(&with);
    if (may_take(loop, handle, CHANNEL) && !all_live) {
        check_code(code);
        if (code >= 0) fail("a handle in a message is taken", code);
        return;
    }
    if (code > 0) fail("a send with a value", code);
    check_op(loop, handle, CHANNEL, SOCKET2_WRITE, 0, code);
}
static void call_channel_recv(void) {
    const int loop = any_loop(), handle = any_handle(loop, CHANNEL);
    const int code = socket2_channel_recv(loop, handle, any_deadline());
    check_op(loop, handle, CHANNEL, SOCKET2_READ, 0, code);
    live_socket* s = find_live(loop, handle);
    if (s == NULL || s->is != CHANNEL) return;
    if (code != SOCKET2_EBUSY && code != SOCKET2_EINVAL) s->message = code >= 0 ? code : -1;
}
static void call_message_data(void) {
    const int loop = any_loop(), handle = any_handle(loop, CHANNEL);
    const char* text = socket2_message_data(loop, handle);
    const live_socket* s = find_live(loop, handle);
    const int size = s != NULL && s->is == CHANNEL ? s->message : -1;
    if ((text != NULL) != (size >= 0)) fail("a message or none", size);
    for (int i = 0; text != NULL && i < size; ++i) {
        if (text[i] != (char)(size & 0xff)) fail("another message", size);
    }
}
static void call_message_channel(void) {
    const int loop = any_loop(), handle = any_handle(loop, CHANNEL);
    if (is_full(loop)) return;
    const int index = one_in(10) ? any_number() : below(2);
    const int code =
        check_socket(loop, handle, CHANNEL, socket2_message_channel(loop, handle, index));
    if (code >= 0) made_channel(loop, code);
}
static void call_message_fd(void) {
    const int loop = any_loop(), handle = any_handle(loop, CHANNEL);
    const int index = one_in(10) ? any_number() : below(PASSENGERS);
    const int fd = check_socket(loop, handle, CHANNEL, socket2_message_fd(loop, handle, index));
    if (fd >= 0 && close(fd) != 0) fail("not the descriptor", fd);
}
static void call_message_socket(void) {
    const int loop = any_loop(), handle = any_handle(loop, CHANNEL);
    if (is_full(loop)) return;
    const int index = one_in(10) ? any_number() : below(PASSENGERS);
    const int code =
        check_socket(loop, handle, CHANNEL, socket2_message_socket(loop, handle, index));
    if (code < 0) return;
    made_socket(loop, code, socket2_socket_type(loop, code) == SOCKET2_TCP ? TCP : UDP);
}
static void call_message_close(void) {
    const int loop = any_loop(), handle = any_handle(loop, CHANNEL);
    if (check_socket(loop, handle, CHANNEL, socket2_message_close(loop, handle)) != 0) return;
    live_socket* s = find_live(loop, handle);
    if (find_pending(loop, handle, SOCKET2_READ) == NULL) s->message = -1;
}
static void call_channel_unsent(void) {
    const int loop = any_loop(), handle = any_handle(loop, CHANNEL);
    const int index = one_in(10) ? any_number() : below(PASSENGERS);
    const int fd = check_socket(loop, handle, CHANNEL, socket2_channel_unsent(loop, handle, index));
    if (fd >= 0 && close(fd) != 0) fail("not the descriptor", fd);
}

/* At least one function is missing: none is called, and no thread starts. */
static void call_thread_new(void) {
    union {
        socket2_lua lua;
        void* functions[8];
    } some;
    _Static_assert(sizeof some.functions == sizeof some.lua, "all functions");
    for (int i = 0; i < 8; ++i) some.functions[i] = one_in(4) ? NULL : data;
    some.functions[below(8)] = NULL;
    const int loop = any_loop(), handle = any_handle(loop, CHANNEL);
    const char* name = one_in(10) ? NULL : any_garbage_text();
    const int code = check_socket(loop, handle, CHANNEL,
                                  socket2_thread_new(loop, one_in(5) ? NULL : &some.lua, any_data(),
                                                     any_size(), name, handle));
    if (code != SOCKET2_EBADHANDLE && code != SOCKET2_EINVAL) fail("a thread without Lua", code);
}

static void call_addr_type(void) {
    const int type = socket2_addr_type(any_addr());
    check_code(type);
    if (type >= 0 && (type < 1 || type > 3)) fail("an unknown type", type);
}
static void call_addr_family(void) {
    const int family = socket2_addr_family(any_addr());
    check_code(family);
    if (family >= 0 && (family < 1 || family > 3)) fail("an unknown family", family);
}
static void call_addr_protocol(void) {
    const int protocol = socket2_addr_protocol(any_addr());
    check_code(protocol);
    if (protocol < 0 && protocol != SOCKET2_EINVAL) fail("a negative protocol", protocol);
}
static void call_addr_port(void) {
    const int port = socket2_addr_port(any_addr());
    check_code(port);
    if (port > 65535) fail("a large port", port);
}
static void call_addr_ip(void) {
    char* text = guarded_text();
    const size_t size = (size_t)below(ROOM + 1);
    check_code(socket2_addr_ip(any_addr(), one_in(20) ? NULL : text, size));
    check_guards(size);
}
static void call_addr_format(void) {
    char* text = guarded_text();
    const size_t size = (size_t)below(ROOM + 1);
    const int n = socket2_addr_format(any_addr(), one_in(20) ? NULL : text, size);
    check_code(n);
    if (n >= ROOM) fail("longer than the header says", n);
    check_guards(size);
}

/* Chance alone seldom connects anything. */
static void make_a_connection(void) {
    const int loop = loops[below(LOOPS)].handle;
    if (is_full(loop)) return;
    const int listener = socket2_tcp_new(loop, SOCKET2_INET, 0);
    made_socket(loop, listener, TCP);
    const int client = socket2_tcp_new(loop, SOCKET2_INET, 0);
    made_socket(loop, client, TCP);
    next_addr = (next_addr + 1) % ADDRS;
    socket2_addr* addr = &addrs[next_addr];
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

#define CALL(name) \
    { "socket2_" #name, call_##name, 0 }

static struct {
    const char* name;
    void (*call)(void);
    int count;
} calls[] = {
    CALL(abi_version),
    CALL(addr_family),
    CALL(addr_format),
    CALL(addr_ip),
    CALL(addr_lookup),
    CALL(addr_parse),
    CALL(addr_port),
    CALL(addr_protocol),
    CALL(addr_type),
    CALL(channel_close),
    CALL(channel_id),
    CALL(channel_own),
    CALL(channel_length),
    CALL(channel_new),
    CALL(channel_open),
    CALL(channel_recv),
    CALL(channel_send),
    CALL(channel_shutdown),
    CALL(clock),
    CALL(error_message),
    CALL(error_name),
    CALL(fd_attach),
    CALL(fd_new),
    CALL(fd_open),
    CALL(hostname),
    CALL(lookup_cache),
    CALL(lookup_cancel),
    CALL(lookup_close),
    CALL(lookup_new),
    CALL(lookup_result),
    CALL(loop_close),
    CALL(loop_epoll_fd),
    CALL(loop_iocp),
    CALL(loop_set_iocp),
    CALL(loop_new),
    CALL(loop_set_epoll_fd),
    CALL(message_channel),
    CALL(message_data),
    CALL(message_fd),
    CALL(message_socket),
    CALL(message_close),
    CALL(channel_unsent),
    CALL(option_kind),
    CALL(os_error),
    CALL(poll),
    CALL(raw_new),
    CALL(socket_attach),
    CALL(socket_bind),
    CALL(socket_cancel),
    CALL(socket_close),
    CALL(socket_detach),
    CALL(socket_family),
    CALL(socket_fd),
    CALL(socket_getopt),
    CALL(socket_getopt_text),
    CALL(socket_localaddr),
    CALL(socket_pending),
    CALL(socket_protocol),
    CALL(socket_remoteaddr),
    CALL(socket_setopt),
    CALL(socket_setopt_text),
    CALL(socket_shutdown),
    CALL(socket_type),
    CALL(socket_wait),
    CALL(stream_buffered),
    CALL(stream_data),
    CALL(stream_peek),
    CALL(stream_read),
    CALL(stream_readall),
    CALL(stream_readline),
    CALL(stream_readuntil),
    CALL(stream_recv),
    CALL(stream_send),
    CALL(stream_sendv),
    CALL(stream_unread),
    CALL(tcp_accept),
    CALL(tcp_connect),
    CALL(tcp_listen),
    CALL(tcp_new),
    CALL(thread_cpus),
    CALL(thread_name),
    CALL(thread_new),
    CALL(thread_setname),
    CALL(time),
    CALL(timer_close),
    CALL(timer_new),
    CALL(udp_connect),
    CALL(udp_join),
    CALL(udp_leave),
    CALL(udp_new),
    CALL(udp_recv),
    CALL(udp_send),
    CALL(udp_truncated),
    CALL(version),
    CALL(wake),
};

enum { CALLS = sizeof calls / sizeof *calls };

static void make_good_addrs(void) {
    static const struct {
        const char *host, *service;
        int type, family;
    } wanted[] = {
        {NULL, "1", SOCKET2_TCP, SOCKET2_INET}, /* the first is the one that gets changed */
        {NULL, "0", SOCKET2_TCP, SOCKET2_INET},
        {NULL, "0", SOCKET2_UDP, SOCKET2_INET6},
        {NULL, "1", SOCKET2_UDP, SOCKET2_INET6},
        {"239.1.2.3", "0", SOCKET2_UDP, SOCKET2_INET},
        {"ff01::1234", "0", SOCKET2_UDP, SOCKET2_INET6},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; ++i) {
        socket2_addr addr;
        if (socket2_addr_lookup(wanted[i].host, wanted[i].service, wanted[i].type, wanted[i].family,
                                0, 0, &addr, 1, NULL, 0) != 1) {
            fail("no address", (int)i);
        }
        remember_addr(&addr);
    }
    for (int i = 0; i < 4; ++i) {
        char path[64];
        socket2_addr addr;
        snprintf(path, sizeof path, "@socket2-garbage-%ld-%d", (long)getpid(), i);
        const int n =
            socket2_addr_lookup(path, NULL, SOCKET2_TCP, SOCKET2_UNIX, 0, 0, &addr, 1, NULL, 0);
        if (n == 1) remember_addr(&addr);
        if (n != (ABSTRACT_NAMES ? 1 : SOCKET2_ENOTSUPPORTED)) fail("no unix address", n);
    }
}

int main(int argc, char** argv) {
    state = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
    const double seconds = argc > 2 ? strtod(argv[2], NULL) : 2;
    setvbuf(stdout, NULL, _IONBF, 0);
    printf("seed %llu, %g s\n", (unsigned long long)state, seconds);
    const int fds = count_fds();
    current = "setup";
    socket2_thread_name(thread_name, sizeof thread_name);
    addrs = calloc(ADDRS, sizeof *addrs);
    data = calloc(1, DATA);
    make_good_addrs();
    make_own_fds();
    for (int i = 0; i < LOOPS; ++i) loops[i].handle = socket2_loop_new();

    const double end = socket2_clock() + seconds;
    for (step = 0; step % 64 != 0 || socket2_clock() < end; ++step) {
        /* Now and then events are taken, or the socket tables would only fill. */
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
            const int i = below(CALLS);
            current = calls[i].name;
            calls[i].call();
            ++calls[i].count;
        }
    }

    /* What is still pending comes when its socket is closed, once each. */
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
    for (int i = 0; i < CALLS; ++i) {
        if (calls[i].count == 0) fail(calls[i].name, 0);
    }
    close_own_fds();
    /* A look-up that was given up may still have one. */
    const double limit = socket2_clock() + 20;
    while (count_fds() != fds && socket2_clock() < limit) usleep(1000);
    if (count_fds() != fds) fail("descriptors are left", count_fds() - fds);
    free(addrs);
    free(data);
    printf("%d calls\n", step);
    printf("%d passed, %d failed\n", failures == 0, failures);
    return failures == 0 ? 0 : 1;
}
