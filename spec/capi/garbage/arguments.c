#define _GNU_SOURCE
#include "spec/capi/garbage/arguments.h"

#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "descriptors.h"
#include "facts.h"

char* data;
socket2_addr good_addrs[64];

enum { ADDRS = 1 << 15 };
static socket2_addr* addrs;
static int good_count;
static char text_room[GUARD + ROOM + GUARD];

int any_number(void) {
    static const int numbers[] = {0,     1,     -1,      2,       3,          4,    7,
                                  64,    127,   128,     255,     256,        1023, 1024,
                                  65535, 65536, INT_MAX, INT_MIN, INT_MAX - 1};
    return one_in(4) ? (int)(uint32_t)next_random() : PICK(numbers);
}

int any_loop(void) {
    if (!one_in(20)) return loops[below(LOOPS)].handle;
    return one_in(2) ? PICK(stale_loops) : any_number();
}

/*
 * Mostly a live handle on the loop, of these kinds; otherwise one of other kinds, of another loop,
 * a stale one or a number.
 */
int any_handle(int loop, int kinds) {
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

int any_socket(int loop) { return any_handle(loop, ANY_SOCKET); }

/* Pending operations may still use an address, so none is written again while one could. */
socket2_addr* fresh_addr(void) {
    static int next;
    next = (next + 1) % ADDRS;
    return &addrs[next];
}

void remember_addr(const socket2_addr* addr) {
    if (good_count < 64) {
        good_addrs[good_count++] = *addr;
    } else {
        good_addrs[16 + below(48)] = *addr;
    }
}

/*
 * Good ones are loopback addresses that belong to this test, so that no other program gets
 * anything. The others differ from those only behind the IPv4 part, or are not like an address at
 * all.
 */
socket2_addr* any_addr(void) {
    if (one_in(20)) return NULL;
    socket2_addr* addr = fresh_addr();
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

socket2_addr* room_for_addr(void) {
    if (one_in(10)) return NULL;
    return fresh_addr();
}

double any_deadline(void) {
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

size_t any_size(void) {
    static const size_t huge[] = {(size_t)INT_MAX + 1, SIZE_MAX, SIZE_MAX / 2 + 1};
    if (one_in(20)) return PICK(huge);
    return one_in(4) ? (size_t)below(DATA + 1) : (size_t)below(100);
}

char* any_data(void) { return one_in(20) ? NULL : data; }

static char garbage_text[512];

const char* any_garbage_text(void) {
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

const char* any_option(void) {
    if (one_in(20)) return NULL;
    return one_in(10) ? any_garbage_text() : PICK(option_names);
}

/* With an unknown congestion control the system would look for a module. */
const char* any_option_text(void) {
    static const char* const texts[] = {NULL, "", "lo", "reno", "127.0.0.1", "1"};
    return PICK(texts);
}

const char* any_interface(void) {
    static const char* const names[] = {NULL, "", "lo", "127.0.0.1", "0.0.0.0", "1", "0", "-1"};
    return one_in(10) ? any_garbage_text() : PICK(names);
}

char* guarded_text(void) {
    memset(text_room, 0x5a, sizeof text_room);
    return text_room + GUARD;
}

void check_guards(size_t size) {
    for (size_t i = 0; i < GUARD; ++i) {
        if (text_room[i] != 0x5a) fail("wrote before the text", (int)i);
    }
    for (size_t i = GUARD + size; i < sizeof text_room; ++i) {
        if (text_room[i] != 0x5a) fail("wrote behind the text", (int)i);
    }
}

/* Bad numbers are rare, because the system looks for a module for each that it does not know. */
int any_protocol(int good) {
    static const int bad[] = {-1, 256, INT_MAX, INT_MIN};
    return one_in(50) ? PICK(bad) : one_in(3) ? good : 0;
}

int any_family(void) { return one_in(10) ? any_number() : 1 + below(3); }

static void make_good_addrs(void) {
    static const struct {
        const char *host, *service;
        int type, family;
    } wanted[] = {
        {NULL, "1", SOCKET2_TCP, SOCKET2_INET}, /* the first one is changed */
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

int own_fds[8];

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

/* Makes something readable, or stops that. */
void stir_own_fds(void) {
    const uint64_t one = 1;
    static char some[1 << 16];
    const int fd = own_fds[below(6)];
    const ssize_t n = one_in(2) ? write(fd, one_in(5) ? some : (const char*)&one, sizeof one)
                                : read(fd, some, sizeof some);
    if (n == 0) fail("the end of an own descriptor", fd);
}

void make_arguments(void) {
    addrs = calloc(ADDRS, sizeof *addrs);
    data = calloc(1, DATA);
    make_good_addrs();
    make_own_fds();
}

void free_arguments(void) {
    close_own_fds();
    free(addrs);
    free(data);
}
